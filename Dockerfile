# syntax=docker/dockerfile:1
ARG NODE_VERSION=20

# By digest, which Dependabot keeps current. Only the one that NODE_VERSION names is fetched. Node 20 is that of the specification.
FROM node:20-alpine@sha256:fb4cd12c85ee03686f6af5362a0b0d56d50c58a04632e6c0fb8363f609372293 AS node-20
FROM node:22-alpine@sha256:c610fcdfb1d5b4740dd70c284ed3cb16bb857e0f7166196e36a5501df7a3aa32 AS node-22
FROM node:24-alpine@sha256:d32cdf619f63fe0471182d08996dd516c6275bb5fd31ae06e55a570bd9e1ad43 AS node-24

# hadolint ignore=DL3006
FROM node-${NODE_VERSION} AS builder
WORKDIR /app
COPY . .
# No dependency needs its install script.
RUN --mount=type=cache,target=/root/.npm ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
RUN ["npm", "run", "build"]
# From here on npm ignores development dependencies.
ENV NODE_ENV=production
RUN ["npm", "prune", "--ignore-scripts", "--no-audit", "--no-fund"]

# hadolint ignore=DL3006
FROM node-${NODE_VERSION}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="scoreboard-api" \
      org.opencontainers.image.description="Live leaderboards for games" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A home also for users that the image does not know: Kubernetes runs it as any. A package looks for it, in vain, when it is loaded.
ENV NODE_ENV=production \
    HOME=/app \
    NODE_OPTIONS=--enable-source-maps \
    PORT=3000
WORKDIR /app
# All files belong to root.
COPY --from=builder /app/package.json ./
COPY --from=builder /app/node_modules ./node_modules
COPY --from=builder /app/client/package.json ./client/
COPY --from=builder /app/client/dist ./client/dist
COPY --from=builder /app/console/package.json ./console/
COPY --from=builder /app/console/dist ./console/dist
COPY --from=builder /app/migrations ./migrations
COPY --from=builder /app/dist ./dist
# The user `node`, as a number, so that Kubernetes can verify that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["node", "dist/scripts/healthcheck.js"]
CMD ["node", "dist/src/server.js"]
