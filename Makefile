.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 10000

.PHONY: help setup demo demo-milvus test simulate fuzz storm soak gitops lint up down bench-operator bench-index-file-size bench-recall bench-engine lock proto render images release release-check pin-base

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv with Quiver and its tools in it (touches nothing outside this folder)

$(VENV)/.ready: requirements/dev.txt pyproject.toml operator/quiver/__init__.py
	@echo "Installing Quiver and its tools into $(VENV) (nothing outside this folder)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run the whole story on a Kubernetes of its own, or in yours: KUBECONFIG=FILE, IMAGE_REGISTRY=HOST/PATH
	$(BIN)/python -m demo $(if $(filter command%,$(origin KUBECONFIG)),--kubeconfig '$(KUBECONFIG)' $(if $(IMAGE_REGISTRY),--image-registry '$(IMAGE_REGISTRY)'))

demo-milvus: setup ## Run the story of collections on a Milvus 2.3.5, which it starts itself. Without root
	$(BIN)/python -m demo --milvus

test: setup ## Run every test
	$(BIN)/python -m localcluster build
	$(BIN)/python -m pytest -n 2 --dist loadgroup

simulate: setup ## Run the operator through more storms than `make test` does: SEEDS=100000
	$(BIN)/python -m simulation --seeds $(SEEDS)

fuzz: setup ## Send the engine hostile messages for FUZZ_SECONDS (60); FUZZ_SEED repeats a round
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(BIN)/python -m pytest tests/engine/test_fuzz.py -s -p no:cacheprovider --timeout 0

gitops: setup ## Run Quiver under Flux' own controllers, for 3 minutes, as root. Building these takes 13, once
	$(BIN)/python -m localcluster build --flux
	$(BIN)/python -m pytest tests/gitops --verbose --log-cli-level=INFO --log-cli-format='%(message)s'

lint: setup ## Check style, types, layers and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.render --check
	$(BIN)/python -m tools.stubs --check

up: setup ## Leave a Kubernetes with Quiver in it standing, and say what to type next
	$(BIN)/python -m demo --up

down: setup ## Take that Kubernetes away
	$(BIN)/python -m localcluster down

images: setup ## Build the images into dist/; IMAGE_REGISTRY= PUSH=1 pushes, GPU=1 the engine for GPUs, BASE=, BUILDER=
	$(BIN)/python -m imagebuild images

release: setup ## Build a release of this commit into dist/; REHEARSAL=1 of any, IMAGES=0 without images, and as images does
	$(BIN)/python -m release build

release-check: setup ## Build the release in dist/ a second time, elsewhere, and compare them
	$(BIN)/python -m release check

pin-base: setup ## Write the digest of the images' base into images/Containerfile (asks the registry)
	$(BIN)/python -m imagebuild pin-base

bench-operator: setup ## Measure the operator with thousands of collections, into the docs; COLLECTIONS=N for a look, MILVUS=1 on Milvus
	$(BIN)/python -m localcluster build
	$(if $(MILVUS),$(BIN)/python -m bench.milvus $(if $(COLLECTIONS),--collections $(COLLECTIONS)),$(BIN)/python -m bench.scale $(if $(COLLECTIONS),--collections $(COLLECTIONS) --engines $(or $(ENGINES),1)))

storm: setup ## Break everything around Quiver while users edit; SEED=, MINUTES=, COLLECTIONS=
	$(BIN)/python -m storm $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(COLLECTIONS),--collections $(COLLECTIONS))

soak: setup ## Call one engine for an hour and hold every answer against an oracle; SEED=, MINUTES=
	$(BIN)/python -m soak $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

bench-index-file-size: setup ## Measure index_file_size anew, into the docs; FULL=1 with 4 GiB of vectors, which takes an hour
	$(BIN)/python -m bench.index_file_size $(if $(FULL),--full)

bench-recall: setup ## Measure the recall of each index anew, into the docs
	$(BIN)/python -m bench.recall
	$(BIN)/python -m bench.recall_of_stored

bench-engine: setup ## Measure the engine beside what limits it and beside Milvus, into the docs; BENCH='--size 20000x128' for a look
	$(BIN)/python -m bench.engine $(BENCH)

lock: setup ## Resolve the requirements anew, with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements/operator.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra engine -o requirements/engine.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra engine-gpu -o requirements/engine-gpu.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra engine --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --group build --constraint requirements/dev.txt -o requirements/build.txt

render: setup ## Write the files that are made from crds/ and charts/
	$(BIN)/python -m tools.render

proto: setup ## Generate the stubs of both protocols from their .proto files
	$(BIN)/python -m tools.stubs
