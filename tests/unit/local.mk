# SPDX-License-Identifier: BSD-2-Clause
# CUnit tests that report in TAP. A folder adds its own program like the ones below.
if HAVE_CUNIT
noinst_LTLIBRARIES += libtest-tap.la
libtest_tap_la_SOURCES = tests/unit/tap.c tests/unit/tap.h
libtest_tap_la_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS)
libtest_tap_la_LIBADD = $(CUNIT_LIBS)

FRONT_UNIT_TESTS = tests/unit/test_sizes tests/unit/test_options
tests_unit_test_sizes_SOURCES = tests/unit/test_sizes.c
tests_unit_test_sizes_LDADD = libtest-tap.la libumbra-front.la
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_LDADD = libtest-tap.la libumbra-front.la

VMM_UNIT_TESTS = tests/unit/tlb_test tests/unit/cpu_test tests/unit/interp_test tests/unit/dev_test \
	tests/unit/boot_test tests/unit/control_test tests/unit/machine_test tests/unit/engine_test tests/unit/soft_test tests/unit/cache_test tests/unit/unmap_test \
	tests/unit/gdb_test
tests_unit_cpu_test_SOURCES = $(cpu_test_sources)
tests_unit_cpu_test_LDADD = libtest-tap.la libvmm.la
tests_unit_interp_test_SOURCES = tests/unit/interp_coverage.c tests/unit/interp_coverage.h tests/unit/interp_debug.c tests/unit/interp_differential.c tests/unit/interp_fast.c tests/unit/interp_fault.c \
	tests/unit/interp_forms.c tests/unit/interp_forms.h tests/unit/interp_fuzz.c \
	tests/unit/interp_machine.c tests/unit/interp_machine.h tests/unit/interp_mode.c \
	tests/unit/interp_native.c tests/unit/interp_native.h tests/unit/interp_string.c \
	tests/unit/interp_suites.h tests/unit/interp_system.c tests/unit/interp_test.c \
	tests/unit/interp_vector.c tests/unit/interp_vector.h \
	tests/unit/interp_vector_fault.c tests/unit/interp_vector_vex.c tests/unit/interp_xsave.c \
	tests/unit/interp_opcodes.c
tests_unit_interp_test_LDADD = libtest-tap.la libvmm.la
tests_unit_dev_test_SOURCES = tests/unit/dev_apic.c tests/unit/dev_apic_ipi.c \
	tests/unit/dev_apic_threads.c tests/unit/dev_apic_timer.c tests/unit/dev_apic_x2.c \
	tests/unit/dev_bus.c tests/unit/dev_capture.c tests/unit/dev_dma.c tests/unit/dev_dma.h \
	tests/unit/dev_swap.c tests/unit/dev_test.c tests/unit/dev_test.h tests/unit/dev_uart.c
tests_unit_dev_test_LDADD = libtest-tap.la libvmm.la
tests_unit_boot_test_SOURCES = tests/unit/boot_files.c tests/unit/boot_info.c \
	tests/unit/boot_load.c tests/unit/boot_malformed.c tests/unit/boot_test.c \
	tests/unit/boot_test.h
tests_unit_boot_test_LDADD = libtest-tap.la libvmm.la
tests_unit_control_test_SOURCES = tests/unit/control_event.c tests/unit/control_hostile.c \
	tests/unit/control_protocol.c tests/unit/control_rig.c tests/unit/control_rig.h \
	tests/unit/control_share.c tests/unit/control_socket.c tests/unit/control_table.c tests/unit/control_test.c
tests_unit_control_test_LDADD = libtest-tap.la libvmm.la
tests_unit_gdb_test_SOURCES = tests/unit/gdb_rig.c tests/unit/gdb_rig.h tests/unit/gdb_test.c
tests_unit_gdb_test_LDADD = libtest-tap.la libvmm.la
tests_unit_machine_test_SOURCES = tests/unit/machine_cpuid.c tests/unit/machine_exitstat.c \
	tests/unit/machine_gate.c tests/unit/machine_hybrid.c tests/unit/machine_test.c \
	tests/unit/machine_test.h
tests_unit_engine_test_SOURCES = tests/unit/engine_flush.c
tests_unit_engine_test_LDADD = libtest-tap.la libvmm.la
tests_unit_machine_test_LDADD = libtest-tap.la libvmm.la
tests_unit_tlb_test_SOURCES = tests/unit/tlb_report_test.c tests/unit/tlb_stale_test.c \
	tests/unit/tlb_test.c tests/unit/tlb_test.h tests/unit/tlb_walk_test.c
tests_unit_tlb_test_LDADD = libtest-tap.la libvmm.la

tests_unit_cache_test_SOURCES = tests/unit/cache_test.c
tests_unit_cache_test_LDADD = libtest-tap.la libvmm.la
tests_unit_unmap_test_SOURCES = tests/unit/unmap_test.c
tests_unit_unmap_test_LDADD = libtest-tap.la libvmm.la
tests_unit_soft_test_SOURCES = tests/unit/soft_test.c
tests_unit_soft_test_LDADD = libtest-tap.la libvmm.la

check_PROGRAMS += $(FRONT_UNIT_TESTS) $(VMM_UNIT_TESTS)
TESTS += $(FRONT_UNIT_TESTS) $(VMM_UNIT_TESTS)
endif

# Three million random instructions against the processor, with another seed than make check.
LONG_CASES = 3000000
.PHONY: check-long-interp
check-long: check-long-interp
check-long-interp: tests/unit/interp_test$(EXEEXT)
	$(AM_V_at)tests/unit/interp_test$(EXEEXT) --seed $(LONG_SEED) --cases $(LONG_CASES)
