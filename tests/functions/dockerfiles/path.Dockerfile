FROM debian:bookworm-slim
ENV PATH=/opt/own:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir /opt/own && printf '#!/bin/sh\necho not this one\n' > /opt/own/python && chmod +x /opt/own/python
