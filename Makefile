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

.PHONY: all help modules lib unit tools test run install bench asan tsan fuzz \
        lint format deps clean
.DELETE_ON_ERROR:
.SECONDARY:

all: modules

help:
	@sed -n 's/^#: //p' Makefile

#: make            build the two modules into build/modules
#: make run        install what is missing, build, start everything, show a demo
#: make test       every test
#: make install    put the modules where nginx looks for them
#: make bench      CPU time against what Debian ships
#: make asan       the unit and integration tests under ASan and UBSan
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

install: modules
	install -d $(DESTDIR)$(shell scripts/modules-path)
	install -m 0644 $(BUILD)/modules/*.so $(DESTDIR)$(shell scripts/modules-path)

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

$(BUILD)/unit/replay_%: t/fuzz/%.c t/fuzz/replay.c $(BUILD)/liblive.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) -o $@ $^ $(LDLIBS)

$(BUILD)/tools/%: t/tools/%.c $(BUILD)/liblive.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_WARN) $(SANITIZE) -o $@ $< \
	    $(BUILD)/liblive.a $(LDLIBS)

tools: $(TOOL_BINS)

unit: $(UNIT_BINS) $(REPLAYS)

test: modules unit tools
	@BUILD=$(BUILD) scripts/test $(TESTS)

# ---- sanitizers, fuzzing, style ----------------------------------------------

ASAN := -fsanitize=address,undefined -fno-omit-frame-pointer \
        -fno-sanitize-recover=undefined
TSAN := -fsanitize=thread

asan:
	@$(MAKE) --no-print-directory BUILD=build/asan SANITIZE="$(ASAN)" \
	    CFLAGS="-O1 -g" modules unit tools
	@LIVE_ASAN=1 BUILD=build/asan scripts/test $(TESTS)

tsan:
	@$(MAKE) --no-print-directory BUILD=build/tsan SANITIZE="$(TSAN)" \
	    CFLAGS="-O1 -g" build/tsan/unit/test_store_threads
	build/tsan/unit/test_store_threads

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

bench: modules tools
	@BUILD=$(BUILD) bench/run

run: deps
	@$(MAKE) --no-print-directory modules
	@exec env BUILD=$(BUILD) DEMO=$(DEMO) scripts/run

clean:
	rm -rf build
