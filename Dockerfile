# A processor:
#   docker build -t synthesight .
# An NVIDIA card:
#   docker build -t synthesight:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 \
#     --build-arg TORCH_INDEX=https://pypi.org/simple .
#   docker run --rm --gpus all -v "$PWD:/work" synthesight:cuda classify photo.png --classes cat,dog
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV VIRTUAL_ENV=/opt/synthesight PATH=/opt/synthesight/bin:$PATH

# The CUDA bases come without Python.
RUN command -v python3 >/dev/null && python3 -c "import ensurepip" 2>/dev/null || \
    ( apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv \
      && rm -rf /var/lib/apt/lists/* )
RUN python3 -m venv "$VIRTUAL_ENV"

# The large and rarely changing layer first.
COPY constraints.txt /opt/source/
RUN pip install --no-cache-dir --constraint /opt/source/constraints.txt --index-url "$TORCH_INDEX" \
      --extra-index-url https://pypi.org/simple torch
COPY pyproject.toml README.md LICENSE /opt/source/
COPY src /opt/source/src
RUN pip install --no-cache-dir --constraint /opt/source/constraints.txt /opt/source

RUN useradd --create-home observer && mkdir /work && chown observer /work
USER observer
WORKDIR /work
ENTRYPOINT ["synthesight"]
CMD ["--help"]
