FROM debian:bookworm-slim AS tools
RUN apt-get update -q && apt-get install -yq --no-install-recommends jo && rm -rf /var/lib/apt/lists/*

FROM scratch
COPY --from=tools /usr/bin/jo /jo
