# SPDX-License-Identifier: BSD-2-Clause
# The CPU's architectural semantics; vmm/local.mk builds them into libvmm.la.
cpu_sources = \
	vmm/cpu/control.c \
	vmm/cpu/debug.c \
	vmm/cpu/debugger.h \
	vmm/cpu/deliver.c \
	vmm/cpu/deliver.h \
	vmm/cpu/deliver_real.c \
	vmm/cpu/desc.c \
	vmm/cpu/desc.h \
	vmm/cpu/direct.h \
	vmm/cpu/entry.h \
	vmm/cpu/far.c \
	vmm/cpu/fpu.c \
	vmm/cpu/fpu.h \
	vmm/cpu/gate.c \
	vmm/cpu/io.c \
	vmm/cpu/iret.c \
	vmm/cpu/linear.c \
	vmm/cpu/linear.h \
	vmm/cpu/msr.c \
	vmm/cpu/ops.h \
	vmm/cpu/print.c \
	vmm/cpu/ret.c \
	vmm/cpu/segment.c \
	vmm/cpu/segment.h \
	vmm/cpu/stack.c \
	vmm/cpu/stack.h \
	vmm/cpu/state.c \
	vmm/cpu/state.h \
	vmm/cpu/syscall.c \
	vmm/cpu/system.c \
	vmm/cpu/system.h \
	vmm/cpu/task.c \
	vmm/cpu/task.h \
	vmm/cpu/task_load.c \
	vmm/cpu/task_load.h \
	vmm/cpu/transfer.c \
	vmm/cpu/transfer.h \
	vmm/cpu/tss.c \
	vmm/cpu/tss.h \
	vmm/cpu/v86.c \
	vmm/cpu/v86.h

# Their unit tests: one CUnit program.
cpu_test_sources = \
	tests/unit/cpu_bench.c \
	tests/unit/cpu_bench.h \
	tests/unit/cpu_chain_test.c \
	tests/unit/cpu_control_test.c \
	tests/unit/cpu_deliver_test.c \
	tests/unit/cpu_far_test.c \
	tests/unit/cpu_io_test.c \
	tests/unit/cpu_iret_test.c \
	tests/unit/cpu_legacy_test.c \
	tests/unit/cpu_linear_test.c \
	tests/unit/cpu_msr_test.c \
	tests/unit/cpu_property_test.c \
	tests/unit/cpu_segment_test.c \
	tests/unit/cpu_state_test.c \
	tests/unit/cpu_syscall_test.c \
	tests/unit/cpu_task_test.c \
	tests/unit/cpu_test.c \
	tests/unit/cpu_v86_test.c
