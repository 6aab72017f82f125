# An image without glibc: busybox, and the loader of musl, which is its library too.
FROM debian:bookworm-slim AS files
RUN apt-get update \
    && apt-get install -y --no-install-recommends busybox-static musl \
    && mkdir -p /musl/bin /musl/lib /musl/etc /musl/root /musl/usr/bin /musl/usr/local/bin \
    && mkdir -m 1777 /musl/tmp \
    && cp /lib/ld-musl-*.so.1 /musl/lib/ \
    && cp /bin/busybox /musl/bin/ \
    && chroot /musl /bin/busybox --install -s /bin \
    && echo root:x:0:0:root:/root:/bin/sh > /musl/etc/passwd

FROM scratch
COPY --from=files /musl /
