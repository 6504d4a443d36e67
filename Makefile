# The one task runner: make is everywhere. Each target is a line here and a script in scripts/.
.PHONY: help demo test check sqlx new-connector
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: ## see it work: PostgreSQL, API, workers and a fake Bluesky on this machine (ARGS=--once: do it and exit)
	@scripts/demo $(ARGS)

test: ## everything CI runs, from nothing, with a PostgreSQL of its own
	@scripts/test

check: ## deny, machete, typos and shellcheck, where they are installed
	@scripts/check

sqlx: ## renew .sqlx after a change of a query or a migration
	@scripts/sqlx renew

new-connector: ## write the skeleton of a connector (NAME=mastodon)
	@scripts/new-connector $(NAME)
