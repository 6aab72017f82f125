FROM python:3.11-slim-bookworm
RUN ["/bin/sh", "-c", "python --version > /version"]
