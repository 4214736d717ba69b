# Debian, not Alpine: nothing here needs a compiler, and the image may also run the embedded Postgres (glibc only).
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=optional
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY pipelines ./pipelines
COPY sql ./sql
RUN npm run build && npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production PIPELINES_DIR=dist/pipelines
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
# node is started directly: npm would not pass SIGTERM on.
ENTRYPOINT ["node"]
CMD ["dist/src/cli/main.js", "start"]
