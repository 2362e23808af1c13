/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Selectors, vectors and fixed places that the assembly and the C code of every image have to
 * agree on. The address space itself is in paging.h, one per image.
 */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#ifdef __ASSEMBLER__
#define UL(x) x
#else
#define UL(x) x##UL
#endif

#include "paging.h"

#define APIC_PA	      UL(0xfee00000)
#define APIC_VA	      DEVICE_BASE /* the first page kmap_device() hands out */
#define TRAMPOLINE_PA UL(0x8000)

#define USER_IMAGE     UL(0x400000)
#define USER_STACK_LEN UL(0x10000)

/* Selectors. STAR_USER + 8 is the user SS and + 16 the user CS of SYSRETQ. */
#define SEL_KCODE  0x08
#define SEL_KDATA  0x10
#define SEL_PERCPU 0x18 /* 32-bit images: struct cpu, through GS */
#define SEL_UDATA  0x4b
#define SEL_UCODE  0x53
#define SEL_TSS	   0x60
#define STAR_USER  0x43

#define VEC_TIMER    0x20
#define VEC_CAPTURE  0x61
#define VEC_SWAP     0x62
#define VEC_SYSCALL  0x80 /* 32-bit images */
#define VEC_TLB	     0xf0
#define VEC_RESCHED  0xf1
#define VEC_TEST     0xf2
#define VEC_SPURIOUS 0xff
#define TRAP_SYSCALL 0x100 /* not a vector: marks a frame made by the SYSCALL entry */

/* Offsets into struct cpu in words, checked by static assertions in cpu.c. */
#define CPU_SELF    (0 * WORD_SIZE)
#define CPU_KSTACK  (1 * WORD_SIZE)
#define CPU_USER_SP (2 * WORD_SIZE)
#define CPU_EXEC_SP (3 * WORD_SIZE)

#endif
