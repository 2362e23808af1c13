# SPDX-License-Identifier: BSD-2-Clause
# The software CPU.
soft_sources = vmm/soft/backend.c vmm/soft/ceiling.c vmm/soft/engine.c vmm/soft/memory.c vmm/soft/ops.c \
	vmm/soft/piece.c vmm/soft/piece.h vmm/soft/schedule.c vmm/soft/soft.h \
	vmm/soft/tlb.c vmm/soft/tlb.h vmm/soft/tlb_adversarial.c vmm/soft/tlb_cache.c \
	vmm/soft/tlb_cache.h vmm/soft/tlb_internal.h vmm/soft/tlb_plain.c vmm/soft/tlb_story.c \
	vmm/soft/tlb_story.h vmm/soft/tlb_walk.c vmm/soft/walker.c
