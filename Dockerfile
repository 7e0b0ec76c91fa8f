# quantflow, Prefect's server and Ray in one image: all three speak to each other, so their versions must be the same.
# A tag can be moved; to be certain, pin its digest: docker build --build-arg PYTHON=3.12.12-slim-bookworm@sha256:...
ARG PYTHON=3.12.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /build
RUN python -m venv /opt/quantflow
COPY deploy/requirements.txt ./
RUN /opt/quantflow/bin/pip install --no-cache-dir --require-virtualenv --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/quantflow/bin/pip install --no-cache-dir --require-virtualenv --no-deps .

FROM python:${PYTHON}
RUN groupadd --gid 10001 quantflow \
    && useradd --uid 10001 --gid quantflow --create-home --shell /usr/sbin/nologin quantflow \
    && install --directory --owner=quantflow --group=quantflow --mode=0700 /workspace \
    && install --directory --owner=quantflow --group=quantflow /home/quantflow/.config /home/quantflow/.config/quantflow \
    && echo 'trusted = ["/workspace"]' > /home/quantflow/.config/quantflow/config.toml \
    && chown quantflow:quantflow /home/quantflow/.config/quantflow/config.toml
COPY --from=build /opt/quantflow /opt/quantflow
# The home folder has numba's cache, and what Prefect and Ray write; nothing of it is needed after the container's end.
ENV PATH=/opt/quantflow/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    RAY_USAGE_STATS_ENABLED=0
USER 10001:10001
WORKDIR /workspace
VOLUME ["/workspace"]
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["quantflow", "server", "show"]
ENTRYPOINT ["quantflow"]
CMD ["--help"]
