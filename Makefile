PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEER := .venv-peer

.PHONY: app test quality style screenshots bench bench-data clean

app: $(VENV)/app
	$(BIN)/python app.py

test: $(VENV)/dev
	$(BIN)/python -m pytest

quality: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

style: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/dev
	$(BIN)/python docs/screenshots.py

# First, before gigabytes are installed.
bench-data:
	@test -n "$(DATA)" || { echo "make bench DATA=fer2013.zip: the dataset is needed. Received: none" >&2; exit 2; }

bench: bench-data $(VENV)/dev $(PEER)/fer
	$(BIN)/python -m benchmarks --data "$(DATA)" --peer $(PEER)/bin/python --output docs/benchmarks.md

# What it is compared with imports pkg_resources, which newer setuptools have no more.
$(PEER)/fer:
	test -x $(PEER)/bin/python || $(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check "fer==25.10.3" "setuptools<82"
	@touch $@

$(VENV)/app: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed. Received: " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev: $(VENV)/app requirements-dev.txt requirements-export.txt requirements-jax.txt requirements-scale.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) $(PEER) .pytest_cache .ruff_cache
