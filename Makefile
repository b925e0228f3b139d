# The front door for people and CI. Each target does the set-up it needs and is quick when nothing
# changed; the work itself is in CMakeLists.txt and scripts/.

SHELL := /bin/bash
BUILD ?= build
CMAKE_FLAGS ?=
# A file that includes ATen takes up to 2 GB to compile.
JOBS ?= $(shell awk -v cores=$$(nproc) '/^MemTotal/ { n = int($$2 / 2097152); \
          print n < 1 ? 1 : n < cores ? n : cores }' /proc/meminfo)

cpp_files = git ls-files --cached --others --exclude-standard '*.h' '*.cpp' ':!third_party'

.PHONY: apollo setup demo install test wheel fuzz libfuzzer asan asan-python bench format style lint \
        clean help
.NOTPARALLEL:

apollo: ## build build/apollo (the default)
	@scripts/setup.sh build
	@$(call configure,-DAPOLLO_TESTS=OFF)
	@cmake --build $(BUILD) --parallel $(JOBS) --target apollo

setup: ## install Debian packages and the venv with LibTorch, nothing else
	@scripts/setup.sh build

# Through the environment, where the shell does not read what a name holds.
demo: export TEXT := $(TEXT)
demo: export BUILD := $(BUILD)
demo: apollo ## train a small GPT that grows, and the same from scratch, on real text (TEXT=my.txt)
	@scripts/demo.sh

PREFIX ?= /usr/local
install: apollo ## copy apollo and its engine into PREFIX/bin (PREFIX=/usr/local, DESTDIR=)
	@DESTDIR='$(DESTDIR)' cmake --install $(BUILD) --component apollo --prefix '$(PREFIX)'

test: ## build everything and run the tests
	@scripts/setup.sh test
	@$(call configure,$(if $(APOLLO_TORCH),,-DAPOLLO_PYTHON=ON))
	@cmake --build $(BUILD) --parallel $(JOBS)
	@ctest --test-dir $(BUILD) --parallel $(JOBS) --output-on-failure --no-tests=error

wheel: ## build a Python wheel into dist/, for the torch of .venv, which its name says
	@scripts/setup.sh build
	@torch=$$(.venv/bin/python -c \
	  'from importlib.metadata import version as v; print("".join(v("torch").split(".")[:2]))') && \
	  .venv/bin/python -m pip wheel . --no-deps -w dist --config-settings wheel.build-tag="$${torch}torch"

FUZZ_SECONDS ?= 60
fuzz: ## read files that were changed at random, 60 s for each reader (FUZZ_SECONDS=, SEED=)
	@scripts/setup.sh test
	@$(call configure)
	@cmake --build $(BUILD) --parallel $(JOBS) --target fuzz_readers fuzz_models
	@for program in fuzz_readers fuzz_models; do \
	  $(BUILD)/$$program --seconds $(FUZZ_SECONDS) --seed $(or $(SEED),1) --jobs $(JOBS) || exit; done

libfuzzer: ## the same by coverage and under sanitizers, with clang; readers without LibTorch
	@scripts/setup.sh fuzz
	@cmake --preset libfuzzer -DAPOLLO_TORCH='$(APOLLO_TORCH)' >/dev/null
	@cmake --build --preset libfuzzer --parallel $(JOBS)
	@mkdir -p fuzz-findings
	@for target in $$(build-libfuzzer/fuzz_readers); do \
	  echo "$$target:"; \
	  APOLLO_FUZZ_TARGET=$$target ASAN_OPTIONS=detect_leaks=0 build-libfuzzer/fuzz_readers \
	    -max_total_time=$(FUZZ_SECONDS) -seed=$(or $(SEED),1) -timeout=10 -rss_limit_mb=4096 \
	    -artifact_prefix=fuzz-findings/$$target- -verbosity=0 -print_final_stats=1 || exit; done

# The tests of what needs no LibTorch, which is not instrumented.
LIGHT_TESTS = base text arch config data progressive runlog
asan: ## build and run the tests of the light libraries under ASan and UBSan
	@scripts/setup.sh test
	@cmake --preset asan -DAPOLLO_TORCH='$(APOLLO_TORCH)' >/dev/null
	@cmake --build build-asan --parallel $(JOBS) --target $(LIGHT_TESTS:%=%_tests)
	@ASAN_OPTIONS=detect_leaks=0 ctest --test-dir build-asan --output-on-failure --no-tests=error \
	  -R '^($(subst $(eval ) ,|,$(LIGHT_TESTS)))$$'

asan-python: ## the same for the Python module, with all that it is made of
	@scripts/setup.sh test
	@cmake --preset asan -DAPOLLO_TORCH='$(APOLLO_TORCH)' -DAPOLLO_PYTHON=ON >/dev/null
	@cmake --build build-asan --parallel $(JOBS) --target apollo apollo-engine _light _engine
	@ctest --test-dir build-asan --output-on-failure --no-tests=error \
	  -R '^python_(light|engine|interruptions)$$'

bench: ## measure speed and memory, beside transformers
	@scripts/setup.sh test
	@$(call configure,-DAPOLLO_BENCH=ON)
	@cmake --build $(BUILD) --parallel $(JOBS)
	@BUILD='$(BUILD)' scripts/bench.sh

format: ## clang-format every C++ file in place
	@scripts/setup.sh style
	@$(cpp_files) | xargs -r clang-format -i

style: ## formatting and layers, without changing a file
	@scripts/setup.sh style
	@python3 scripts/check_layers.py
	@$(cpp_files) | xargs -r clang-format --dry-run --Werror

lint: style ## the same and clang-tidy, which takes minutes
	@scripts/setup.sh lint
	@cmake -G Ninja -S . -B build-lint -DAPOLLO_TORCH='$(APOLLO_TORCH)' -DAPOLLO_TESTS=OFF \
	  -DAPOLLO_PCH=OFF >/dev/null
	@cmake --build build-lint --target apollo_commit >/dev/null
	@run-clang-tidy -quiet -p build-lint -j $(JOBS) '$(CURDIR)/src/.*'

clean: ## remove the build folders (keeps .venv, .demo and runs)
	@rm -rf $(BUILD) build-debug build-asan build-libfuzzer build-lint

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# Runs CMake only where there is no build folder yet or it was made with another APOLLO_TORCH or
# other flags; Ninja itself notices an edited CMakeLists.txt.
define configure
flags='-DAPOLLO_TORCH=$(APOLLO_TORCH) $(CMAKE_FLAGS) $(1)'; \
if [[ ! -f $(BUILD)/build.ninja || "$$flags" != "$$(cat $(BUILD)/flags.txt 2>/dev/null)" ]]; then \
  cmake -G Ninja -S . -B $(BUILD) -DAPOLLO_TORCH='$(APOLLO_TORCH)' $(CMAKE_FLAGS) $(1) && \
  echo "$$flags" >$(BUILD)/flags.txt; \
fi
endef
