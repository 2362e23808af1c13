/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space, the selectors and the vectors of the amd64 guest: everything that both the
 * assembly and the C code have to agree on.
 *
 *   slot 0..255   user space of the current process
 *   slot 273      KBASE: all RAM, direct mapped; the kernel image is linked here at +1 MiB
 *   slot 274      DEVICE_BASE: at +physical, the local APIC (uncached) and ACPI tables
 *   slot 275      TEST_BASE: where scenarios put mappings of their own
 *   slot 300      SELF_BASE: the recursive slot, present only while self-map runs
 *
 * Slots 256 and 511 are never used.
 */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#ifdef __ASSEMBLER__
#define UL(x) x
#else
#define UL(x) x##UL
#endif

#define KBASE	    UL(0xffff888000000000)
#define DEVICE_BASE UL(0xffff890000000000)
#define TEST_BASE   UL(0xffff898000000000)
#define SELF_BASE   UL(0xffff960000000000)
#define SLOT_DIRECT 273
#define SLOT_DEVICE 274
#define SLOT_TEST   275
#define SLOT_SELF   300
#define USER_SLOTS  256

#define APIC_PA		UL(0xfee00000)
#define APIC_VA		(DEVICE_BASE + APIC_PA)
#define TRAMPOLINE_PA	UL(0x8000)
#define NONCANONICAL_VA UL(0x0001000000000000)

#define USER_IMAGE     UL(0x400000)
#define USER_MMAP_BASE UL(0x10000000)
#define USER_STACK_TOP UL(0x7ffffff00000)
#define USER_STACK_LEN UL(0x10000)
#define USER_END       UL(0x800000000000)

/* Selectors. STAR_USER + 8 is the user SS and + 16 the user CS of SYSRETQ. */
#define SEL_KCODE 0x08
#define SEL_KDATA 0x10
#define SEL_UDATA 0x4b
#define SEL_UCODE 0x53
#define SEL_TSS	  0x60
#define STAR_USER 0x43

#define VEC_TIMER    0x20
#define VEC_TLB	     0xf0
#define VEC_RESCHED  0xf1
#define VEC_TEST     0xf2
#define VEC_SPURIOUS 0xff
#define TRAP_SYSCALL 0x100 /* not a vector: marks a frame made by the SYSCALL entry */

/* Offsets into struct cpu, checked by static assertions in cpu.c. */
#define CPU_SELF     0
#define CPU_KSTACK   8
#define CPU_USER_RSP 16
#define CPU_EXEC_RSP 24

#endif
