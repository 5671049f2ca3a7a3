# Every target can be run again and again, as root or not.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.PHONY: help run web test check e2e bench bench-join bench-sfu bench-chat bench-presence generate fmt bootstrap

help: ## Lists the targets.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Builds what is out of date and runs everything with demo people.
	@ops/run

bootstrap: ## Installs the system packages that are missing.
	@ops/bootstrap

web: ## Builds both web apps.
	@ops/web

test: ## Every test, browser tests included.
	@ops/bootstrap --tests
	@ops/test

check: ## Format, lints as errors, docs, generated files, web lint and types.
	@ops/bootstrap
	@ops/check

e2e: ## Browser tests alone.
	@ops/bootstrap --tests
	@ops/e2e

bench: bench-join bench-sfu bench-chat bench-presence ## All benchmarks.

bench-join: ## Accept to first decoded frame, into target/bench/join.json.
	@ops/bootstrap --tests
	@ops/bench-join

bench-sfu: ## CPU of the media relay per packet beside its floor, into target/bench/sfu.json.
	@ops/bootstrap --tests
	@ops/bench-sfu

bench-chat: ## Messages a second, how long they take, idle connections, a storm of returns, into target/bench/chat.json.
	@ops/bootstrap --tests
	@ops/bench-chat

bench-presence: ## How soon watchers hear of changes, into target/bench/presence.json.
	@ops/bootstrap --tests
	@ops/bench-presence

generate: ## TypeScript from the wire types and the OpenAPI document.
	@ops/generate

fmt: ## Formats everything.
	cargo fmt --all
	cd web && npm run --silent format
