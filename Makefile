# make run, make samples, make test, make lint, make bench, make screenshots, make clean.
# Everything is installed into .venv.

# make PYTHON=/path/to/python uses that one.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
VENV := .venv
BIN := $(VENV)/bin
# Debian and Ubuntu packages that a napari window needs beyond Python itself, on a screen or without.
WINDOW_SYSTEM_PACKAGES := xvfb libgl1 libegl1 libglx-mesa0 libgl1-mesa-dri libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 \
	libxcb-xinerama0 libxcb-shape0 libdbus-1-3 libfontconfig1
OUTPUT := sample-output

.PHONY: run samples test lint bench screenshots system-packages clean

# napari with a sample image and the panel; without a screen, a picture of the window in $(OUTPUT).
run: $(VENV)/run.stamp
	@$(BIN)/python -m scripts.open_napari

samples: $(VENV)/run.stamp
	$(BIN)/python -m scripts.sample_output $(OUTPUT)

# The pictures of the README and the docs.
screenshots: $(VENV)/run.stamp
	$(BIN)/python -m scripts.screenshots docs/images

# Files of tests are shared out among the cores, each file to one process and in their order, so
# that what a file sets up is set up once. Each computes with one thread: threads of several
# processes that wait for each other on few cores cost ten times what they save.
TOGETHER := -p xdist.plugin -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The tests run even when the linters complain, so that one run shows everything.
test: $(VENV)/test.stamp
	@$(MAKE) --no-print-directory lint; lint=$$?; \
	[ $$lint -eq 0 ] || echo "make lint FAILED, see above; the tests run all the same."; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER) && exit $$lint

lint: $(VENV)/test.stamp
	@sh scripts/lint $(BIN)

bench: $(VENV)/run.stamp
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.window

system-packages:
	@scripts/install-system-packages $(WINDOW_SYSTEM_PACKAGES)

clean:
	rm -rf $(VENV) $(OUTPUT) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are renewed when pyproject.toml changes; until then both commands start at once.
$(VENV)/run.stamp: pyproject.toml
	@scripts/install-system-packages $(WINDOW_SYSTEM_PACKAGES)
	@scripts/make-venv $(VENV) $(PYTHON)
	@echo "Installing napari-ds2net into $(VENV) (the first time takes several minutes)."
	$(BIN)/python -m pip install --editable '.[napari]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml
	@scripts/install-system-packages $(WINDOW_SYSTEM_PACKAGES)
	@scripts/make-venv $(VENV) $(PYTHON)
	@echo "Installing napari-ds2net and its tests' needs into $(VENV) (the first time takes several minutes)."
	$(BIN)/python -m pip install --editable '.[test,lint]'
	@touch $@ $(VENV)/run.stamp
