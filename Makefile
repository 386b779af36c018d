# make demo | test | lint | asan | valgrind | bench | test-live | clean

LUA     = lua5.4
CC      = gcc
PKG     = pkg-config
LUA_INC := $(shell $(PKG) --cflags lua5.4 2>/dev/null)
WARN    = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
CFLAGS  = -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
B       = build/5.4
SAN     =

core_src := $(sort $(wildcard src/base/*.c src/decode/*.c src/profile/*.c src/querier/*.c \
	src/render/*.c) $(filter-out src/lua/http.c,$(wildcard src/lua/*.c)))
http_src := $(sort $(wildcard src/http/*.c) src/base/buffer.c src/lua/shared.c src/lua/http.c)
core_obj := $(core_src:src/%.c=$(B)/o/%.o)
http_obj := $(http_src:src/%.c=$(B)/o/%.o)
flags    := $(CC) $(CFLAGS) $(WARN) $(SAN) $(LUA_INC) $(shell $(PKG) --modversion libcurl libpcre2-8 zlib 2>/dev/null)

all: $(B)/pyroscope/core.so $(B)/pyroscope/http.so

$(B)/.flags: FORCE
	@mkdir -p $(B)
	@echo '$(flags) $(sort $(core_src) $(http_src))' | cmp -s - $@ || echo '$(flags) $(sort $(core_src) $(http_src))' > $@

$(B)/o/%.o: src/%.c $(B)/.flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $(SAN) $(WARN) -fPIC -MMD -MP -Isrc $(LUA_INC) -c $< -o $@

$(B)/pyroscope/core.so: $(core_obj)
	@mkdir -p $(@D)
	$(CC) -shared $(SAN) -o $@ $^ -lz -lpcre2-8

$(B)/pyroscope/http.so: $(http_obj)
	@mkdir -p $(@D)
	$(CC) -shared $(SAN) -o $@ $^ -lcurl

clean:
	rm -rf build pyroscope *.o src/*/*.o

FORCE:
.PHONY: all clean FORCE
-include $(core_obj:.o=.d) $(http_obj:.o=.d)
