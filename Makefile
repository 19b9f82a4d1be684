# hilander: `make help` lists what can be done.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export BENTOML_DO_NOT_TRACK := true
ifneq ($(wildcard ../shared/data),)
export HILANDER_BENCH_DATA ?= $(abspath ../shared/data)
endif
# uv does not read pip's own settings, so what the user set for pip is handed on.
UV_SOURCES = $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"} $${PIP_INDEX_URL:+--index-url "$$PIP_INDEX_URL"} \
	$${PIP_EXTRA_INDEX_URL:+--extra-index-url "$$PIP_EXTRA_INDEX_URL"}

.PHONY: help install run test check lock serve deploy undeploy general-model bench-omniglot bench-quality \
	bench-general bench-foundation bench-orchestration bench-drift bench-serving bench-speed bench-scale clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## Create .venv and install hilander with everything it can use

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || python3.11 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(UV_SOURCES) -c constraints.txt -e '.[dev]'
	@touch $@

run: install  ## Pull the built-in glyphs, run every stage, print the metrics table and the report's path
	python -m hilander.pipeline.data_versions
	dvc repro
	hilander report

test: install  ## Run the whole test suite
	pytest -n 2 --dist loadfile --no-loadscope-reorder

serve: install  ## Answer over HTTP with the model in service (see docs/serving.md)
	OMP_WAIT_POLICY=passive bentoml serve hilander.serving.service:HilanderService

deploy: install  ## Start Prefect's server, a worker and the deployments train, cluster and monitor on this machine
	python flows/deploy.py up

undeploy:  ## Stop the server and the worker that `make deploy` started
	python flows/deploy.py down

check: install  ## Lint, check types and the direction of imports
	ruff check .
	ruff format --check .
	mypy
	lint-imports

lock: install  ## Write constraints.txt anew from what is installed
	$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable | sed 's/+cpu$$//' > constraints.txt

general-model: install  ## Train anew the model that ships in the package (needs the embeddings of `dvc repro`)
	python -m hilander.training.general src/hilander/pretrained/general \
		artifacts/embeddings/train/embeddings.npy artifacts/embeddings/train/items.parquet

bench-omniglot: install  ## Measure every method on Omniglot's unseen characters (about an hour)
	python -m benchmarks.omniglot

bench-quality: install  ## Measure every method on every test bed (three to four hours; finished parts are kept)
	python -m benchmarks.quality

bench-general: install  ## Measure the general model on sets of many kinds (15 min)
	python -m benchmarks.general

bench-speed: install  ## Measure speed and memory beside the published implementation
	python -m benchmarks.speed

bench-scale: install  ## Measure clustering in parts on one and two workers, and one that is killed
	python -m benchmarks.scale

bench-foundation: install  ## Time installing, the pipeline, the tests and the import from a clean clone
	python -m benchmarks.foundation

bench-orchestration: install  ## Time the training flow beside plain `dvc repro`
	python -m benchmarks.orchestration

bench-drift: install  ## Measure false alarms and power of the drift verdict
	python -m benchmarks.drift

bench-serving: install  ## Measure the service over HTTP, of the last `dvc repro` (an hour; wants a quiet machine)
	python -m benchmarks.serving

clean:  ## Remove what the stages made (the data and .venv stay)
	rm -rf artifacts reports
