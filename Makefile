# `make` alone lists the targets.

# Some shells set this; without byte code Airflow starts three to five times slower.
unexport PYTHONDONTWRITEBYTECODE
export PYTHON
# The package lives where Airflow looks for plugins.
WITH_PLUGINS := PYTHONPATH=plugins

BIN := .venv/bin
# Where the tests keep files for people: screenshots, logs of Airflow.
KEEP ?= .local/tests

# Airflow's tests mostly wait for Airflow, two at a time in a worker each; the third worker runs all others meanwhile.
WORKERS ?= 3

# The percentage of the statements in plugins/ that the tests must run; see tests/line_coverage.py.
COVERAGE := 96

# Another day, time of day or time zone, or a machine that is busy with other programs; see local/conditions.py.
CONDITIONS = $(if $(DAY),--day $(DAY)) $(if $(TIME),--time $(TIME)) $(if $(ZONE),--zone $(ZONE)) $(if $(BUSY),--busy)
UNDER = $(if $(strip $(CONDITIONS)),$(BIN)/python -m local.conditions $(CONDITIONS))

# The tests that feed random input to the code that reads outside data: exports, YAML, answers, encrypted files.
FUZZED = tests/core/test_mutated_files.py tests/core/test_every_encoding.py tests/core/test_exports.py tests/core/test_records.py tests/core/test_plain_text.py tests/config/test_yaml_files.py \
	tests/targets/test_folio_answers.py tests/targets/test_infiniti_answers.py tests/test_encryption.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test cluster check up down preview bench faults fuzz docs clean requirements

help:
	@echo 'make TARGET, where TARGET is one of'
	@awk -F ' *## ' '/^[a-z]+:.*## / { sub(/:.*/, "", $$1); printf "  %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## create .venv with all pinned packages; PYTHON=python3.12 selects the Python
	@sh local/setup.sh

demo: setup ## load the patrons of three fictional libraries, from SFTP server to mail, and show what happened
	@$(UNDER) $(BIN)/python -m local demo

up: setup ## start Airflow with the demo libraries and leave it running; prints its address and password
	@$(BIN)/python -m local up

down: setup ## stop what `make up` started
	@$(BIN)/python -m local down

preview: setup ## try a mapping on an export; sends nothing: MAPPING=folio/... (or TENANT=...) EXPORT=file.csv OUT=folder
	@$(WITH_PLUGINS) $(BIN)/python -m patronload preview $(if $(TENANT),--tenant '$(TENANT)') \
		$(if $(MAPPING),--mapping '$(MAPPING)') $(if $(EXPORT),--export '$(EXPORT)') $(if $(OUT),--out '$(OUT)') \
		$(if $(DELIMITER),--delimiter '$(DELIMITER)') $(if $(ENCODING),--encoding '$(ENCODING)')

test: setup ## run the tests, or some (TESTS=tests/dags); DAY=2028-02-29 TIME=23:50 ZONE=Asia/Tokyo BUSY=1 change day, time, zone, load
	@mkdir -p $(KEEP)
	PATRONLOAD_TEST_KEEP=$(abspath $(KEEP)) $(UNDER) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
		$(if $(TESTS),$(TESTS),--coverage-floor $(COVERAGE))

cluster: setup ## run the tests of a cluster: PostgreSQL, Redis, two Celery workers, S3, and what happens when one of them goes down
	@mkdir -p $(KEEP)
	PATRONLOAD_WHOLE_CLUSTER=1 PATRONLOAD_TEST_KEEP=$(abspath $(KEEP)) $(BIN)/python -m pytest tests/cluster

check: setup ## lint, strict types, import contracts, every tenant and mapping file, docker-compose.yaml
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(WITH_PLUGINS) $(BIN)/lint-imports
	$(WITH_PLUGINS) $(BIN)/python -m patronload check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml deploy/*.yaml

bench: setup ## measure speed and memory: ROWS=1000000, and PART=core (or sizes, dag, ...) for less than all
	@$(WITH_PLUGINS) $(BIN)/python -m benchmarks $(ROWS) $(PART)

faults: setup ## run the fault campaign, hundreds of random loads with injected faults: RUNS=500 SEED=1 TARGET=infiniti
	@$(WITH_PLUGINS) $(BIN)/python -m faults $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET))

fuzz: setup ## feed random input, new each time, to everything that reads outside data: EXAMPLES=2000 for each test, FILES=20000
	@PATRONLOAD_FUZZ_EXAMPLES=$(EXAMPLES) PATRONLOAD_MUTATED_FILES=$(or $(FILES),20000) PATRONLOAD_MUTATED_SEED=$$(date +%s) \
		$(BIN)/python -m pytest -n 2 --dist loadgroup --hypothesis-profile=fuzz $(FUZZED)

docs: setup ## redraw the diagram of the packages in docs/architecture.md
	@$(BIN)/python docs/picture.py

clean: ## remove everything that was generated here: .venv, caches, the demo's files
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; fi
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

requirements: setup ## pin requirements*.in again, with hashes; UPGRADE=1 takes newer versions
	for name in requirements requirements-extras requirements-dev; do \
		$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 $(if $(UPGRADE),--upgrade) --generate-hashes \
			--no-emit-index-url --custom-compile-command 'make requirements' $$name.in -o $$name.txt || exit 1; \
	done
