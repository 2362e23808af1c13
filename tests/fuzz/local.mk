# SPDX-License-Identifier: BSD-2-Clause
# Fuzzers. make check replays their corpora, without an engine; make fuzz builds them with clang's
# libFuzzer and runs each for FUZZ_SECONDS. What it finds stays in tests/fuzz/ of the build.
FUZZ_REPLAYS = tests/fuzz/boot_replay tests/fuzz/control_replay tests/fuzz/gdb_replay \
	tests/fuzz/shadow_replay
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += $(FUZZ_REPLAYS)
tests_fuzz_boot_replay_SOURCES = tests/fuzz/replay.c tests/unit/boot_fuzz.c
tests_fuzz_boot_replay_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"boot"'
tests_fuzz_boot_replay_LDADD = libvmm.la
control_fuzz_sources = tests/unit/control_fuzz.c tests/unit/control_machine.c \
	tests/unit/control_machine.h tests/unit/fake_engine.c tests/unit/fake_engine.h \
	tests/unit/fake_hardware.c tests/unit/fake_hardware.h
tests_fuzz_control_replay_SOURCES = tests/fuzz/replay.c $(control_fuzz_sources)
tests_fuzz_control_replay_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"control"'
tests_fuzz_control_replay_LDADD = libvmm.la $(URCU_LIBS) -lpthread
tests_fuzz_gdb_replay_SOURCES = tests/fuzz/replay.c tests/unit/gdb_fuzz.c tests/unit/gdb_rig.c \
	tests/unit/gdb_rig.h
tests_fuzz_gdb_replay_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"gdb"'
tests_fuzz_gdb_replay_LDADD = libvmm.la
shadow_fuzz_sources = tests/unit/shadow_fuzz.c tests/unit/fake_engine.c tests/unit/fake_engine.h \
	tests/unit/fake_hardware.c tests/unit/fake_hardware.h tests/model/mmu_model.c \
	tests/model/mmu_model.h
tests_fuzz_shadow_replay_SOURCES = tests/fuzz/replay.c $(shadow_fuzz_sources)
tests_fuzz_shadow_replay_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"shadow"'
tests_fuzz_shadow_replay_LDADD = libumbra-shadow.la $(URCU_LIBS) -lpthread
EXTRA_DIST += tests/fuzz/make-corpus.py tests/fuzz/corpus

FUZZ_SECONDS = 60
FUZZ_FLAGS = -O1 -g -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_CC = $(CLANG) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(JSONC_CFLAGS) $(URCU_CFLAGS) \
	$(FUZZ_FLAGS)
fuzz_boot_sources = tests/unit/boot_fuzz.c $(shadow_sources) $(boot_sources) vmm/cpu/state.c \
	vmm/cpu/fpu.c
fuzz_control_sources = $(control_fuzz_sources) $(control_sources) $(trace_sources) $(shadow_sources)
fuzz_gdb_sources = tests/unit/gdb_fuzz.c tests/unit/gdb_rig.c $(gdb_session_sources) \
	$(control_sources) $(trace_sources) $(shadow_sources) vmm/cpu/state.c vmm/cpu/fpu.c

.PHONY: fuzz fuzz-boot fuzz-control fuzz-gdb fuzz-shadow
fuzz: fuzz-boot fuzz-control fuzz-gdb fuzz-shadow
fuzz-boot fuzz-control fuzz-gdb fuzz-shadow:
	@test '$(CLANG)' != no || { echo 'make fuzz needs clang with libFuzzer' >&2; exit 1; }
	@mkdir -p tests/fuzz
	@case $@ in \
	fuzz-boot) set -- $(fuzz_boot_sources) ;; \
	fuzz-gdb) set -- $(fuzz_gdb_sources) ;; \
	fuzz-shadow) set -- $(shadow_fuzz_sources) $(shadow_sources) ;; \
	*) set -- $(fuzz_control_sources) ;; \
	esac; \
	name=$@; name=$${name#fuzz-}; args=; \
	for f; do case $$f in *.c) args="$$args $(top_srcdir)/$$f" ;; esac; done; \
	out=tests/fuzz/$$name; mkdir -p $$out-found; \
	$(FUZZ_CC) $$args -o $$out-fuzz $(JSONC_LIBS) $(URCU_LIBS) -lpthread && \
	$$out-fuzz -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=$$out- \
		-print_final_stats=1 $$out-found $(top_srcdir)/tests/fuzz/corpus/$$name

clean-local: fuzz-clean
.PHONY: fuzz-clean
fuzz-clean:
	rm -rf tests/fuzz/boot-* tests/fuzz/control-* tests/fuzz/gdb-* tests/fuzz/shadow-*
