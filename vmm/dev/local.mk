# SPDX-License-Identifier: BSD-2-Clause
dev_sources = \
	vmm/dev/apic.c \
	vmm/dev/apic.h \
	vmm/dev/apic_ipi.c \
	vmm/dev/apic_msr.c \
	vmm/dev/apic_regs.c \
	vmm/dev/apic_timer.c \
	vmm/dev/bus.c \
	vmm/dev/capture.c \
	vmm/dev/debugexit.c \
	vmm/dev/dev.h \
	vmm/dev/legacy.c \
	vmm/dev/swapdev.c \
	vmm/dev/uart.c \
	vmm/dev/worker.c \
	vmm/dev/worker.h
