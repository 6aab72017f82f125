FROM debian:bookworm-slim
RUNN make
COPY Cargo.tom /app/
