# Set-up lives in .venv of this checkout and is redone only when what it is made from has changed.
.DEFAULT_GOAL := help
.PHONY: help run test test-campaigns test-docs test-library test-upgrade test-argo test-kubernetes test-containers test-collector test-objects test-postgres airflow test-airflow test-airflow-pods chaos failpoints faults power-loss simulate mutants check bench lock clean
SHELL := /bin/bash

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
export REPO ?= .
PYTEST_ARGS ?=
PROCESSES ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)  # many tests wait for processes of their own
KILLS ?= 10000
FAULTS ?= 200
ENGINE ?= local
SPACE := $(subst ,, )
SEEDS ?= 1000
SEED ?= 1
STORE ?= file
WORKERS ?= 4
CHAOS_ARGS ?=
BENCH ?= start compile argo_emission recheck layout engine growth workers

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: .venv/core.ready ## run the library capsule repo-health on a repository (REPO=path, default: this one)
	@.venv/bin/somagent run repo-health --input "repo=$$REPO" || [ $$? -eq 3 ]

test: .venv/dev.ready ## pass the tests; PYTEST_ARGS are handed on
	@.venv/bin/pytest -n $(PROCESSES) --dist worksteal --durations=15 \
		$(addprefix --ignore=tests/,airflow argo chaos collector containers docs faults fuzz kubernetes library objects remote simulation stores upgrade) $(PYTEST_ARGS)  # each has a command of its own

test-campaigns: .venv/dev.ready ## pass short runs of the campaigns: damaged inputs, deaths, power cuts, simulated worlds
	@.venv/bin/pytest -n $(PROCESSES) --dist worksteal tests/chaos tests/faults tests/fuzz tests/simulation $(PYTEST_ARGS)

test-docs: .venv/dev.ready ## replay every session of the pages, and hold the pages against the program
	@.venv/bin/pytest -n $(PROCESSES) --dist worksteal tests/docs $(PYTEST_ARGS)

test-library: .venv/dev.ready ## pass the tests of the library's capsules, on real repositories
	@.venv/bin/pytest -n $(PROCESSES) --dist worksteal tests/library $(PYTEST_ARGS)

test-upgrade: .venv/dev.ready ## begin runs with older programs, built from git's history, and complete them with this one
	@.venv/bin/pytest tests/upgrade $(PYTEST_ARGS)

test-kubernetes: .venv/dev.ready ## pass the tests that need an API server (KUBECONFIG) and kubectl
	@.venv/bin/pytest tests/kubernetes $(PYTEST_ARGS)

test-argo: .venv/dev.ready ## pass the tests that need Argo: its CRDs (ARGO_CRDS), its command (RIG_BIN), a cluster (KUBECONFIG)
	@.venv/bin/pytest -n 4 --dist worksteal tests/argo $(PYTEST_ARGS)  # they wait for pods most of the time

conformance: .venv/dev.ready ## pass the cases of conformance on ENGINE (argo: see tests/support/argo_site.py; airflow: after make airflow); CASES="single chain" are some graphs
	@CONFORMANCE=$(ENGINE) .venv/bin/pytest -n $(if $(filter airflow,$(ENGINE)),1,10) --dist worksteal --no-header tests/conformance \
		-k "$(ENGINE) $(if $(CASES),and ($(subst $(SPACE), or ,$(strip $(CASES)))))" $(PYTEST_ARGS)

test-containers: .venv/dev.ready ## pass the tests that need podman or docker
	@.venv/bin/pytest tests/containers $(PYTEST_ARGS)

test-objects: .venv/dev.ready ## pass the tests of steps that run elsewhere, on an object store (OBJECTS=s3://BUCKET/PREFIX, default: a folder)
	@.venv/bin/pytest -n $(PROCESSES) --dist worksteal --objects tests/objects tests/remote tests/runner $(PYTEST_ARGS)

test-collector: .venv/dev.ready ## pass the tests that need a real OpenTelemetry Collector, which Go builds
	@.venv/bin/pytest tests/collector $(PYTEST_ARGS)

test-postgres: .venv/dev.ready ## pass the tests of the engine on PostgreSQL (DATABASE_URL, default: one of its own)
	@.venv/bin/pytest -n $(PROCESSES) --dist worksteal --postgres tests/stores tests/conformance $(filter-out \
		$(addprefix tests/engine/,test_lease.py test_journal.py test_storage.py test_reading.py), \
		$(wildcard tests/engine/test_*.py)) --deselect \
		tests/engine/test_worker.py::test_another_one_stands_by_and_takes_over $(PYTEST_ARGS)  # nobody stands by there

airflow: .venv/airflow.ready ## set up Airflow 3 in .venv/airflow, an environment that never holds SomaGent

test-airflow: .venv/dev.ready .venv/airflow.ready ## pass the tests on a real Airflow (DATABASE_URL, default: one of its own)
	@.venv/bin/pytest tests/airflow --ignore=tests/airflow/test_pods.py $(PYTEST_ARGS)  # that has a command of its own

test-airflow-pods: .venv/dev.ready .venv/airflow.ready ## pass the tests of steps in pods, on a real Airflow and the cluster of KUBECONFIG
	@.venv/bin/pytest tests/airflow/test_pods.py $(PYTEST_ARGS)

chaos: .venv/dev.ready ## kill KILLS processes (10000) at random moments and judge it (SEED; STORE=postgres WORKERS=4)
	@.venv/bin/python tests/chaos/kills.py --kills $(KILLS) --seed $(SEED) --store $(STORE) --workers $(WORKERS) $(CHAOS_ARGS)

failpoints: .venv/dev.ready ## kill, fill and break the disk at every place where something is written
	@.venv/bin/python tests/chaos/failpoints.py $(CHAOS_ARGS)

faults: .venv/dev.ready ## harm a cluster, or an Airflow (ENGINE=airflow, after make airflow), FAULTS times (200) while capsules run there, and judge them (SEED; see tests/faults)
	@.venv/bin/python tests/faults/campaign.py --engine $(if $(filter local,$(ENGINE)),argo,$(ENGINE)) --faults $(FAULTS) --seed $(SEED) $(CHAOS_ARGS)

power-loss: .venv/dev.ready ## cut the power at every sync of a run, and look for all that was told before
	@.venv/bin/python tests/chaos/power_loss.py --seed $(SEED) $(CHAOS_ARGS)

simulate: .venv/dev.ready ## live SEEDS lives of runs (1000) in simulated worlds, from SEED on, and judge each
	@.venv/bin/python tests/simulation/simulate.py --seeds $(SEEDS) --seed $(SEED) $(CHAOS_ARGS)

mutants: .venv/dev.ready ## break the engine in five ways; the judge must notice each
	@.venv/bin/python tests/chaos/mutants.py $(CHAOS_ARGS)

check: .venv/dev.ready ## lint, layout, types, layers, and the library's capsules
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy -p somagent --exclude /library/
	@MYPYPATH=workflows/library/repo-health .venv/bin/mypy -p repo_health
	@.venv/bin/lint-imports
	@.venv/bin/somagent fmt --check workflows cli/templates governance docs/examples
	@.venv/bin/somagent check workflows/library/*/*.capsule.yaml workflows/library/*/constitution.yaml

bench: .venv/bench.ready ## print the benchmarks' tables (BENCH="compile engine", default: all)
	@for name in $(BENCH); do .venv/bench/bin/python benchmarks/$$name.py || exit 1; done

lock: ## write requirements/*.txt anew (needs uv); versions that still fit stay
	@cp requirements/core.txt requirements/build.txt
	@for group in build runner dev bench; do \
		uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
			--no-annotate pyproject.toml --group $$group -o requirements/$$group.txt || exit 1; done
	@mv requirements/build.txt requirements/core.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate requirements/airflow.in -o requirements/airflow.txt

clean: ## remove set-up, caches and runs
	rm -rf .venv .venv.lock .somagent .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Tests and benchmarks want packages that do not go well together, so the benchmarks have an environment of their own.
.venv/core.ready .venv/dev.ready: ENVIRONMENT = .venv
.venv/bench.ready: ENVIRONMENT = .venv/bench

# One set-up at a time: another one waits, and finds that it has been done.
LOCKED = $(PYTHON) -c 'import fcntl, subprocess, sys; lock = open(".venv.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX); \
	sys.exit(subprocess.call(sys.argv[1:]))'

.venv/%.ready: requirements/%.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed; name it with PYTHON=..." >&2; exit 2; }
	@$(LOCKED) bash -euc '[ $@ -nt requirements/$*.txt ] && [ $@ -nt pyproject.toml ] && exit; \
		test -x $(ENVIRONMENT)/bin/python || { \
			echo "setting up $(ENVIRONMENT) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(ENVIRONMENT); }; \
		echo "installing requirements/$*.txt"; \
		pip="$(ENVIRONMENT)/bin/python -m pip install -q --disable-pip-version-check"; \
		$$pip --require-hashes -r requirements/$*.txt; \
		$$pip --no-deps --no-build-isolation -e .; \
		touch $@'

# Its pins and ours do not go together, and tasks start the step runner from our environment.
.venv/airflow.ready: requirements/airflow.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed; name it with PYTHON=..." >&2; exit 2; }
	@$(LOCKED) bash -euc '[ $@ -nt requirements/airflow.txt ] && exit; \
		test -x .venv/airflow/bin/python || $(PYTHON) -m venv .venv/airflow; \
		echo "installing requirements/airflow.txt"; \
		.venv/airflow/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/airflow.txt; \
		touch $@'
