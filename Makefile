# Each target works by itself on Debian 12 or 13 with a Swift toolchain: what else is missing, it installs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Flags for swift build; "make test SWIFT_FLAGS=" builds without.
ifeq ($(origin SWIFT_FLAGS),undefined)
SWIFT_FLAGS := $(shell packaging/swift-flags.sh 2>/dev/null)
endif
export OTAFERRY_SWIFT_FLAGS := $(SWIFT_FLAGS)

.PHONY: help build test demo bench man completions format lint clean tools

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | \
	while IFS=$$'\t' read -r name words; do printf '  make %-11s %s\n' "$$name" "$$words"; done

build: tools ## build both programs, for debugging
	swift build $(SWIFT_FLAGS) --product otaferry-cloud
	swift build $(SWIFT_FLAGS) --product otaferry

test: tools ## build everything, warnings are errors, and run all tests
	packaging/test.sh

demo: tools ## watch firmware travel from MQTT into a simulated cloud
	@packaging/demo.sh

bench: tools ## measure intake, senders and wear beside their peers
	@packaging/bench.sh

man: build ## write man pages into .build/documents/man
	packaging/make-documents.sh man .build/debug/otaferry

completions: build ## write completions for bash, zsh and fish into .build/documents/completions
	packaging/make-documents.sh completions .build/debug/otaferry

format: tools ## put the formatting of the sources right
	swift format --in-place --parallel --recursive Package.swift Sources Tests

lint: tools ## look over sources and scripts
	packaging/lint.sh

clean: ## remove what was built
	rm -rf .build dist

tools:
	@packaging/install-build-packages.sh
	@packaging/find-swift.sh
