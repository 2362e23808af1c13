/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * amd64: four levels of 512 entries of 8 bytes, with NX.
 *
 *   0000000000400000  slot 0..255  user space of the current process: the image,
 *   0000000010000000                 mmap areas,
 *   00007ffffff00000                 64 KiB of stack below this
 *   ffff888000000000  slot 273     KBASE: RAM, direct mapped; the kernel image at +1 MiB
 *   ffff890000000000  slot 274     DEVICE_BASE: the local APIC and ACPI tables
 *   ffff890040000000                 KMAP_BASE: windows on RAM that is not direct mapped
 *   ffff898000000000  slot 275     TEST_BASE: where scenarios put mappings of their own
 *   ffff960000000000  slot 300     SELF_BASE: the recursive slot, only while self-map runs
 *
 * Slots 256 and 511 are never used.
 */
#ifndef GUEST_PAGING_H
#define GUEST_PAGING_H

#define IMAGE_NAME "amd64"
#define LD_WORD	   QUAD /* in linker scripts */
#define WORD_SIZE  8

#define KBASE	    UL(0xffff888000000000)
#define DEVICE_BASE UL(0xffff890000000000)
#define DEVICE_LEN  UL(0x400000)
#define KMAP_BASE   UL(0xffff890040000000)
#define TEST_BASE   UL(0xffff898000000000)
#define TEST_END    UL(0xffff8a0000000000)
#define TEST_AREA   UL(0x40000000)
#define SELF_BASE   UL(0xffff960000000000)
#define SLOT_DIRECT 273
#define SLOT_SHARED 275 /* the last that every address space has */
#define SLOT_LAST   275 /* of those in use in the kernel's own */
#define USER_SLOTS  256

#define USER_MMAP_BASE	UL(0x10000000)
#define USER_STACK_TOP	UL(0x7ffffff00000)
#define USER_END	UL(0x800000000000)
#define NONCANONICAL_VA UL(0x0001000000000000)
#define LOWMEM_MAX	UL(0x8000000000) /* what the direct map has room for, in bytes */
#define LOWMEM_DEFAULT	0		 /* all of it */

#define PT_LEVELS	4
#define PT_BITS		9
#define PT_ROOT_ENTRIES 512
#define PT_ROOT_FLAGS	PTE_FLAGS /* what an entry of the root may have */
#define PT_ROOT_FIXED	0	  /* user entries of the root that are always there */
#define BOOT_CR4	0xa0	  /* PAE, PGE */
#define VA_BITS		48
#define SELF_LEVEL	PT_LEVELS /* of the entries that link SELF_BASE */
#define TEST_LEVEL	3	  /* of the topmost entries that are the scenario's own */

#ifndef __ASSEMBLER__
#include "kernel/types.h"
typedef u64 pa_t;
typedef u64 pte_t;
#define PTE_NX	 ((pte_t)1 << 63)
#define PTE_ADDR ((pte_t)0x000ffffffffff000)
#include "format.h"
#include "pte_word.h"
#endif

#endif
