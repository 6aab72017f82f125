FROM scratch AS made
COPY . /all/

FROM scratch
COPY --from=made /all /all
