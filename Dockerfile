# Holdpoint as a container.
#
#     docker build -t holdpoint .
#     docker run -p 8080:8080 -p 127.0.0.1:8081:8081 -v holdpoint:/var/lib/holdpoint holdpoint
#
# Agents connect on 8080, reviewers on 8081. Data and CA are in the volume.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

# From here on the image that runs; scripts/compose-proof builds it from this line.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/holdpoint holdpoint \
    && install -d -o holdpoint -g holdpoint -m 0700 /var/lib/holdpoint
COPY --from=build /src/target/release/holdpoint /usr/local/bin/holdpoint
USER holdpoint
WORKDIR /var/lib/holdpoint
VOLUME /var/lib/holdpoint
# In a container a loopback listener is reached by nobody. So that 8081 is not reached by agents, publish it
# to yourself only, or put agents into a network of their own (docker-compose.yml).
ENV HOLDPOINT_LISTEN=0.0.0.0:8080 \
    HOLDPOINT_CONTROL_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["holdpoint", "doctor", "--quick"]
# TERM ends in order: what is under way is answered, the records are written.
STOPSIGNAL SIGTERM
ENTRYPOINT ["holdpoint"]
CMD ["serve"]
