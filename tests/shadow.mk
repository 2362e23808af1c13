# SPDX-License-Identifier: BSD-2-Clause
# Tests of the shadow MMU.
if HAVE_CUNIT
check_PROGRAMS += tests/unit/shadow_test tests/unit/shadow_prop tests/unit/shadow_threads \
	tests/unit/shadow_mutants tests/unit/model_stale
TESTS += tests/unit/shadow_test tests/unit/shadow_prop tests/unit/shadow_threads \
	tests/unit/shadow_mutants tests/unit/model_stale

tests_unit_model_stale_SOURCES = tests/model/mmu_model.c tests/model/mmu_model.h \
	tests/model/stale.c tests/model/stale.h tests/unit/model_stale.c
tests_unit_model_stale_LDADD = libtest-tap.la $(CUNIT_LIBS)

shadow_test_base = tests/model/mmu_model.c tests/model/mmu_model.h \
	tests/unit/fake_engine.c tests/unit/fake_engine.h \
	tests/unit/fake_hardware.c tests/unit/fake_hardware.h \
	tests/unit/shadow_fixture.c tests/unit/shadow_fixture.h
shadow_test_suites = tests/unit/shadow_hook.c tests/unit/shadow_alloc.c tests/unit/shadow_audit.c \
	tests/unit/shadow_exhaustive.c tests/unit/shadow_fault.c tests/unit/shadow_gmem.c tests/unit/shadow_keys.c \
	tests/unit/shadow_gather.c tests/unit/shadow_gather.h tests/unit/shadow_gather_rig.c \
	tests/unit/shadow_inject.c tests/unit/shadow_map.c tests/unit/shadow_reserve.c tests/unit/shadow_defer.c tests/unit/shadow_shootdown.c \
	tests/unit/shadow_modes.c tests/unit/shadow_modes.h tests/unit/shadow_pae.c \
	tests/unit/shadow_dmap.c tests/unit/shadow_dmap.h tests/unit/shadow_dmap_guest.c \
	tests/unit/shadow_dmap_model.c tests/unit/shadow_dmap_pressure.c \
	tests/unit/shadow_large.c tests/unit/shadow_life.c tests/unit/shadow_rules.c tests/unit/shadow_unsync.c \
	tests/unit/shadow_race.c tests/unit/shadow_rights.c tests/unit/shadow_share.c \
	tests/unit/shadow_share_race.c tests/unit/shadow_share_rig.c tests/unit/shadow_share_rig.h tests/unit/shadow_walk.c tests/unit/shadow_inspect.c \
	tests/unit/shadow_look.c \
	tests/unit/shadow_trace.c tests/unit/shadow_windows.c tests/unit/shadow_windows_mmu.c tests/unit/shadow_windows_pool.c tests/unit/shadow_windows_switch.c \
	tests/unit/shadow_write.c
shadow_test_libs = libumbra-shadow.la $(CUNIT_LIBS) $(URCU_LIBS) -lpthread

# The library once more as an archive, so that calls inside it can be wrapped (shadow_hook.c).
noinst_LTLIBRARIES += libumbra-shadow-hooked.la
libumbra_shadow_hooked_la_SOURCES = $(shadow_sources)
libumbra_shadow_hooked_la_CPPFLAGS = $(AM_CPPFLAGS)
libumbra_shadow_hooked_la_LIBADD = $(URCU_LIBS) -lpthread
shadow_wrap = -Wl,--wrap=gmem_map,--wrap=malloc,--wrap=calloc,--wrap=aligned_alloc,--wrap=free \
	-Wl,--wrap=mmap,--wrap=munmap,--wrap=sh_pool_get,--wrap=sh_set_add \
	-Wl,--wrap=urcu_memb_synchronize_rcu,--wrap=pthread_mutex_lock

tests_unit_shadow_test_SOURCES = $(shadow_test_base) $(shadow_test_suites) tests/unit/shadow_test.c
tests_unit_shadow_test_LDFLAGS = $(AM_LDFLAGS) $(shadow_wrap)
tests_unit_shadow_test_LDADD = libtest-tap.la libumbra-shadow-hooked.la $(CUNIT_LIBS) $(URCU_LIBS) -lpthread

tests_unit_shadow_prop_SOURCES = $(shadow_test_base) tests/model/stale.c tests/model/stale.h \
	tests/unit/shadow_draw.c tests/unit/shadow_program.c tests/unit/shadow_program.h \
	tests/unit/shadow_regs.c tests/unit/shadow_run.h tests/unit/shadow_prop.c
tests_unit_shadow_prop_LDADD = $(shadow_test_libs)

tests_unit_shadow_threads_SOURCES = $(shadow_test_base) tests/unit/shadow_threads.c
tests_unit_shadow_threads_LDADD = $(shadow_test_libs)

# The library once more, with the named bugs in it.
noinst_LTLIBRARIES += libumbra-shadow-mutants.la
libumbra_shadow_mutants_la_SOURCES = $(shadow_sources)
libumbra_shadow_mutants_la_CPPFLAGS = $(AM_CPPFLAGS) -DUMBRA_MUTANTS
libumbra_shadow_mutants_la_LIBADD = $(URCU_LIBS) -lpthread

tests_unit_shadow_mutants_SOURCES = $(shadow_test_base) $(shadow_test_suites) \
	tests/unit/shadow_mutants.c
tests_unit_shadow_mutants_CPPFLAGS = $(AM_CPPFLAGS) -DUMBRA_MUTANTS
tests_unit_shadow_mutants_LDFLAGS = $(AM_LDFLAGS) $(shadow_wrap)
tests_unit_shadow_mutants_LDADD = libumbra-shadow-mutants.la $(CUNIT_LIBS) $(URCU_LIBS) -lpthread

# The same on the software CPU's TLBs.
check_PROGRAMS += tests/unit/tlb_mutants
TESTS += tests/unit/tlb_mutants
tests_unit_tlb_mutants_SOURCES = tests/unit/soft_rig.c tests/unit/soft_rig.h \
	tests/unit/tlb_mutants.c vmm/soft/tlb.c vmm/soft/tlb.h vmm/soft/tlb_adversarial.c \
	vmm/soft/tlb_cache.c vmm/soft/tlb_cache.h vmm/soft/tlb_internal.h vmm/soft/tlb_plain.c \
	vmm/soft/tlb_story.c vmm/soft/tlb_story.h vmm/soft/tlb_walk.c
tests_unit_tlb_mutants_CPPFLAGS = $(AM_CPPFLAGS) -DUMBRA_MUTANTS
tests_unit_tlb_mutants_LDADD = libumbra-shadow-mutants.la $(URCU_LIBS) -lpthread

# And of the monitor: walker.c once more with its bugs. The archives by their own names: libvmm.la would
# bring the shared library without bugs with it.
check_PROGRAMS += tests/unit/walker_mutants
TESTS += tests/unit/walker_mutants
tests_unit_walker_mutants_SOURCES = tests/unit/walker_mutants.c vmm/soft/walker.c
tests_unit_walker_mutants_CPPFLAGS = $(AM_CPPFLAGS) -DUMBRA_MUTANTS
tests_unit_walker_mutants_LDADD = .libs/libvmm.a libumbra-shadow-mutants.la $(JSONC_LIBS) \
	$(ZYDIS_LIBS) $(URCU_LIBS) -lpthread -lrt
EXTRA_tests_unit_walker_mutants_DEPENDENCIES = libvmm.la

endif

# Ten million steps of random guest programs, with other seeds than make check: half a minute on one
# core, some minutes with sanitizers. LONG_SEED chooses others still.
LONG_STEPS = 10000000
LONG_SEED = 2
.PHONY: check-long
check-long: tests/unit/shadow_prop$(EXEEXT)
	$(AM_V_at)tests/unit/shadow_prop$(EXEEXT) --steps $(LONG_STEPS) --seed $(LONG_SEED)

# What the library alone costs: `make bench` prints it, one line a result: name, number, unit. 64 GiB
# of guest memory are mapped for some of it; guest tables and shadows take 0.5 GiB of the host.
noinst_PROGRAMS += tests/bench/shadow_bench
tests_bench_shadow_bench_SOURCES = tests/bench/bench.h tests/bench/bench_dmap.c tests/bench/bench_machine.c \
	tests/bench/bench_memory.c tests/bench/bench_threads.c tests/bench/bench_unmap.c tests/bench/shadow_bench.c
tests_bench_shadow_bench_LDADD = libumbra-shadow.la $(URCU_LIBS) -lpthread

.PHONY: bench
bench: tests/bench/shadow_bench$(EXEEXT)
	$(AM_V_at)tests/bench/shadow_bench$(EXEEXT)

# Of those: windows, the direct map, gathers, shootdowns, grace periods, walkers. What docs/performance.md
# says of them under "Frames taken back" is from this, and needs a host with nothing else to do.
.PHONY: bench-host
bench-host: tests/bench/shadow_bench$(EXEEXT)
	$(AM_V_at)tests/bench/shadow_bench$(EXEEXT) ops dmap unmap

# Guest instructions per second on the software engine and on QEMU TCG: docs/performance.md.
.PHONY: bench-engine
bench-engine: all
	$(AM_V_at)python3 $(srcdir)/tests/bench/engine_bench.py $(builddir)
EXTRA_DIST += tests/bench/engine_bench.py

# What a guest pays for being looked at: docs/performance.md.
.PHONY: bench-look
bench-look: all
	$(AM_V_at)python3 -B $(srcdir)/tests/bench/look_bench.py $(builddir)
EXTRA_DIST += tests/bench/look_bench.py
