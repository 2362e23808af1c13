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
	vmm/interp/insn.h \
	vmm/interp/interp.h \
	vmm/interp/move.c \
	vmm/interp/muldiv.c \
	vmm/interp/operand.c \
	vmm/interp/probe.c \
	vmm/interp/shift.c \
	vmm/interp/stack.c \
	vmm/interp/step.c \
	vmm/interp/string.c \
	vmm/interp/sysreg.c \
	vmm/interp/system.c \
	vmm/interp/table.c \
	vmm/interp/trap.c \
	vmm/interp/vector.c \
	vmm/interp/watch.c \
	vmm/interp/watch.h
