PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test quality style screenshots clean

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

$(VENV)/app: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed. Received: " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev: $(VENV)/app requirements-dev.txt requirements-export.txt requirements-scale.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
