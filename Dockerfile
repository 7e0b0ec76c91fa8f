# quantflow, Prefect's server and Ray in one image: all three speak to each other, so their versions must be the same.
# A tag can be moved; to be certain, pin its digest: docker build --build-arg PYTHON=3.12.12-slim-bookworm@sha256:...
ARG PYTHON=3.12.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/quantflow
COPY deploy/requirements.txt ./
# A package index or a certificate of your own: --secret id=pip,src=pip.conf --secret id=ca,src=ca.pem. No layer keeps them.
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    export PIP_CONFIG_FILE=/run/secrets/pip; \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip --python /opt/quantflow/bin/python install --requirement requirements.txt
# What no run reads: tests of other packages, Ray's Java and dashboard pages, and the headers of Arrow.
RUN find /opt/quantflow/lib -type d -name tests -prune -exec rm -r {} + \
    && rm -r /opt/quantflow/lib/python*/site-packages/ray/jars \
       /opt/quantflow/lib/python*/site-packages/ray/dashboard/client \
       /opt/quantflow/lib/python*/site-packages/pyarrow/include
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    export PIP_CONFIG_FILE=/run/secrets/pip; \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip --python /opt/quantflow/bin/python install --no-deps .

FROM python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title=quantflow \
      org.opencontainers.image.description="From daily prices to portfolio weights: durable, resumable, observable" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION}
RUN groupadd --gid 10001 quantflow \
    && useradd --uid 10001 --gid quantflow --create-home --shell /usr/sbin/nologin quantflow \
    && install --directory --owner=quantflow --group=quantflow --mode=0700 /workspace \
    && install --directory /etc/quantflow/quantflow \
    && echo 'trusted = ["/workspace"]' > /etc/quantflow/quantflow/config.toml \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=build /opt/quantflow /opt/quantflow
COPY --chmod=0755 deploy/with-secrets deploy/healthy deploy/on-ray /usr/local/bin/
# The home folder has numba's cache, and what Prefect and Ray write; nothing of it is needed after the container's end.
ENV PATH=/opt/quantflow/bin:$PATH \
    XDG_CONFIG_HOME=/etc/quantflow \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    RAY_USAGE_STATS_ENABLED=0
USER 10001:10001
WORKDIR /workspace
ENTRYPOINT ["with-secrets", "quantflow"]
CMD ["--help"]
