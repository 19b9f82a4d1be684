# What a Docker or Kubernetes work pool runs the flows in; see docs/orchestration.md.
FROM python:3.11-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && pip install --no-cache-dir uv
# The workspace is a volume, which may belong to another user than the container's.
RUN git config --system --add safe.directory '*'
WORKDIR /hilander
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN uv pip install --system --compile-bytecode --no-cache --torch-backend cpu -c constraints.txt -e '.[all]'
COPY . .
ENV DVC_NO_ANALYTICS=1 GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 BENTOML_DO_NOT_TRACK=true
