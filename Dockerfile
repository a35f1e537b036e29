# siltd in a container: built in one stage, run in another that has what it links to, as a user without rights.
#     docker build -t silt .
#     docker run -d -p 8086:8086 -v silt-data:/var/lib/silt silt
# Any setting is a variable: -e SILT_HTTP_AUTH_ENABLED=true. docker kill -s HUP reads the configuration again.

FROM debian:12-slim AS build

WORKDIR /src
COPY script/setup script/setup
RUN script/setup --package
COPY . .
RUN script/package && cp build/release/silt_*.deb /silt.deb

FROM debian:12-slim
COPY --from=build /silt.deb /tmp/silt.deb
RUN apt-get update && apt-get install -y --no-install-recommends /tmp/silt.deb ca-certificates \
    && rm -rf /var/lib/apt/lists/* /tmp/silt.deb
ENV SILT_DATA_DIR=/var/lib/silt SILT_HTTP_BIND_ADDRESS=:8086
USER silt
VOLUME /var/lib/silt
EXPOSE 8086
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["silt", "-no-rc", "-execute", "help"]
ENTRYPOINT ["siltd"]
CMD ["--config", "/etc/silt/siltd.toml"]
