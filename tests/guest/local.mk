# SPDX-License-Identifier: BSD-2-Clause
# Machines that run, from the outside.
guest_tests = tests/guest/usage.bats tests/guest/badinput.bats tests/guest/crash.bats \
	tests/guest/qmp.bats tests/guest/look.bats tests/guest/ctl.bats tests/guest/picture.bats \
	tests/guest/trace.bats tests/guest/gdb.bats tests/guest/inject.bats \
	tests/guest/qemu-ref.bats tests/guest/kvm-runs.bats tests/guest/soft.bats \
	tests/guest/hybrid.bats tests/guest/swap.bats tests/guest/hostile-guest.bats \
	tests/guest/stock-kvm.bats tests/guest/doctor.bats \
	tests/guest/sanitize.bats tests/guest/outside.bats tests/guest/seeds.sh \
	tests/guest/mutants.sh tests/guest/guest-mutants.sh tests/guest/engines.sh \
	tests/guest/ref.bats tests/guest/stress.bats
TESTS += $(guest_tests)
EXTRA_DIST += $(guest_tests) tests/stress/smoke.stress tests/bench/hybrid_bench.sh \
	tests/guest/devices.S tests/guest/common.bash tests/guest/qmp.bash tests/guest/cpuid-same.py tests/guest/exact.py \
	tests/guest/gdb.py tests/guest/hostile.py tests/guest/look_check.py tests/guest/kvm-works.py tests/guest/matrix.py tests/guest/qmp.py tests/guest/picture.py \
	tests/guest/picture_models.py tests/guest/browser.py \
	tests/stock-kvm/README.md tests/stock-kvm/fetch-kernel.sh tests/stock-kvm/run.sh \
	tests/stock-kvm/selftest.bats

# A thousand machines by seed; what is not in make check. SEEDS=N FIRST_SEED=N choose others.
SEEDS = 1000
FIRST_SEED = 1
.PHONY: check-seeds
check-seeds: umbra$(EXEEXT) all
	$(AM_V_at)builddir='$(abs_top_builddir)' bash $(top_srcdir)/tests/guest/seeds.sh $(SEEDS) $(FIRST_SEED)

# Our kernel gone mad, with more seeds: HOSTILE_SEEDS=N HOSTILE_FIRST=N choose others.
HOSTILE_SEEDS = 500
HOSTILE_FIRST = 1
.PHONY: check-long-hostile
check-long: check-long-hostile
check-long-hostile: umbra$(EXEEXT) all
	$(AM_V_at)builddir='$(abs_top_builddir)' HOSTILE_SEEDS=$(HOSTILE_SEEDS) HOSTILE_FIRST=$(HOSTILE_FIRST) \
		$(BATS) -f '^hostile' $(top_srcdir)/tests/guest/hostile-guest.bats

# All scenarios in every shape of the monitor.
.PHONY: check-long-runs
check-long: check-long-runs
check-long-runs: umbra$(EXEEXT) all
	$(AM_V_at)srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' UMBRA_LONG=1 \
		$(BATS) $(top_srcdir)/tests/guest/kvm-runs.bats $(top_srcdir)/tests/guest/hybrid.bats \
		$(top_srcdir)/tests/guest/soft.bats $(top_srcdir)/tests/guest/stock-kvm.bats \
		$(top_srcdir)/tests/guest/sanitize.bats

# All bugs of the guest's kernel; make check leaves out those that take long to find.
.PHONY: check-long-guest-mutants
check-long: check-long-guest-mutants
check-long-guest-mutants: umbra$(EXEEXT) all
	$(AM_V_at)builddir='$(abs_top_builddir)' bash $(top_srcdir)/tests/guest/guest-mutants.sh --all

# Every scenario on every image, engine and number of CPUs, and on QEMU: a table.
.PHONY: check-matrix
check-long: check-matrix
check-matrix: umbra$(EXEEXT) umbra-ref$(EXEEXT) all
	$(AM_V_at)builddir='$(abs_top_builddir)' UMBRA='$(abs_top_builddir)/umbra' \
		python3 -B $(top_srcdir)/tests/guest/matrix.py $(MATRIX)

# The storms, two drawn by each seed, on the adversarial TLB: STORM_SEEDS=1000 FIRST_SEED=1.
STORM_SEEDS = 1000
.PHONY: check-storms
check-long: check-storms
check-storms: umbra$(EXEEXT) all
	$(AM_V_at)builddir='$(abs_top_builddir)' bash $(top_srcdir)/tests/guest/seeds.sh --storms \
		$(STORM_SEEDS) $(FIRST_SEED)

# umbra with the bugs of shadow/mutant.h in it. The archives by their own names: libvmm.la would bring
# the shared library without bugs with it.
if HAVE_CUNIT
check_PROGRAMS += tests/guest/umbra-mutants
tests_guest_umbra_mutants_SOURCES = $(umbra_SOURCES) tests/guest/mutant_switch.c vmm/soft/walker.c
tests_guest_umbra_mutants_CPPFLAGS = $(AM_CPPFLAGS) -DUMBRA_MUTANTS
tests_guest_umbra_mutants_LDADD = .libs/libvmm.a libumbra-shadow-mutants.la libumbra-front.la \
	$(JSONC_LIBS) $(ZYDIS_LIBS) $(URCU_LIBS) -lpthread -lrt
EXTRA_tests_guest_umbra_mutants_DEPENDENCIES = libvmm.la
endif
