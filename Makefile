# Everything that is done with this tree. `make help` lists it.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --warn-undefined-variables --no-print-directory
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB      := golang.org/x/vulndb
VULNS       ?= latest
# RELEASER is the Go that releases are made with, which go.mod names: older ones of its line
# have known vulnerabilities. All else works with whatever is installed.
RELEASER    := $(shell sed -n 's/^toolchain //p' go.mod)
PACKAGES    := generator-scripting-language libzmq3-dev libczmq-dev gcc pkg-config iproute2 nftables shellcheck python3 graphviz
FUZZTIME    ?= 10s
SEEDS       ?= 20000
BENCH       ?=
LOAD        ?=
FAULTS      ?=
ONLY        ?=
RING        ?=
NATLAB      ?=
# OURS are tests of what libzmq does not tell: costs, and how far a slow transfer is; and of questions, which need channels.
OURS        := TestBarrage|TestStrangersCostLittle|TestStrangersHoldLittle|TestThousandRestarts|TestIdleConnectionIsSmall|TestLongTransferForReal|ExampleNode_Ask|Example_acrossTheInternet
# BINDINGS are what the tests of other languages need; one that is missing is skipped, and said so.
BINDINGS    := gcc g++ pkg-config valgrind python3-venv mypy luajit ruby nodejs npm
PACKERS     := zip dpkg tar gzip
READERS     := groff-base man-db bash-completion zsh fish systemd iproute2
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
	@sed -nE 's/^##@ (.*)/\n\1:/p; s/^([a-z-]+):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14

##@ Use it

.PHONY: demo
demo: ## let three nodes on loopback talk and, as root, two behind NATs whose server is killed
	@bash demo/demo.sh

.PHONY: build
build: ## build the program, its manual and completions into bin
	$(BUILD) -o bin/once ./src/cmd/once
	@SOURCE_DATE_EPOCH='$(EPOCH)' bash deploy/share.sh bin/once bin/share

.PHONY: install
install: $(if $(shell command -v go),build) ## install them in PREFIX (where Go programs are), below DESTDIR
	@bash deploy/install.sh '$(DESTDIR)' '$(PREFIX)'

.PHONY: uninstall
uninstall: ## take away what install has put there
	@bash deploy/install.sh '$(DESTDIR)' '$(PREFIX)' remove

##@ Change it

.PHONY: deps
deps: ## install what generate, check and interop need (Debian, Ubuntu)
	@$(call need,$(PACKAGES))

.PHONY: generate
generate: ## print all generated files from the models
	@bash gsl/generate.sh

.PHONY: docs
docs: generate ## print the documents, and draw the state machines with dot, as SVG
	@ls generated/doc/*.md generated/doc/*.svg generated/doc/*.html

.PHONY: check
check: ## prove that all is formatted, vetted, and what the models print
	@unformatted=$$(gofmt -l bindings conformance gsl lab src generated); \
	if [ -n "$$unformatted" ]; then echo "not formatted; run gofmt -w on: $$unformatted" >&2; exit 1; fi
	go vet ./...
	@for platform in $(PLATFORMS); do \
	  echo "go vet for $$platform"; GOOS=$${platform%/*} GOARCH=$${platform#*/} go vet ./src/... ./bindings/...; \
	done
	go run $(STATICCHECK) ./...
	cd src/interop && go vet ./...
	shellcheck bindings/*/*.sh conformance/*/*.sh .ci/run .ci/*.sh deploy/*.sh gsl/*.sh demo/*.sh lab/*.sh lab/nat/*.sh src/interop/gyrenode/*.sh
	go mod tidy -diff
	bash gsl/check.sh

.PHONY: models
models: ## review the models: faults, changes since the latest release or api/model.lock
	@bash .ci/models.sh

.PHONY: lock
lock: ## write api/model.lock, when what changed in the models is meant
	@go run ./src/cmd/once-model lock --out api/model.lock

.PHONY: lines
lines: ## count the lines of the library, and what stands apart
	@bash .ci/lines.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

##@ Use it from other languages

.PHONY: lib
lib: ## build libonce, for C, in bin/lib
	@bash bindings/c/install.sh build bin/lib

.PHONY: install-lib
install-lib: lib ## install it with header, pkg-config and manual in PREFIX, below DESTDIR
	@bash bindings/c/install.sh install bin/lib '$(DESTDIR)' '$(PREFIX)'

.PHONY: python
python: lib ## make the wheel for Python in bin/python
	@rm -rf bin/python && python3 bindings/python/wheel.py bin/lib/libonce.so bin/python

.PHONY: java
java: lib ## make the jar for Java in bin/java
	@rm -rf bin/java; bash bindings/java/pack.sh bin/lib/libonce.so bin/java || [ $$? = 77 ]

.PHONY: node
node: lib ## make the package for Node.js in bin/node
	@rm -rf bin/node && bash bindings/node/pack.sh bin/lib/libonce.so bin/node

##@ Prove it

.PHONY: test
test: ## run all tests that need no C library
	go test ./...

.PHONY: race
race: ## run the tests with the race detector, and CURVE without assembly
	go test -race -short -timeout 30m ./...
	go test -tags purego ./src/salsa ./src/zmtp

vuln dist distcheck: export GOTOOLCHAIN := $(RELEASER)

.PHONY: libtest
libtest: lib ## test libonce with sanitizers and valgrind
	@bash bindings/c/test.sh

.PHONY: bindings
bindings: ## install what the tests of other languages need (Debian, Ubuntu)
	@$(call need,$(shell for p in $(BINDINGS); do command -v $${p%-venv} >/dev/null || echo $$p; done; command -v javac >/dev/null || echo default-jdk-headless) libjna-java ruby-ffi)

.PHONY: pythoncheck
pythoncheck: ## check the types of the binding for Python with mypy --strict
	@command -v mypy >/dev/null || { echo "mypy: skipped: apt-get install mypy"; exit 0; }; mypy --strict --python-version 3.9 bindings/python/once

.PHONY: conformance
conformance: lib python node java ## let all languages play the scenarios with each other; ONLY=c,python
	@python3 conformance/run.py $(if $(ONLY),--only $(ONLY)) $(if $(RING),--ring)
	@python3 conformance/run.py $(if $(ONLY),--only $(ONLY)) --faults

.PHONY: signals
signals: lib python node java ## try what signals do in programs that have the library inside
	@bash bindings/signals/run.sh

.PHONY: careless
careless: lib python node ## try what becomes of programs that are careless with their nodes
	@bash bindings/careless/run.sh

.PHONY: examples
examples: lib python node java ## try the examples of all languages with each other; needs root
	@$(SUDO) python3 examples/run.py

.PHONY: vuln
vuln: ## look dependencies up among known vulnerabilities (VULNS: as of when)
	@version=$$(go list -m -f '{{.Version}}' $(VULNDB)@$(VULNS)); echo "$(VULNDB) $$version"; \
	go run "$(VULNDB)/cmd/indexdb@$$version" -vulns "$$(go env GOMODCACHE)/$(VULNDB)@$$version/data/osv" -out bin/vulndb
	go run $(GOVULNCHECK) -db "file://$(CURDIR)/bin/vulndb" ./...
	cd src/interop && go run $(GOVULNCHECK) -db "file://$(CURDIR)/bin/vulndb" ./...

.PHONY: soak
soak: ## simulate SEEDS (20000) networks; a seed that fails is printed
	go test ./src/zre -count=1 -timeout 1h -run Networks -seeds $(SEEDS)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s, or 3000x: so many runs)
	@go list ./... | while read -r package; do \
	  for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package"; \
	  done; \
	done

.PHONY: interop
interop: deps ## test against gyre, libzmq and CZMQ
	cd src/interop && ZSYS_MAX_SOCKETS=0 go test -count=1 ./...

.PHONY: czmq
czmq: deps ## test the driver for libzmq (-tags czmq), and nodes on it
	go vet -tags czmq ./...
	go run $(STATICCHECK) -tags czmq ./src/link/... ./src/node
	go test -race -tags czmq -count=1 ./src/link/czmq ./src/link/linktest
	go test -tags czmq -count=1 -skip '$(OURS)' ./src/node ./bindings/go/once

.PHONY: lan
lan: deps build ## try LANs made of network namespaces; needs root
	bash src/interop/gyrenode/build.sh bin/gyrenode
	CGO_ENABLED=0 go build -trimpath -o bin/tun ./lab/tun
	bash lab/lan.sh

.PHONY: load
load: ## hold once server to its promises with 18,000 nodes; LOAD=-smoke for a short run
	@$(BUILD) -o bin/once ./src/cmd/once
	@CGO_ENABLED=0 go build -o bin/load ./lab/load && bin/load $(LOAD)

.PHONY: faults
faults: ## hold channels to their contract over 6,000 resets and kills; FAULTS=-smoke for a short run
	@CGO_ENABLED=0 go run ./lab/skew bin/skew
	@CGO_ENABLED=0 go build -overlay bin/skew/overlay.json -o bin/skew/ ./lab/faults ./src/cmd/once
	@CGO_ENABLED=0 go build -o bin/faults ./lab/faults && bin/faults $(FAULTS)
	@$(if $(FAULTS),,CGO_ENABLED=0 go build -trimpath -o bin/natlab ./lab/nat && bin/natlab --forget)

.PHONY: natlab
natlab: ## let peers behind NATs of all kinds find each other; NATLAB="--short" for a short run
	CGO_ENABLED=0 go build -trimpath -o bin/natlab ./lab/nat
	@bash lab/nat/miniupnpd.sh bin/miniupnpd || echo "natlab: without sites of miniupnpd, which cannot be had"
	bin/natlab $$([ ! -x bin/miniupnpd/usr/sbin/miniupnpd ] || echo --miniupnpd bin/miniupnpd/usr/sbin/miniupnpd) $(NATLAB)
	bin/natlab --forget

.PHONY: bench
bench: deps ## measure beside goczmq and Zyre; BENCH="-smoke" for a short run
	cd src/interop && ZSYS_MAX_SOCKETS=0 go run ./bench $(BENCH)
	@for figures in Idle Figures; do ONCE_FIGURES=1 go test ./bindings/go/once -count=1 -v -run $$figures | grep -vE '^(===|---|    --- )'; done

.PHONY: bench-bindings
bench-bindings: lib python node java ## measure the languages beside Go
	@bash bindings/bench/run.sh

##@ Release it

.PHONY: dist
dist: build ## make releases of the commit, for PLATFORMS, in bin/dist
	@$(call need,$(PACKERS))
	@COMMIT='$(COMMIT)' SOURCE_DATE_EPOCH='$(EPOCH)' PLATFORMS='$(PLATFORMS)' bash deploy/dist.sh

.PHONY: distcheck
distcheck: ## make them twice, apart; compare; try the package; needs root
	@$(call need,$(PACKERS) $(READERS))
	@PLATFORMS='$(PLATFORMS)' SUDO='$(SUDO)' bash .ci/dist.sh
