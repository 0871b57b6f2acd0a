# Commands of the README. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
ENV ?= local
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export CDK_DISABLE_CLI_TELEMETRY := true
build_options = $(if $(ENGINE),--engine $(ENGINE)) $(foreach name,BASE_IMAGE RDS_CA_BUNDLE,$(if $($(name)),--build-arg $(name)=$($(name))))
login = $(if $(LOGIN),--login $(LOGIN))
# A file of tests stays in one process, as what it starts is shared by its tests.
parallel = -n auto --dist loadfile --maxprocesses
.DEFAULT_GOAL := help
.PHONY: help install lock demo demo-release examples contract test check synth prove diff schema images release rollback release-again promote history drift webhook platform source records records-seed deploy bench bench-tracking bench-serving evidence clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: ## Install everything into the checkout (.venv, Node, cdk)
	@$(PYTHON) operations/bootstrap.py

# Debian 12 has Python 3.11.2, and what asks for a later one cannot be installed there.
lock: $(if $(wildcard .venv/bin/uv),,install) ## Pin the transitive versions anew
	uv pip compile --quiet --python-version 3.11.2 --no-header --no-emit-package mlops-constructs requirements.txt requirements-dev.txt -o constraints.txt
	@for folder in containers/* local/stand_ins/*; do (cd $$folder && uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.lock) || exit 1; done
	@cd tests/benchmarks/peers && uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.lock

synth: install ## Synthesize the environment ENV into build/cdk.out
	@cdk synth --quiet --output build/cdk.out -c env=$(ENV)

prove: install ## Prove that ENV, or a folder of TEMPLATES, is closed; reports go to build/proof
ifdef TEMPLATES
	@python -m proof templates $(TEMPLATES)
else
	@rm -rf build/proof/assembly
	@CDK_VALIDATION=false cdk synth --quiet --output build/proof/assembly -c env=$(ENV) $(if $(RELEASES),-c releases=$(RELEASES)) >/dev/null
	@python -m proof environment $(ENV) --assembly build/proof/assembly
endif

diff: install ## Say what a change of ENV comes to (BASE=main, or DEPLOYED=1; REQUEST= ALLOW= RELEASES=)
	@rm -rf build/diff
	@CDK_VALIDATION=false cdk synth --quiet --output build/diff/assembly -c env=$(ENV) $(if $(RELEASES),-c releases=$(RELEASES)) >/dev/null
	@python -m diffing $(if $(DEPLOYED),deployed,base $(or $(BASE),main) $(if $(RELEASES),--releases $(RELEASES))) build/diff/assembly --env $(ENV) $(if $(REQUEST),--request $(REQUEST)) $(if $(ALLOW),--allow "$(ALLOW)")

demo: install ## Deploy all of it on this machine and ask the model (KEEP=0 PORT= STATE= MINUTE=)
	@python -m local demo $(if $(filter 0,$(KEEP)),--no-keep) $(if $(PORT),--port $(PORT)) $(if $(STATE),--state $(STATE)) $(if $(MINUTE),--minute $(MINUTE))

demo-release: install ## Move an alias on this machine, and watch the platform follow (KEEP=0 PORT= STATE= MINUTE=)
	@python -m local demo-release $(if $(filter 0,$(KEEP)),--no-keep) $(if $(PORT),--port $(PORT)) $(if $(STATE),--state $(STATE)) $(if $(MINUTE),--minute $(MINUTE))

examples: install ## Take diabetes and abalone from training to the API, on this machine (PORT= STATE=)
	@python -m local examples $(if $(PORT),--port $(PORT)) $(if $(STATE),--state $(STATE))

contract: install ## See whether neighbours of ENDPOINT fit, before it is deployed (MODELS= SAMPLE=)
	@python -m local contract --env $(ENV) --endpoint $(ENDPOINT) --models $(MODELS) --sample $(SAMPLE)

schema: install ## Write environments/schema.json anew from the configuration's model
	@python -m operations schema

images: install ## Build and push the images of ENV, and record their digests (ENGINE= BASE_IMAGE= RDS_CA_BUNDLE=)
	@python -m operations images --env $(ENV) $(build_options)

release: install ## Record what the model alias of ENDPOINT means now in ENV (LOGIN= TRACKING_URI=)
	@python -m operations release --env $(ENV) --endpoint $(ENDPOINT) $(login) $(if $(TRACKING_URI),--tracking-uri $(TRACKING_URI))

rollback: install ## Have ENDPOINT of ENV serve what it did before, to the digest (REASON= VERSION=)
	@python -m releasing rollback --env $(ENV) --endpoint $(ENDPOINT) $(if $(REASON),--reason "$(REASON)") $(if $(VERSION),--version $(VERSION))

release-again: install ## Ask once more for what was promoted last for ENDPOINT of ENV (REASON=)
	@python -m releasing again --env $(ENV) --endpoint $(ENDPOINT) $(if $(REASON),--reason "$(REASON)")

promote: install ## Ask in ENV for what ENDPOINT serves in FROM (LOGIN= TRACKING_URI= REASON=)
	@python -m releasing promote --env $(ENV) --endpoint $(ENDPOINT) $(if $(FROM),--from $(FROM)) $(login) $(if $(TRACKING_URI),--tracking-uri $(TRACKING_URI)) $(if $(REASON),--reason "$(REASON)")

history: install ## Show what ENDPOINT of ENV served when; without ENDPOINT, how the platform changed
	@python -m releasing history --env $(ENV) $(if $(ENDPOINT),--endpoint $(ENDPOINT))

drift: install ## Compare what serves in ENV with its records (ENDPOINT=)
	@python -m releasing drift --env $(ENV) $(if $(ENDPOINT),--endpoint $(ENDPOINT))

records: install ## Write what serves in ENV into releases/, which synth reads
	@python -m releasing records --env $(ENV)

records-seed: install ## Put the records of releases/ into ENV's bucket, where it has none
	@python -m releasing seed --env $(ENV)

webhook: install ## Have MLflow tell ENV when an alias is set, and try it out (TRACKING_URI=)
	@python -m operations webhook --env $(ENV) $(if $(TRACKING_URI),--tracking-uri $(TRACKING_URI))

platform: install ## Propose this checkout as what the platform of ENV is to be (REASON= REQUEST= ALLOW=)
	@python -m releasing platform --env $(ENV) $(if $(REASON),--reason "$(REASON)") $(if $(REQUEST),--request $(REQUEST)) $(if $(ALLOW),--allow "$(ALLOW)")

source: install ## Make this checkout what releases of ENV are made with
	@python -m operations source --env $(ENV)

deploy: install ## Deploy ENV on AWS: what holds state, the images, the rest (LOGIN=; PREBUILT=1 builds none)
	@python -m operations deploy --env $(ENV) $(login) $(if $(PREBUILT),--prebuilt,$(build_options))

check: install ## Run the quick checks: lint, types, unit tests
	ruff check .
	ruff format --check .
	mypy
	pytest $(parallel) 4 tests/unit

test: install ## Run every test
	ruff check .
	ruff format --check .
	mypy
	pytest $(parallel) 4 --ignore tests/local
	pytest $(parallel) 2 tests/local

evidence: install ## Upgrade what older MLflow servers made, let things fail, try the image of releases (ENGINE=none BASE_IMAGE=; 25 minutes)
	@EVIDENCE=1 pytest tests/evidence

bench: install ## Measure against named peers; tables go to build/bench
	@python -m tests.benchmarks.synth
	@PYTHONPATH=lambda/invoker python -m tests.benchmarks.invoker
	@python -m tests.benchmarks.prove

bench-tracking: install ## Measure the tracking server against plain MLflow (10 minutes)
	@PYTHONPATH=containers/mlflow:lambda/rotator python -m tests.benchmarks.start
	@python -m tests.benchmarks.tracking

bench-serving: install ## Measure the model server against the article's, MLflow's and bare ones (6 minutes)
	@python -m tests.benchmarks.serving

clean: ## Remove what was installed and built
	rm -rf .venv node_modules build .local
