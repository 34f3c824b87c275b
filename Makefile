# Everything that is done with this tree. `make help` lists it.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --warn-undefined-variables --no-print-directory
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB      := golang.org/x/vulndb
VULNS       ?= latest
PACKAGES    := generator-scripting-language libzmq3-dev libczmq-dev gcc pkg-config iproute2 nftables shellcheck python3 graphviz
PACKERS     := zip dpkg tar gzip
READERS     := groff-base man-db bash-completion zsh fish systemd iproute2
FUZZTIME    ?= 10s
SEEDS       ?= 20000
BENCH       ?=
OURS        := TestBarrage|TestStrangersCostLittle|TestStrangersHoldLittle|TestThousandRestarts|TestIdleConnectionIsSmall|TestLongTransferForReal
PREFIX      ?= $(or $(shell go env GOPATH 2>/dev/null | cut -d: -f1),/usr/local)
DESTDIR     ?=
PLATFORMS   ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
SUDO        := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What is built says which commit it is of, and is of that commit's date.
COMMIT = $(if $(wildcard .git),$(shell git rev-parse --short=12 HEAD)$(if $(shell git status --porcelain),+changes))
EPOCH  = $(if $(wildcard .git),$(shell git log -1 --format=%ct))
BUILD  = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.commit=$(COMMIT)'

# need installs those of some packages that are missing (Debian, Ubuntu).
need = missing=""; for p in $1; do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $$missing; fi

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: ## build the program and let three nodes on loopback hold a conversation
	@bash demo/demo.sh

.PHONY: test
test: ## run all tests that need no C library
	go test ./...

.PHONY: deps
deps: ## install what the generator and the interop tests need (Debian, Ubuntu)
	@$(call need,$(PACKAGES))

.PHONY: generate
generate: ## print all generated files from the models
	@bash gsl/generate.sh

.PHONY: docs
docs: generate ## print the documents, and draw the state machines with dot, as SVG
	@ls generated/doc/*.md generated/doc/*.svg

.PHONY: check
check: ## prove that the tree is formatted, vetted, and what the models print
	@unformatted=$$(gofmt -l bindings gsl lab src generated); \
	if [ -n "$$unformatted" ]; then echo "not formatted; run gofmt -w on: $$unformatted" >&2; exit 1; fi
	go vet ./...
	@for platform in $(PLATFORMS); do \
	  echo "go vet for $$platform"; GOOS=$${platform%/*} GOARCH=$${platform#*/} go vet ./src/... ./bindings/...; \
	done
	go run $(STATICCHECK) ./...
	cd src/interop && go vet ./...
	shellcheck .ci/run .ci/*.sh deploy/*.sh gsl/*.sh demo/*.sh lab/*.sh src/interop/gyrenode/*.sh
	go mod tidy -diff
	bash gsl/check.sh

.PHONY: build
build: ## build the program, its manual and its completions into bin
	$(BUILD) -o bin/once ./src/cmd/once
	@SOURCE_DATE_EPOCH='$(EPOCH)' bash deploy/share.sh bin/once bin/share

.PHONY: install
install: $(if $(shell command -v go),build) ## install the program, its manual and its completions in PREFIX (that of Go programs), below DESTDIR
	@bash deploy/install.sh '$(DESTDIR)' '$(PREFIX)'

.PHONY: uninstall
uninstall: ## take away what install has put in PREFIX, below DESTDIR
	@bash deploy/install.sh '$(DESTDIR)' '$(PREFIX)' remove

.PHONY: dist
dist: build ## make releases of what is committed, for each of PLATFORMS, in bin/dist
	@$(call need,$(PACKERS))
	@COMMIT='$(COMMIT)' SOURCE_DATE_EPOCH='$(EPOCH)' PLATFORMS='$(PLATFORMS)' bash deploy/dist.sh

.PHONY: distcheck
distcheck: ## make releases of PLATFORMS twice, apart, and compare them; install, run and remove what is for here; needs root
	@$(call need,$(PACKERS) $(READERS))
	@PLATFORMS='$(PLATFORMS)' SUDO='$(SUDO)' bash .ci/dist.sh

.PHONY: vuln
vuln: ## look the dependencies up among known vulnerabilities, of today or VULNS (a version of the module that has them)
	@version=$$(go list -m -f '{{.Version}}' $(VULNDB)@$(VULNS)); echo "$(VULNDB) $$version"; \
	go run "$(VULNDB)/cmd/indexdb@$$version" -vulns "$$(go env GOMODCACHE)/$(VULNDB)@$$version/data/osv" -out bin/vulndb
	go run $(GOVULNCHECK) -db "file://$(CURDIR)/bin/vulndb" ./...
	cd src/interop && go run $(GOVULNCHECK) -db "file://$(CURDIR)/bin/vulndb" ./...

.PHONY: race
race: ## run all tests with the race detector, and those of CURVE without assembly
	go test -race -short ./...
	go test -tags purego ./src/salsa ./src/zmtp

.PHONY: lines
lines: ## count the hand-written lines of the library, and what stands apart
	@bash .ci/lines.sh

.PHONY: soak
soak: ## simulate SEEDS (20000) networks, and a large one; a seed that fails is printed
	go test ./src/zre -count=1 -timeout 1h -run Networks -seeds $(SEEDS)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s, or 20000x for so many runs: a time may end as an error)
	@go list ./... | while read -r package; do \
	  for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$package"; \
	  done; \
	done

.PHONY: interop
interop: deps ## test against gyre, libzmq and CZMQ
	cd src/interop && ZSYS_MAX_SOCKETS=0 go test -count=1 ./...

.PHONY: czmq
czmq: deps ## test the driver for libzmq (-tags czmq), and nodes on it but for what OURS tells of costs and of how far a slow transfer is
	go vet -tags czmq ./...
	go run $(STATICCHECK) -tags czmq ./src/link/... ./src/node
	go test -race -tags czmq -count=1 ./src/link/czmq ./src/link/linktest
	go test -tags czmq -count=1 -skip '$(OURS)' ./src/node ./bindings/go/once

.PHONY: lan
lan: deps build ## try LANs made of network namespaces; needs root
	bash src/interop/gyrenode/build.sh bin/gyrenode
	CGO_ENABLED=0 go build -trimpath -o bin/tun ./lab/tun
	bash lab/lan.sh

.PHONY: bench
bench: deps ## measure beside goczmq and Zyre; BENCH="-smoke" for a short run
	cd src/interop && ZSYS_MAX_SOCKETS=0 go run ./bench $(BENCH)
	@for figures in Idle Figures; do ONCE_FIGURES=1 go test ./bindings/go/once -count=1 -v -run $$figures | grep -vE '^(===|---|    --- )'; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
