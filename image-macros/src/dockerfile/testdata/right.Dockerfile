ARG TAG=bookworm-slim
FROM debian:${TAG} AS build
ARG JOBS
RUN make -j${JOBS} && \
    make install

FROM scratch
COPY --from=build --chown=1:2 /out /app
COPY Cargo.toml <<notes /app/
built with $CARGO_HOME
notes
ENV PATH=/app/bin:${PATH:-/bin}
HEALTHCHECK --interval=1m CMD ["/app/check"]
USER 1000
ENTRYPOINT ["/app/run"]
