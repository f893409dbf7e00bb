# What a person or a CI types. Needs git, make and Python 3.11 or newer; everything else goes to .venv.
# Plain POSIX shell and GNU make 3.81, so that it runs on a bare Debian and a bare macOS alike.

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/strada-ready
UI := web/ui/dist/sources.sha256
UI_SOURCES := $(shell find web/ui \( -name node_modules -o -name dist -o -name tests -o -name '.build*' \) -prune -o -type f -print)
WORKERS ?= 3
UNTIMED := -o faulthandler_timeout=0
COUNTED := $(wildcard tests/test_*.py) tests/engine tests/providers tests/web tests/e2e tests/faults/test_storage_errors.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help demo test coverage ci check ui uitypes screenshots bench bench-peers drill fuzz tamper soak mutants lock clean

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: $(UI) ## run a shop, a gateway and Strada in one process (ARGS="--once" for one payment)
	$(VENV)/bin/strada demo $(ARGS)

test: $(UI) ## run the tests (WORKERS=0 for one process, ARGS for pytest)
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# The other tests of faults and browser kill, race and trace processes: counting would disturb them.
coverage: $(UI) ## run the quick tests and count: engine 100 % of branches, providers and web 95 %
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -n $(WORKERS) --dist worksteal $(COUNTED) $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --include='engine/*' --fail-under=100
	$(PY) -m coverage report --include='providers/*' --fail-under=95
	$(PY) -m coverage report --include='web/*' --fail-under=95

ci: coverage ## run every test once, the quick ones counted
	$(MAKE) test ARGS="$(COUNTED:%=--ignore=%)"

check: $(READY) ## hold the code to its rules: ruff, mypy, import-linter
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

ui: $(READY) ## build the web UI
	$(PY) web/ui/strada_build.py

uitypes: $(READY) ## write what the UI takes from the server: API types, the chart's picture
	$(PY) -m web.ui.generate

screenshots: $(UI) ## take the README's pictures, in Chromium
	$(PY) tests/browser/screenshots.py

bench: $(READY) ## measure: every tests/bench/bench_*.py in turn
	@for bench in tests/bench/bench_*.py; do \
	  [ -e "$$bench" ] || { echo "no benchmarks yet"; break; }; \
	  echo "== $$bench"; $(PY) "$$bench" $(ARGS) || exit 1; \
	done

bench-peers: $(READY) ## measure Strada beside its peers, whose packages go to bench-out
	@$(PY) tests/bench/peers/compare.py $(ARGS)

drill: $(READY) ## plant known bugs one at a time and see a test go red for each
	@cd tests && ../$(PY) -m faults.drill $(ARGS)
	@cd tests && ../$(PY) -m faults.matrix_drill $(ARGS)

fuzz: $(READY) ## fuzz every operation for longer (FUZZ_EXAMPLES=500, FUZZ_SEED=7 to repeat a run)
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),100) FUZZ_SEED=$(or $(FUZZ_SEED),$(shell date +%s)) \
	  $(PY) -m pytest -q -s $(UNTIMED) tests/web/test_fuzz.py $(ARGS)

tamper: $(READY) ## tamper with a book 5000 times and verify 1000 clean ones (TAMPER_SEED=7 to repeat a run)
	TAMPER=$(or $(TAMPER),5000) CLEAN=$(or $(CLEAN),1000) \
	  TAMPER_SEED=$(or $(TAMPER_SEED),$(shell date +%s)) \
	  $(PY) -m pytest -q -s -n 0 $(UNTIMED) tests/engine/test_tamper.py $(ARGS)

soak: $(READY) ## run everything under load and random faults (MINUTES=10, SEED=7 to repeat a run)
	@cd tests && ../$(PY) -m faults.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: $(READY) ## change what decides about money, and see a test fail (ARGS="fold --show")
	@cd tests && ../$(PY) -m faults.mutants $(ARGS)

lock: $(READY) ## pin every dependency with its hashes (ARGS="--upgrade" for newer ones)
	CUSTOM_COMPILE_COMMAND='make lock' $(PY) -m piptools compile --quiet --extra dev --extra ui --generate-hashes \
	  --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-emit-options $(ARGS) --output-file requirements.lock setup.cfg

clean: ## remove .venv, caches and build output; databases stay
	rm -rf $(VENV) web/ui/dist web/ui/node_modules build dist bench-out *.egg-info .coverage* .mypy_cache .ruff_cache \
	  .pytest_cache .hypothesis .import_linter_cache
	find engine providers web tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtualenv knows its own path and its Python: one copied from elsewhere, or left behind by a
# Python that is gone, is made anew.
ifneq ($(shell [ -x $(PY) ] && cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

# Without npm's registry everything but the web UI works, and the page says how to get that.
$(UI): $(READY) $(UI_SOURCES)
	@$(PY) web/ui/strada_build.py || echo "Strada goes on without its web UI."
	@[ ! -e $(UI) ] || touch $(UI)

# The lock is compiled and tested on 3.11, hence the order.
$(READY): setup.cfg pyproject.toml requirements.lock
	@found=; bare=; \
	for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { bare=$$python; continue; }; \
	  found=$$python; break; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	  echo "Strada: $$bare cannot make virtual environments." >&2; \
	  echo "  Debian, Ubuntu:  sudo apt install python3-venv" >&2; \
	  exit 1; \
	elif [ -z "$$found" ]; then \
	  echo "Strada needs Python 3.11 or newer, and found none$(if $(PYTHON), in PYTHON=$(PYTHON))." >&2; \
	  echo "  Debian, Ubuntu:  sudo apt install python3 python3-venv" >&2; \
	  echo "  macOS:           brew install python" >&2; \
	  echo "  elsewhere:       make PYTHON=/path/to/python3 …" >&2; \
	  exit 1; \
	fi; \
	echo "Preparing $(VENV) with $$found (once, about a minute)"; \
	"$$found" -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@printf '%s\n' "$(CURDIR)" > $(READY)
