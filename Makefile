# These need only Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# What pip says of downloads of 10 MB and more, and that it installs; its errors are shown anyway.
SHOW := sed -u -n -e 's/^ *Downloading \([^-]*-[^-]*\).* (\([0-9][0-9][0-9.]* MB\))/  \1, \2/p' \
	-e 's/^ *Downloading \([^-]*-[^-]*\).* (\(.* GB\))/  \1, \2/p' \
	-e 's/^Installing collected packages.*/  unpacking/p'

.PHONY: demo lint test docs notebooks fuzz clean

demo: $(VENV)/.installed
	$(BIN)/synthesight demo

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# The documentation, in the folder `site`; it needs no network, to build or to be read.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.docs-installed
	$(BIN)/mkdocs build --strict

# The notebooks are kept with what they printed; this one needs the published data.
notebooks: $(VENV)/.docs-installed
	$(BIN)/python docs/notebooks.py

# Damaged, absurd and hostile files for so many seconds: see tests/fuzzing.py.
fuzz: SECONDS ?= 300
fuzz: $(VENV)/.installed
	FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest -m stress tests/test_fuzz.py

# PyTorch goes first: pip then keeps the build that this machine offers.
$(VENV)/.installed: pyproject.toml constraints.txt
	@rm -f $@ $(VENV)/.torch
	@echo "Making $(VENV), once: a few minutes, most of them for downloads."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch."
	@( $(PIP) torch && touch $(VENV)/.torch ) | $(SHOW); test -f $(VENV)/.torch
	@echo "Installing Synthesight and what it needs."
	@( $(PIP) --editable '.[dev]' && touch $@ ) | $(SHOW); test -f $@
	@echo "Installed."

$(VENV)/.docs-installed: $(VENV)/.installed
	@( $(PIP) --editable '.[docs]' && touch $@ ) | $(SHOW); test -f $@

clean:
	rm -rf $(VENV) demo site
