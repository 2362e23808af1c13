# SPDX-License-Identifier: BSD-2-Clause
# KVM with the interpreter running ahead.
hybrid_sources = vmm/hybrid/ahead.c vmm/hybrid/backend.c vmm/hybrid/engine.c vmm/hybrid/hybrid.h vmm/hybrid/learn.c \
	vmm/hybrid/learn.h vmm/hybrid/policy.c vmm/hybrid/traps.c
