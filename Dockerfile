# whyrec on a processor. docs/docker.md says how it is built and run, and what of it was tested.
FROM python:3.11-slim

# make runs the README's lines; DVC keeps its experiments in git. The packages bring all other libraries
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*

WORKDIR /whyrec
ENV PATH=/whyrec/.venv/bin:$PATH PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1

# the packages have a layer of their own, which holds until requirements.txt changes; an index of CPU builds of torch
# keeps the libraries of CUDA out: --build-arg PIP_EXTRA_INDEX_URL=…
ARG PIP_EXTRA_INDEX_URL=
COPY Makefile requirements.txt ./
RUN make environment

# a repository of its own, since .git is not copied
COPY . .
RUN git init --quiet --initial-branch main && git add --all && \
    git -c user.name=whyrec -c user.email=whyrec@localhost commit --quiet --message "as it was copied"

EXPOSE 8000
CMD ["make", "demo"]
