FROM debian:bookworm-slim AS build
RUN mkdir -p /out/deep && cd /out && echo made > deep/made && ln -s /out/deep/made soft && ln deep/made hard && chmod 750 hard

FROM debian:bookworm-slim
# Its own link leads to where it leads: in this image, to nothing.
RUN --mount=type=bind,from=build,source=/out,target=/lent/out \
    cat /lent/out/hard > /seen && stat -c %a /lent/out/hard >> /seen && readlink /lent/out/soft >> /seen && \
    test /lent/out/hard -ef /lent/out/deep/made && ! touch /lent/out/new 2>/dev/null && ! echo x 2>/dev/null > /lent/out/hard
RUN --mount=from=build,source=out/soft,target=/one,rw cat /one > /written && echo changed > /one && cat /one >> /written
RUN --mount=from=0,source=/out/deep/made,target=/one cat /one >> /written
USER nobody
RUN --mount=from=debian:bookworm-slim,target=/tmp/whole --mount=source=Cargo.toml,target=/tmp/lent/mine \
    test -e /tmp/whole/etc/passwd && test ! -e /tmp/whole/seen && head -c 9 /tmp/lent/mine > /tmp/mine
