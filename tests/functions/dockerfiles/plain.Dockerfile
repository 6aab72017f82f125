# syntax=docker/dockerfile:1
ARG SUITE=bullseye
FROM debian:${SUITE}-slim
# What every build has.
ARG GREETING=hello
ENV NAME=world \
    # in between
    TEXT="${GREETING}, ${NAME:-nobody}"
WORKDIR /srv/app
RUN echo "$GREETING $NAME" > said \
 && id -un >> said
COPY functions/[v]*.rs functions/im*.rs Cargo.toml copied/
COPY src /srv/src
COPY <<EOF /etc/motd
text: ${TEXT}
EOF
RUN <<EOF
echo first > heredoc
echo $GREETING >> heredoc
EOF
RUN useradd --create-home app
USER app
WORKDIR work
RUN id -un > user
ENTRYPOINT ["/no/such/entrypoint"]
CMD serve
LABEL org.example.name="a b" other=x
EXPOSE 80 53/udp
