# tgbulk as a container: sessions and archives in the volume /data, nothing runs as root.
#   docker build -t tgbulk .
#   docker run --rm -it -v tgbulk:/data -e TELEGRAM_API_ID -e TELEGRAM_API_HASH tgbulk login
#   docker run --rm -v tgbulk:/data -e TELEGRAM_API_ID -e TELEGRAM_API_HASH tgbulk export @telegram -o /data/archive
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
# such as [fleet]
ARG EXTRAS=""
RUN python -m venv /opt/tgbulk && /opt/tgbulk/bin/pip install --no-cache-dir ".$EXTRAS"

FROM python:3.12-slim
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 tgbulk && install -d -o tgbulk -g tgbulk -m 0700 /data
COPY --from=build /opt/tgbulk /opt/tgbulk
ENV PATH=/opt/tgbulk/bin:$PATH TGBULK_HOME=/data
USER 1000
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
# An account that is in use is healthy: a run goes on (exit code 6).
HEALTHCHECK --interval=5m --timeout=30s CMD ["sh", "-c", "tgbulk doctor >/dev/null || [ $? -eq 6 ]"]
ENTRYPOINT ["tgbulk"]
CMD ["--help"]
