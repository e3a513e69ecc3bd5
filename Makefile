# `make help` prints the targets that carry a `##` comment.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
STAGE ?= dev
PROJECT ?= whippet
VENV := .venv/bin
export PATH := $(CURDIR)/$(VENV):$(PATH)

.PHONY: help setup demo test test-slow lint checkov mirror mutants synth bench-synth bench-serve bench-lambda bench-train bench-data starter-model sbom schema permissions bootstrap-policies template-properties clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## virtual environment, CDK CLI and Node; the other targets call it

.venv/ready: requirements.txt package-lock.json scripts/setup.py
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): name a Python 3.11 or newer, as in make PYTHON=python3.11 demo"; exit 1; }
	@$(PYTHON) scripts/setup.py && touch $@

# After the other, so that two targets asked for at once do not fill one environment together.
.venv/ready-dev: requirements-dev.txt .venv/ready
	@$(PYTHON) scripts/setup.py --dev && touch $@

# A tool whose requirements contradict ours, in an environment of its own, made when something first needs it.
.venv-%/ready: requirements-%.txt scripts/setup.py
	@$(PYTHON) scripts/setup.py --tool $* && touch $@

demo: .venv/ready ## the whole system on this machine: deploy, train, promote, predict; DEMO_DATA=DIR for your own images
	@$(VENV)/python -m ops demo

# Side by side: types keep one core for a minute, and tests wait for something now and then.
test: .venv/ready-dev ## prove it: lint, types and every test that takes seconds, offline
	@$(MAKE) --no-print-directory --jobs=2 lint quick-tests

.PHONY: quick-tests
quick-tests: .venv/ready-dev
	@$(VENV)/python -m pytest -m "not slow"

test-slow: .venv/ready-dev .venv-checkov/ready .venv-training-image/ready .venv-notebook/ready ## the tests that take minutes, a browser or a mirror: retraining the starter model, the page, the image and its list
	@$(VENV)/python -m pytest -m slow

lint: .venv/ready-dev ## style and types
	@$(VENV)/ruff check --quiet . && $(VENV)/ruff format --quiet --check . && $(VENV)/mypy

checkov: .venv/ready-dev .venv-checkov/ready ## Checkov over every stage's templates, with the reasons for what it need not like
	@$(VENV)/python -m pytest -m slow tests/stacks/test_checkov.py

mirror: .venv/ready-dev .venv-mirror/ready ## moto's own tests of SageMaker and scaling against the embedded AWS, and whether they fail for the reasons known; 5 minutes
	@$(VENV)/python scripts/mirror.py

mutants: .venv/ready-dev ## take each piece that protects out of the templates; list those that no test misses
	@$(VENV)/python scripts/mutants.py

synth: .venv/ready ## CloudFormation of one stage into cdk.out: make synth STAGE=dev
	@$(VENV)/cdk synth --quiet -c stage=$(STAGE) && ls cdk.out/*-$(STAGE)-*.template.json

bench-synth: .venv/ready ## how long a stage's synth takes beside a flat app of the same resources: make bench-synth STAGE=dev
	@$(VENV)/python -m bench.synth --stage $(STAGE)

bench-serve: .venv/ready ## how fast serving/ answers beside AWS's stack and LitServe, which it installs apart; 15 minutes
	@$(VENV)/python -m bench.serve

bench-train: .venv/ready ## how fast training is beside the loop that users had and beside PIL with a DataLoader; 13 minutes
	@$(VENV)/python -m bench.train

bench-lambda: .venv/ready ## what the predict function costs to start, to call and to attack, beside the course project's handler
	@$(VENV)/python -m bench.function

bench-data: .venv/ready ## how fast `ops data push` is beside a loop of upload_file and the AWS command line, which it installs apart; 10 minutes
	@$(VENV)/python -m bench.data

starter-model: .venv/ready ## train the starter model anew; it must come within half a point of the committed one
	@$(VENV)/python -m training.starter

sbom: .venv/ready ## write docs/sbom.cdx.json: what the serving image adds to its base, as CycloneDX
	@$(VENV)/python -m serving.sbom --requirements serving/requirements.txt > docs/sbom.cdx.json

schema: .venv/ready ## write what the stage file's model says of itself: a JSON schema for editors, docs/stage-file.md
	@$(VENV)/python -m config schema > config/stage.schema.json && $(VENV)/python -m config reference > docs/stage-file.md

bootstrap-policies: .venv/ready-dev ## write docs/bootstrap/: what CloudFormation must be allowed, instead of AdministratorAccess
	@$(VENV)/python scripts/bootstrap_policy.py --project $(PROJECT)

permissions: .venv/ready-dev ## write docs/permissions.md from the templates of stage dev
	@$(VENV)/python scripts/permissions.py > docs/permissions.md

template-properties: .venv/ready-dev ## write local/template_properties.json from CloudFormation's schemas
	@$(VENV)/python scripts/template_properties.py > local/template_properties.json

clean: ## stop the embedded AWS and remove everything that was made here; pip, npm and jsii keep their package caches
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m local stop || exit 1; fi
	rm -rf .whippet .venv .venv-* node_modules cdk.out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
