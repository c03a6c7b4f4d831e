# ngx_live. Run "make help" for the targets.

CLANG     ?= clang-14
BUILD     ?= build
LIB_DIR   := ngx_live_module/lib

CFLAGS_WARN := -std=gnu11 -Wall -Wextra -Wshadow -Wpointer-arith \
               -Wno-unused-parameter -Werror
CFLAGS      ?= -O2 -g
CPPFLAGS    += -I$(LIB_DIR) -It/unit
LDLIBS      += -ljansson -lcrypto -lz -lpthread -lm

LIB_SRCS  := $(wildcard $(LIB_DIR)/*.c)
LIB_HDRS  := $(wildcard $(LIB_DIR)/*.h)
LIB_OBJS  := $(LIB_SRCS:$(LIB_DIR)/%.c=$(BUILD)/lib/%.o)
UNIT_SRCS := $(wildcard t/unit/test_*.c)
UNIT_BINS := $(UNIT_SRCS:t/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRCS := $(wildcard t/fuzz/fuzz_*.c)
FUZZ_BINS := $(FUZZ_SRCS:t/fuzz/%.c=$(BUILD)/fuzz/%)
REPLAYS   := $(FUZZ_SRCS:t/fuzz/%.c=$(BUILD)/unit/replay_%)
TOOL_SRCS := $(wildcard t/tools/*.c)
TOOL_BINS := $(TOOL_SRCS:t/tools/%.c=$(BUILD)/tools/%)

MODULE_SRCS := $(shell find ngx_live_module -name '*.c' -o -name '*.h' \
                 -o -name config)

DAEMON_SRCS := $(shell find control-plane -name '*.c' -not -path '*/ctl/*')
DAEMON_OBJS := $(DAEMON_SRCS:%.c=$(BUILD)/daemons/%.o)
# live-ctl: its own files, and those of the daemon that it reads with.
CTL_SRCS    := $(wildcard control-plane/ctl/*.c control-plane/db/*.c) \
               $(addprefix control-plane/,main/conf.c main/crypt.c \
                 main/event.c main/log.c main/password.c http/text.c \
                 http/rate_redis.c)
CTL_OBJS    := $(CTL_SRCS:%.c=$(BUILD)/daemons/%.o)
CTL_PKGS    := libpq libsodium hiredis libcurl jansson openssl
DAEMON_PKGS := libmicrohttpd libpq libsodium hiredis libcurl jansson openssl

PREFIX      ?= /usr/local
SHARE_DIR   ?= $(PREFIX)/share/ngx_live

.PHONY: all help modules daemons lib unit tools test run install bench asan \
        tsan fuzz lint format deps clean
.DELETE_ON_ERROR:
.SECONDARY:

all: modules daemons

help:
	@sed -n 's/^#: //p' Makefile

#: make            build the two modules into build/modules, and the daemons
#: make daemons    the control plane alone: build/control-plane, build/live-ctl
#: make run        install what is missing, build, start everything, show a demo
#: make test       every test
#: make install    put the modules where nginx looks for them, the daemons and
#:                 the schema below PREFIX (/usr/local)
#: make bench      CPU time against what Debian ships
#: make asan       the unit and integration tests under ASan and UBSan
#: make tsan       the store's threads under TSan ("make asan" does that, too)
#: make fuzz       every parser (FUZZ="NAME …"), FUZZ_SECONDS (60) each
#: make lint       style (clang-format), cppcheck, clang-tidy; make format: the
#:                 first alone
#:
#: NGINX_SRC=DIR   build against an nginx source tree instead of nginx-dev
#: BUILD=DIR       where to build (build)
#: TESTS="FILE …"  what "make test" and "make asan" run, the default is all

deps:
	@scripts/deps

# ---- the modules -----------------------------------------------------------

modules: $(BUILD)/modules/.stamp

$(BUILD)/modules/.stamp: $(MODULE_SRCS) scripts/build-modules | deps
	@BUILD=$(BUILD) SANITIZE="$(SANITIZE)" NGINX_SRC="$(NGINX_SRC)" \
	    scripts/build-modules
	@touch $@

install: modules daemons
	install -d $(DESTDIR)$(shell scripts/modules-path)
	install -m 0644 $(BUILD)/modules/*.so $(DESTDIR)$(shell scripts/modules-path)
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(SHARE_DIR)/sql
	install -m 0755 $(BUILD)/control-plane $(DESTDIR)$(PREFIX)/sbin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BUILD)/live-ctl $(DESTDIR)$(PREFIX)/bin
	install -m 0644 sql/*.sql $(DESTDIR)$(SHARE_DIR)/sql
	install -m 0644 control-plane/openapi.json $(DESTDIR)$(SHARE_DIR)
	install -d $(DESTDIR)$(SHARE_DIR)/web
	install -m 0644 control-plane/web/* $(DESTDIR)$(SHARE_DIR)/web

# ---- the daemons -------------------------------------------------------------

# Where an installed daemon finds its schema, unless its configuration says so.
DAEMON_DEFS := -DSQL_DIR='"$(SHARE_DIR)/sql"' \
               -DOPENAPI_FILE='"$(SHARE_DIR)/openapi.json"'

daemons: $(BUILD)/control-plane $(BUILD)/live-ctl

$(BUILD)/daemons/%.o: %.c | deps
	@mkdir -p $(@D)
	$(CC) -Icontrol-plane $(CPPFLAGS) \
	    $$(pkg-config --cflags $(DAEMON_PKGS)) $(DAEMON_DEFS) $(CFLAGS) \
	    $(CFLAGS_WARN) $(SANITIZE) -MMD -MP -c -o $@ $<

-include $(DAEMON_OBJS:.o=.d) $(CTL_OBJS:.o=.d)

$(BUILD)/control-plane: $(DAEMON_OBJS) $(BUILD)/liblive.a
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $(DAEMON_OBJS) $(BUILD)/liblive.a \
	    $$(pkg-config --libs $(DAEMON_PKGS)) $(LDLIBS)

$(BUILD)/live-ctl: $(CTL_OBJS) $(BUILD)/liblive.a
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $(CTL_OBJS) $(BUILD)/liblive.a \
	    $$(pkg-config --libs $(CTL_PKGS)) $(LDLIBS)

# ---- the library and its tests ---------------------------------------------

$(BUILD)/lib/%.o: $(LIB_DIR)/%.c $(LIB_HDRS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) -fPIC -c -o $@ $<

$(BUILD)/liblive.a: $(LIB_OBJS)
	@rm -f $@
	ar rcs $@ $^

lib: $(BUILD)/liblive.a

$(BUILD)/unit/test_%: t/unit/test_%.c $(BUILD)/liblive.a $(wildcard t/unit/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) -o $@ $< \
	    $(BUILD)/liblive.a $(LDLIBS)

# Units of the daemon.
CP_UNIT_OBJS := $(filter-out %/main/main.o,$(DAEMON_OBJS))

$(BUILD)/unit/test_cp_%: t/unit/test_cp_%.c $(CP_UNIT_OBJS) $(BUILD)/liblive.a
	@mkdir -p $(@D)
	$(CC) -Icontrol-plane $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) \
	    -o $@ $^ $$(pkg-config --libs $(DAEMON_PKGS)) $(LDLIBS)

$(BUILD)/unit/replay_%: t/fuzz/%.c t/fuzz/replay.c $(BUILD)/liblive.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) -o $@ $^ $(LDLIBS)

$(BUILD)/tools/%: t/tools/%.c $(BUILD)/liblive.a $(wildcard t/tools/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) -o $@ $< \
	    $(BUILD)/liblive.a $(LDLIBS) -lssl

tools: $(TOOL_BINS)

unit: $(UNIT_BINS) $(REPLAYS)

test: modules daemons unit tools
	@BUILD=$(BUILD) scripts/test $(TESTS)

# ---- sanitizers, fuzzing, style ----------------------------------------------

ASAN := -fsanitize=address,undefined -fno-omit-frame-pointer \
        -fno-sanitize-recover=undefined
TSAN := -fsanitize=thread

asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE="$(ASAN)" \
	    CFLAGS="-O1 -g" modules daemons unit tools
	@LIVE_ASAN=1 BUILD=$(BUILD)/asan scripts/test $(TESTS)
	@$(if $(TESTS),:,$(MAKE) --no-print-directory tsan)

tsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE="$(TSAN)" \
	    CFLAGS="-O1 -g" $(BUILD)/tsan/unit/test_store_threads
	$(BUILD)/tsan/unit/test_store_threads

FUZZ_SECONDS ?= 60

FUZZ_FLAGS := -O1 -g -std=gnu11 -fsanitize=address,undefined \
              -fno-sanitize-recover=undefined
FUZZ_OBJS  := $(LIB_SRCS:$(LIB_DIR)/%.c=$(BUILD)/fuzz/lib/%.o)

$(BUILD)/fuzz/lib/%.o: $(LIB_DIR)/%.c $(LIB_HDRS)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzz/liblive.a: $(FUZZ_OBJS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/fuzz/fuzz_%: t/fuzz/fuzz_%.c $(BUILD)/fuzz/liblive.a
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

fuzz: $(if $(FUZZ),$(FUZZ:%=$(BUILD)/fuzz/fuzz_%),$(FUZZ_BINS))
	@FUZZ_SECONDS=$(FUZZ_SECONDS) BUILD=$(BUILD) scripts/fuzz $(FUZZ)

lint: modules
	@BUILD=$(BUILD) scripts/lint

format:
	@scripts/format-check

# What nginx's own part of a request costs: bench/viewers.pl.
FLOOR := $(BUILD)/bench/ngx_http_floor_module.so

$(FLOOR): bench/ngx_http_floor_module.c $(BUILD)/modules/.stamp
	@mkdir -p $(@D)
	$(CC) -O2 -g -fPIC -shared -Wall -Wextra -Wshadow -Wpointer-arith \
	    -Wno-unused-parameter -Werror -I$(BUILD)/nginx \
	    $$(cd $(BUILD)/nginx-src && for d in src/core src/event \
	    src/event/modules src/os/unix src/http src/http/modules src/http/v2; \
	    do echo "-I$$PWD/$$d"; done) -o $@ $<

bench: modules tools $(FLOOR)
	@BUILD=$(BUILD) bench/run

run: deps
	@$(MAKE) --no-print-directory modules daemons
	@exec env BUILD=$(BUILD) DEMO=$(DEMO) scripts/run

clean:
	rm -rf build
