# Parley, both profiles. Embedded (the default): docker run --init -p 127.0.0.1:8080:8080 -v parley-data:/data parley:0.1.0
# Distributed: docker-compose.yml. Debian, not Alpine: uWebSockets.js has no binaries for musl.

# The full image has the compiler that better-sqlite3 may need.
FROM node:20.20.2-bookworm AS build
WORKDIR /parley
COPY package.json package-lock.json .npmrc ./
COPY client/package.json ./client/
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY client ./client
COPY bench ./bench
# The workspace is a link to where the client library is not: the image has no use for it.
RUN npm run build && npm prune --omit=dev --no-audit --no-fund && rm -rf dist/bench dist/.tsbuildinfo node_modules/@parley

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production PARLEY_HOST=0.0.0.0 PARLEY_PORT=8080 PARLEY_DATA=/data
WORKDIR /parley
COPY --from=build /parley/package.json ./
COPY --from=build /parley/node_modules ./node_modules
COPY --from=build /parley/dist ./dist
COPY bin ./bin
COPY deploy/healthcheck.mjs ./dist/healthcheck.mjs
RUN install -d -o node -g node -m 0700 /data
# The number, not the name: an orchestrator sees that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8080
# A stop takes up to 15 s: clients are closed in waves. Node as process 1 handles SIGTERM; --init (compose: init) reaps.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=6 CMD ["node", "dist/healthcheck.mjs"]
ENTRYPOINT ["node", "bin/parley.js"]
CMD ["serve"]
