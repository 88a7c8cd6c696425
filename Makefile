# Every chore in one word. The building itself is meson's and ninja's; this
# file only remembers how they are called.

.DEFAULT_GOAL := build
.PHONY: help run test build demo check sim beats mutants asan tsan clang interop lab scorecard bench profile conformance differential browser page format tidy docs install clean

# OPTIONS go to meson, for example OPTIONS=-Dwerror=true; ARGS to `vital serve`,
# or to the conformance suite;
# ONLY names tests or suites: make test ONLY='frame url'.
OPTIONS ?=
ARGS ?=
ONLY ?=
# QUICK=1 makes the scorecard take 90 s, and `make bench` 3 minutes; they write no report.
QUICK ?=
# SEEDS for the simulation: one, or a range.
SEEDS ?= 1..1000
# How often each fault of the lab; from 20 on its report is written.
RUNS ?= 1
# Which cases of the differential test: of which SEED, how many, from which on.
SEED ?= 1
COUNT ?= 100000
FIRST ?= 0

# $(call compile,directory,options,environment,targets): builds all, or only the
# targets, in the directory, which is configured at the first time and whenever
# OPTIONS are given.
comma := ,
define compile
	@if [ ! -f $(1)/build.ninja ]; then $(3) meson setup $(1) $(2) $(OPTIONS); \
	elif [ -n "$(OPTIONS)" ]; then meson configure $(1) $(OPTIONS); fi
	@ninja -C $(1) $(4)
endef

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: ## build, and start `vital serve` on 127.0.0.1:9001 (Ctrl-C ends it)
	@tools/bootstrap test
	$(call compile,build,,,vital)
	@exec build/vital serve $(ARGS)

test: build ## run every test, and print the total
	@tools/run-tests build $(ONLY)

build: ## install what is missing and build; the command is build/vital
	@tools/bootstrap test
	$(call compile,build)

demo: build ## watch a connection die and heal, by itself, in under a minute
	@tools/demo

check: test tidy ## what to run before a commit

sim: build ## live through SEEDS on a simulated network
	@build/vital-sim --seeds $(SEEDS) --jobs $$(nproc)

beats: SEEDS = 1..9200
beats: build ## a thousand million beats at a loss of one in ten, in an hour or two
	@build/vital-sim --seeds $(SEEDS) --hours 4 --clients 40 --beat 5 --loss 10 --no-shrink \
		--jobs $$(nproc)

mutants: ## break vital on purpose, and demand that vital-sim sees it
	@tools/bootstrap test
	@tests/sim/mutants/run $(ONLY)

asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/bootstrap test
	$(call compile,build-asan,-Dwerror=true -Db_sanitize=address$(comma)undefined \
		-Dc_args=-fno-sanitize-recover=all)
	@tools/run-tests build-asan $(ONLY)

# What has more threads than one; all else is pure, or the same in the other builds.
THREADED := loop stall stall_uring threads threads_uring web
THREADED_TESTS := address backend loop loop_epoll loop_uring network race resolver socket_loop \
	tcp_info uring stall threads
tsan: ## the tests that have threads, under ThreadSanitizer
	@tools/bootstrap test
	$(call compile,build-tsan,-Dwerror=true -Db_sanitize=thread,,\
		$(if $(ONLY),,$(THREADED_TESTS:%=tests/%_test) vital))
	@tools/run-tests build-tsan $(or $(ONLY),$(THREADED))

clang: ## the tests, built with clang
	@tools/bootstrap test clang
	$(call compile,build-clang,-Dwerror=true,CC=clang)
	@tools/run-tests build-clang $(ONLY)

conformance: build ## the RFCs, requirement by requirement (ARGS: --list, a section, a word)
	@env VITAL=build/vital SUBJECT=build/tests/conformance_subject \
		/usr/bin/python3 -B tests/conformance/suite.py $(ARGS)

differential: build ## COUNT cases of SEED through vital and through npm's ws: the same outcome
	@tools/bootstrap differential
	@tests/interop/packages
	@FEED=build/tests/differential_feed node tests/differential/differential.js \
		$(SEED) $(COUNT) $(FIRST)

interop: build ## talk to other implementations, in both roles, and through proxies
	@tools/bootstrap interop
	@tests/interop/run

lab: build ## every fault on a real NAT, RUNS times (root; ONLY picks faults by their words)
	@tools/bootstrap lab
	@RUNS=$(RUNS) tests/lab/run $(ONLY)

scorecard: build ## how soon and how rightly death is seen, beside others (QUICK=1: 90 s; root)
	@tools/bootstrap scorecard
	@tests/scorecard/run $(if $(QUICK),--quick) $(ARGS)

bench: build ## fast and small, beside others (QUICK=1: whether it all works; ONLY picks workloads)
	@tools/bootstrap bench
	@bench/run $(if $(QUICK),--quick) $(ARGS) $(ONLY)

profile: build ## instructions for an echo, a beat, a timer (callgrind); WRITE=1: as they are
	@tools/bootstrap profile
	@tests/profile/run $(if $(WRITE),--write)

browser: build ## build the browser's client and pass its tests (ONLY names test files)
	@tools/bootstrap browser
	@browser/packages
	@cd browser && node build.mjs && VITAL=../build/vital node test/run.mjs $(ONLY)

page: build ## the page of `vital serve` in Chromium (ONLY picks cases by their words)
	@tools/bootstrap page
	@tests/browser/run $(ONLY)

format: ## let clang-format lay out all C files
	@tools/bootstrap tidy
	@git ls-files -co --exclude-standard '*.[ch]' | xargs clang-format -i

tidy: ## check layout, lengths, and that nothing was left out
	@tools/bootstrap tidy
	@tools/tidy

docs: build ## the man pages, in build/
	@ls build/vital*.[1-9]

install: build ## install into the system (DESTDIR= is heeded)
	@meson install -C build

clean: ## remove everything that was built
	rm -rf build build-* browser/dist browser/.build
