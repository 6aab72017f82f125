FROM debian:bookworm-slim AS build
ARG OUT=/out
WORKDIR ${OUT}/lib
RUN <<'SCRIPT'
#!/usr/bin/env perl
open(my $file, '>', "$ENV{OUT}/made"); print $file "by perl\n";
SCRIPT
RUN echo 1 > a.so; echo 2 > b.so; ln a.so hard.so; ln -s a.so soft.so; touch other; chown 7:8 b.so; chmod 600 b.so
RUN useradd app && mkdir /existing

FROM build AS unused
RUN exit 1

FROM build
ARG OUT
SHELL ["/bin/bash", "-euc"]
RUN [[ "${OUT:-none}" == none ]] && echo ok > /scope
COPY --from=build /out/lib/*.so /lib-only/
COPY --from=0 /out/made /existing
COPY --from=build /out /all
COPY --chown=app:audio --chmod=750 src/lib.rs /owned/
COPY --chown=12:34 functions /numbered
ADD functions/dockerfiles/archive.tar.gz /added
ADD --chown=9:9 functions/dockerfiles/archive.tar.* /owned-too/
ADD Cargo.toml /added/
ENV NAME=good
COPY --chmod=0640 <<one <<"two" /documents/
<$NAME>
one
$NAME
two
