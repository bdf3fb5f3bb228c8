# Every target makes its own environment in .venv, once, from the locked versions in constraints.txt.
# Another interpreter: make PYTHON=python3.12 ...
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PREPARE := .venv-prepare
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Two workers that each keep whole files, so that what a file trains or compiles once is shared by its tests; in the
# order of tests/conftest.py.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
# Apart from `test`: it slows all Python code, jax's own too (with Python 3.11 a network is traced in 1.8 times the time).
COVERAGE := --cov --cov-report=term

.PHONY: quickstart test test-all coverage lint types imports docs docs-code reproductions goldens-check clean

quickstart: $(VENV)/.installed
	$(BIN)/inception-jax train --config=experiments/quickstart/digits.py --workdir=runs/digits

test: lint types imports $(PREPARE)/.installed
	$(PYTEST)

coverage: $(VENV)/.installed-test $(PREPARE)/.installed
	$(PYTEST) $(COVERAGE)

test-all: lint types imports $(PREPARE)/.installed
	$(PYTEST) $(COVERAGE) -m "slow or not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-test
	$(BIN)/pyright

imports: $(VENV)/.installed-test
	$(BIN)/lint-imports

# docs/networks.md from the networks themselves, docs/weights.md from the catalogue of weights, experiments/README.md
# from the experiments; tests compare them.
docs: $(VENV)/.installed-test
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/scaling.py
	$(BIN)/python docs/distbelief.py
	$(BIN)/python docs/reproductions.py
	$(BIN)/python -m experiments.index

# The miniature reproductions of docs/reproductions/, some 75 minutes on two CPU cores; the same again continues.
# They need TFDS's Fashion-MNIST, in TFDS_DATA_DIR or where TFDS keeps it.
reproductions: $(VENV)/.installed
	$(BIN)/python -m experiments.reproductions run runs/reproductions
	$(BIN)/python -m experiments.reproductions keep runs/reproductions

docs-code: $(VENV)/.installed-test
	$(BIN)/pytest tests/test_docs.py

# The committed outputs of every peer, computed again in environments of their own (some 8 GB), and exported weights
# loaded there.
goldens-check: $(VENV)/.installed-test
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet torch==2.14.1 torchvision==0.29.1 timm==1.0.31 onnx==1.23.2 onnxruntime==1.32.0 \
	  opencv-python-headless==4.13.0.92 google-crc32c h5py munch requests six
	.venv-peers/bin/pip install --quiet --no-deps facenet-pytorch==2.6.0 pretrainedmodels==0.7.4
	.venv-peers/bin/python -m tests.goldens.make_parity --check
	.venv-peers/bin/python -m tests.goldens.make_caffe --check
	.venv-peers/bin/python -m tests.goldens.make_resize --check torchvision timm facenet-pytorch cadene
	test -x .venv-peers-tf/bin/python || $(PYTHON) -m venv .venv-peers-tf
	.venv-peers-tf/bin/pip install --quiet tensorflow==2.21.0 tf-keras==2.21.0 tf-slim==1.1.0 pillow google-crc32c
	.venv-peers-tf/bin/pip install --quiet --no-deps tf-object-detection-api==0.1 facenet==1.0.5
	.venv-peers-tf/bin/python -m tests.goldens.make_tensorflow --check
	.venv-peers-tf/bin/python -m tests.goldens.make_slim --check
	.venv-peers-tf/bin/python -m tests.goldens.make_resize --check slim
	$(BIN)/pytest -m slow tests/weights/test_export_libraries.py

clean:
	rm -rf $(VENV) $(PREPARE) .venv-peers .venv-peers-tf .venv-peers-tensorflow build *.egg-info .coverage .coverage.* .hypothesis .pytest_cache .ruff_cache .import_linter_cache

# pip is the last thing that `venv` makes: where it is missing, the environment is not whole.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "inception_jax needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	    "name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) --editable '.[test]'
	touch $@

# TFDS prepares a data set with TensorFlow, which nothing else may meet: an environment of its own (a minute, 3 GB).
$(PREPARE)/.installed: | $(BIN)/pip
	test -x $(PREPARE)/bin/pip || $(PYTHON) -m venv $(PREPARE)
	$(PREPARE)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt tensorflow==2.20.0 --editable '.[prepare]'
	touch $@
