# make            both modules, into build/5.4
# make demo       installs what is missing, builds, answers questions about the sample incident
# make test       installs what is missing, builds, runs every spec
# make lint       luacheck, include rule, exported symbols; more where the tools are installed
# make asan       the specs under AddressSanitizer and UndefinedBehaviorSanitizer
# make valgrind   the specs under valgrind, leaks are errors
# make fuzz       libFuzzer over the decoders, FUZZ_TIME seconds each
# make lab        scores of investigations on generated and recorded incidents, as a table; LAB_RUNS=300
# make bench      the bars of speed and memory, as ratios of interleaved runs
# make test-live PYROSCOPE_URL=http://127.0.0.1:4040     what the client promises, against a real server
# make clean

LUA     = lua5.4
CC      = gcc
PKG     = pkg-config
LUA_INC := $(shell $(PKG) --cflags lua5.4 2>/dev/null)
WARN    = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
CFLAGS  = -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
SAN     =
B       = build/5.4
FUZZ_TIME = 60

BUILD_PACKAGES = gcc libc6-dev pkg-config lua5.4 liblua5.4-dev lua-cjson lua-argparse lua-luv \
	libcurl4-openssl-dev libpcre2-dev zlib1g-dev
TEST_PACKAGES  = lua-yaml graphviz lua-busted lua-check lua-socket lua-sec luarocks openssl \
	git python3 python3-jsonschema chromium-headless-shell tmux

core_src := $(sort $(wildcard src/base/*.c src/decode/*.c src/profile/*.c src/querier/*.c \
	src/render/*.c) $(filter-out src/lua/http%.c,$(wildcard src/lua/*.c)))
http_src := $(sort $(wildcard src/http/*.c) src/base/buffer.c src/lua/shared.c \
	$(wildcard src/lua/http*.c))
core_obj := $(core_src:src/%.c=$(B)/o/%.o)
http_obj := $(http_src:src/%.c=$(B)/o/%.o)
flags    := $(CC) $(CFLAGS) $(WARN) $(SAN) $(LUA_INC) \
	$(shell $(PKG) --modversion libcurl libpcre2-8 zlib 2>/dev/null) \
	$(core_src) $(http_src)

all: $(B)/pyroscope/core.so $(B)/pyroscope/http.so $(B)/lua/.compiled

# compiler, flags, versions of the libraries, list of sources: another build when one changes
$(B)/.flags: FORCE
	@mkdir -p $(B)
	@echo '$(flags)' | cmp -s - $@ || echo '$(flags)' > $@

$(B)/o/%.o: src/%.c $(B)/.flags
	@mkdir -p $(@D)
	@$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $(SAN) $(WARN) -fPIC -MMD -MP -Isrc $(LUA_INC) -c $< -o $@

$(B)/pyroscope/core.so: $(core_obj)
	@mkdir -p $(@D)
	@$(CC) -shared $(SAN) -o $@ $^ -lz -lpcre2-8

$(B)/pyroscope/http.so: $(http_obj)
	@mkdir -p $(@D)
	@$(CC) -shared $(SAN) -o $@ $^ -lcurl -lz

# Lua compiled for pscope, each file with the time of its source (see lua/pyroscope/cli/main.lua)
$(B)/lua/.compiled: $(shell find lua -name '*.lua' 2>/dev/null)
	@mkdir -p $(@D)
	@sh spec/support/compile.sh $(@D)
	@touch $@

# the header with script and style of pictures, which is committed
assets:
	@python3 spec/support/assets.py

setup:
	@sh spec/support/install.sh $(BUILD_PACKAGES)

setup-test:
	@sh spec/support/install.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)

demo: setup
	@$(MAKE) --no-print-directory -j2 all
	@LUA_PATH="./lua/?.lua;./lua/?/init.lua;;" LUA_CPATH="./$(B)/?.so;;" $(LUA) examples/demo.lua

BUSTED = $(LUA) /usr/bin/busted --ignore-lua -o spec/support/summary.lua

test: setup-test
	@$(MAKE) --no-print-directory -j4 all
	@sh spec/support/pprof.sh
	@sh spec/support/npm.sh
	@LC_ALL=C.UTF-8 sh spec/support/each.sh 2 $(BUSTED)

test-live: all
	@test -n "$(PYROSCOPE_URL)" || { echo "usage: make test-live PYROSCOPE_URL=http://127.0.0.1:4040" >&2; exit 2; }
	@PYROSCOPE_LIVE_URL="$(PYROSCOPE_URL)" $(BUSTED) spec/live_spec.lua

lint: all
	@sh spec/support/lint.sh $(B)

# what is about packages, not code, is left out
RUNS_PROGRAMS = $(shell grep -l "spec.support.cli" spec/*_spec.lua 2>/dev/null)
WATCHED = $(filter-out spec/package_spec.lua spec/start_spec.lua spec/browser_% $(RUNS_PROGRAMS),\
	$(wildcard spec/*_spec.lua))

# programs that specs start are the ordinary build: only the specs' own process is watched
asan: all
	@$(MAKE) --no-print-directory -j4 B=build/asan CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	  SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined" all
	@LC_ALL=C.UTF-8 ASAN_OPTIONS=detect_leaks=0 PYROSCOPE_BUILD=build/asan SPECS="$(WATCHED)" \
	  sh spec/support/each.sh 2 env LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) \
	  $$($(CC) -print-file-name=libubsan.so)" \
	  $(LUA) /usr/bin/busted --ignore-lua -r asan -o spec/support/summary.lua

valgrind: all
	@LC_ALL=C.UTF-8 PYROSCOPE_EVERY=97 SPECS="$(WATCHED)" sh spec/support/each.sh 2 valgrind -q --error-exitcode=99 \
	  --leak-check=full --keep-debuginfo=yes --show-leak-kinds=definite \
	  --errors-for-leak-kinds=definite --suppressions=spec/valgrind.supp $(BUSTED)

FUZZ = $(basename $(notdir $(wildcard spec/fuzz/*.c)))

fuzz:
	@mkdir -p build/fuzz
	@for t in $(FUZZ); do \
	  clang -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Isrc spec/fuzz/$$t.c \
	    $(filter-out src/lua/%,$(core_src)) -o build/fuzz/$$t -lpcre2-8 -lz || exit 1; \
	  mkdir -p build/fuzz/corpus-$$t; \
	  build/fuzz/$$t -max_total_time=$(FUZZ_TIME) -print_final_stats=0 build/fuzz/corpus-$$t || exit 1; \
	done

bench: all
	@LUA_PATH="./lua/?.lua;./lua/?/init.lua;;" LUA_CPATH="./$(B)/?.so;;" $(LUA) spec/bench/run.lua

lab: all
	@LUA_PATH="./?.lua;./?/init.lua;./lua/?.lua;./lua/?/init.lua;;" LUA_CPATH="./$(B)/?.so;;" $(LUA) spec/lab/run.lua

clean:
	rm -rf build pyroscope .tree *.rock
	find src -name '*.o' -delete

print-%:
	@echo $($*)

FORCE:
.PHONY: all assets setup setup-test demo test test-live lint asan valgrind fuzz bench lab clean FORCE
-include $(core_obj:.o=.d) $(http_obj:.o=.d)
