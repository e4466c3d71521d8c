# Everything runs in .venv, which is made from requirements.lock (pinned versions with hashes).
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench lock clean

help:            ## show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/ready  ## start a real S3 server here, export a shop, run the whole line on it
	$(BIN)/compactor demo demo

test: .venv/ready  ## run all tests
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --durations=25

lint: .venv/ready  ## ruff and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready  ## measure against peers in the same run (20 to 40 minutes)
	$(BIN)/python -m tests.bench

lock:            ## renew requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra test --extra lint --extra demo --extra build \
		--generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 \
		-o requirements.lock

clean:           ## remove the environment and what tools have cached
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist demo
