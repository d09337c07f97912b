# Attune in an image of its own: the binary, and nothing to build or fetch with.
# It listens on loopback inside of its container until ATTUNE_ADDR and ATTUNE_AUTH=open are written out, as in
# docker-compose.yml: an image does not open itself.

FROM rust:1.95-bookworm AS build
WORKDIR /build

# The dependencies are a layer of their own, which stands until the manifest or the lock changes. Cargo wants every target
# that the manifest names; a stub that exits with 1 cannot be taken for Attune below.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && touch src/lib.rs \
    && for target in src/main.rs benches/access.rs benches/floor.rs benches/live.rs benches/retrieval.rs benches/store.rs benches/turns.rs benches/words.rs; do \
         echo 'fn main() { std::process::exit(1) }' > "$target"; \
       done \
    && cargo build --release --locked

# Protocol, texts and safety data are compiled in.
COPY prompts prompts
COPY src src
# The sources keep the times of the checkout. Where those lie before the stubs were built, cargo would keep the stubs.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked \
    && target/release/attune protocol check

FROM debian:bookworm-slim

RUN groupadd --gid 10001 attune \
    && useradd --uid 10001 --gid attune --no-create-home --home-dir /data --shell /usr/sbin/nologin attune \
    && install --directory --owner attune --group attune --mode 0700 /data

COPY --from=build /build/target/release/attune /usr/local/bin/attune
# By these a model's server behind https is known.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt

ENV ATTUNE_DATA=/data
# What people said lies here as plain text; a directory of the host that is mounted instead has to belong to 10001.
VOLUME /data
EXPOSE 8000
USER 10001:10001
STOPSIGNAL SIGTERM

# bash opens the connection itself, so nothing has to be installed for it. Not `attune doctor`: where no server answers,
# that opens the store instead, and a server that starts meanwhile would find it taken.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status = 200 ]]"]

ENTRYPOINT ["/usr/local/bin/attune"]
CMD ["serve"]
