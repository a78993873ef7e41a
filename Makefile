# lustre.core: `make demo` shows it, `make test` proves it. `make help` names the rest.
SHELL := /bin/bash
PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help demo demo-site demo-status demo-plan demo-verify demo-shell demo-down prepare test test-long bench unit lint docs build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## rehearsal hosts, a whole site on them, and a table of what runs; SECURITY=krb5p secures its connections
	@SECURITY="$(SECURITY)" $(PYTHON) tools/demo.py up

demo-site: ## run the site playbook on the demo again: it changes nothing
	@$(PYTHON) tools/demo.py site $(ARGS)

demo-plan: ## what a run of the site playbook would change on the demo
	@$(PYTHON) tools/demo.py plan $(ARGS)

demo-status: ## the table of targets and mounts of the demo
	@$(PYTHON) tools/demo.py status $(ARGS)

demo-verify: ## the health gate on the demo
	@$(PYTHON) tools/demo.py verify $(ARGS)

demo-shell: ## a shell on a host of the demo: make demo-shell HOST=client1
	@$(PYTHON) tools/demo.py shell "$(HOST)"

demo-down: ## take the demo away, without a trace
	@$(PYTHON) tools/demo.py down

prepare:
	@$(PYTHON) tools/prepare.py

test: prepare ## every gate that CI runs
	@$(PYTHON) tools/test.py

test-long: prepare ## every case of what `make test` takes a sample of, in up to an hour
	@$(PYTHON) tools/test.py --long --keep-going

bench: prepare ## speed as figures, with budgets: build/bench.json and a table, in about a quarter of an hour
	@$(PYTHON) tools/bench.py $(ARGS)

unit: ## the unit tests on the newest ansible-core
	@$(PYTHON) tools/test.py unit-2.21

lint: ## style, types, YAML and Ansible linters
	@$(PYTHON) tools/test.py --keep-going ruff format mypy yamllint ansible-lint

docs: ## the documentation site, in build/docs
	@$(PYTHON) tools/docs.py

build: ## the collection's tarball, in build/
	@$(PYTHON) tools/build_check.py --only-build

clean: ## remove what the tests and builds left in this folder
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage tests/output
