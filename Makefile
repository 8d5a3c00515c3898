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

.PHONY: help build test power-test soak soak-register soak-healing demo bench fleet man completions deb service trace \
	package-test arm-test vm-test small-test reproducible format lint clean tools

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	while IFS=$$'\t' read -r name words; do printf '  make %-13s %s\n' "$$name" "$$words"; done

build: tools ## build both programs, for debugging
	swift build $(SWIFT_FLAGS) --product otaferry-cloud
	swift build $(SWIFT_FLAGS) --product otaferry

test: tools ## build everything, warnings are errors, and run all tests
	packaging/test.sh

power-test: tools ## cut the power of a virtual machine and look what its disk kept
	packaging/power-test.sh

soak: tools ## the proofs that take hours: kills, failing disks, power cuts
	packaging/soak.sh

soak-register: tools ## lose 200 answers of registrations and count what the cloud holds
	packaging/soak-cloud.sh register

soak-healing: tools ## print how long healing takes after each fault of the way to the cloud
	packaging/soak-cloud.sh healing

demo: tools ## watch firmware travel from MQTT into a simulated cloud
	@packaging/demo.sh

fleet: tools ## simulate fleets behind one account, draw docs/fleet.svg
	@swift build -c release --product fleet --quiet
	@.build/release/fleet docs/fleet.svg

bench: tools ## measure intake, uploads, senders and wear beside their peers
	@packaging/bench.sh

man: build ## write man pages into .build/documents/man
	packaging/make-documents.sh man .build/debug/otaferry
	packaging/make-documents.sh man .build/debug/otaferry-cloud

completions: build ## write completions for bash, zsh and fish into .build/documents/completions
	packaging/make-documents.sh completions .build/debug/otaferry

ARCH ?= $(shell dpkg --print-architecture)
# What packages for another machine need besides.
CROSS = $(if $(filter $(ARCH),$(shell dpkg --print-architecture)),,binutils-aarch64-linux-gnu qemu-user-static mmdebstrap)

deb: tools ## build the Debian packages into dist; ARCH=arm64 for ARM gateways
	@packaging/install-build-packages.sh debhelper dpkg-dev xz-utils $(CROSS)
	packaging/deb/build.sh $(ARCH)

service: ## look over the unit of the service and how exposed it is
	@packaging/install-build-packages.sh systemd
	packaging/check-service.sh

trace: ## compare the filter of system calls with a traced life, after make deb
	packaging/trace-calls.sh .build-package/release/otaferry .build-package/release/otaferry-cloud

package-test: ## try the packages in clean Debians, as root, after make deb
	@packaging/install-build-packages.sh mmdebstrap iproute2 lintian piuparts
	packaging/deb/test-packages.sh

arm-test: ## run the program for ARM under emulation, after make deb and make deb ARCH=arm64
	@packaging/install-build-packages.sh qemu-user-static
	packaging/arm64/test.sh

vm-test: ## try the service in a virtual machine, as root, after make deb; minutes
	@packaging/install-build-packages.sh mmdebstrap qemu-system-x86 e2fsprogs
	packaging/vm/test.sh

small-test: ## 200 MB through an agent in 64 MiB, as root, after make deb
	packaging/small-gateway.sh .build-package/release/otaferry .build-package/release/otaferry-cloud

reproducible: tools ## build the packages twice, in two places, and compare them; minutes
	@packaging/install-build-packages.sh debhelper dpkg-dev xz-utils
	packaging/deb/reproduce.sh

format: tools ## put the formatting of the sources right
	swift format --in-place --parallel --recursive Package.swift Sources Tests

lint: tools ## look over sources and scripts
	packaging/lint.sh

clean: ## remove what was built
	rm -rf .build .build-package .build-package-arm64 dist

tools:
	@packaging/install-build-packages.sh
	@packaging/find-swift.sh
