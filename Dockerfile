# syntax=docker/dockerfile:1
ARG NODE_VERSION=20

FROM node:${NODE_VERSION}-alpine AS builder
WORKDIR /app
COPY . .
# No dependency needs its install script.
RUN --mount=type=cache,target=/root/.npm ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
RUN ["npm", "run", "build"]
# From here on npm ignores development dependencies.
ENV NODE_ENV=production
RUN ["npm", "prune", "--ignore-scripts", "--no-audit", "--no-fund"]

FROM node:${NODE_VERSION}-alpine
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="scoreboard-api" \
      org.opencontainers.image.description="Live leaderboards for games" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production \
    NODE_OPTIONS=--enable-source-maps \
    PORT=3000
WORKDIR /app
# All files belong to root.
COPY --from=builder /app/package.json ./
COPY --from=builder /app/node_modules ./node_modules
COPY --from=builder /app/client/package.json ./client/
COPY --from=builder /app/client/dist ./client/dist
COPY --from=builder /app/migrations ./migrations
COPY --from=builder /app/dist ./dist
# The user `node`, as a number, so that Kubernetes can verify that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["node", "dist/scripts/healthcheck.js"]
CMD ["node", "dist/src/server.js"]
