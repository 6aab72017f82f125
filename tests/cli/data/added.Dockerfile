FROM scratch AS added
ADD http://127.0.0.1:47832/file /added
ADD --checksum=sha256:992a93455c71fedd36ac9bbc439952c041cf61445958472af479269b8d873513 http://127.0.0.1:47832/fixed /fixed

FROM scratch
COPY --from=added /added /copied
