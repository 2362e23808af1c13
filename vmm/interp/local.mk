# SPDX-License-Identifier: BSD-2-Clause
interp_sources = \
	vmm/interp/alu.c \
	vmm/interp/alu.h \
	vmm/interp/arith.c \
	vmm/interp/bits.c \
	vmm/interp/bmi.c \
	vmm/interp/branch.c \
	vmm/interp/cache.c \
	vmm/interp/cache.h \
	vmm/interp/decimal.c \
	vmm/interp/decode.c \
	vmm/interp/exec.h \
	vmm/interp/fpu.h \
	vmm/interp/fpu_env.c \
	vmm/interp/fpu_host.S \
	vmm/interp/fpu_image.c \
	vmm/interp/fpu_ops.h \
	vmm/interp/fpu_stub.c \
	vmm/interp/fpu_x87.c \
	vmm/interp/insn.h \
	vmm/interp/interp.h \
	vmm/interp/move.c \
	vmm/interp/muldiv.c \
	vmm/interp/operand.c \
	vmm/interp/probe.c \
	vmm/interp/shift.c \
	vmm/interp/sse.c \
	vmm/interp/sse_mmx.c \
	vmm/interp/sse_state.c \
	vmm/interp/stack.c \
	vmm/interp/step.c \
	vmm/interp/string.c \
	vmm/interp/sysreg.c \
	vmm/interp/system.c \
	vmm/interp/table.c \
	vmm/interp/trap.c \
	vmm/interp/vector.c
