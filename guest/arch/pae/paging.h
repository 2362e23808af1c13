/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pae: three levels, 4 + 512 + 512 entries of 8 bytes, with NX. CR3 loads the four of the root
 * into registers: they are all there from the start, and have no rights of their own.
 *
 *   00400000  user space of the current process: the image,
 *   10000000    mmap areas,
 *   bf000000    64 KiB of stack below this
 *   c0000000  KBASE: lowmem, direct mapped; the kernel image at +1 MiB. At most 512 MiB of RAM;
 *               what lies behind lowmem is highmem and seen through windows only
 *   e0000000  DEVICE_BASE: the local APIC and ACPI tables
 *   e1000000    KMAP_BASE: the windows
 *   e8000000  TEST_BASE: where scenarios put mappings of their own
 *   ff800000  SELF_BASE: the four directories as tables, only while self-map runs
 */
#ifndef GUEST_PAGING_H
#define GUEST_PAGING_H

#define IMAGE_NAME "pae"
#define LD_WORD	   LONG /* in linker scripts */
#define WORD_SIZE  4

#define KBASE	    UL(0xc0000000)
#define DEVICE_BASE UL(0xe0000000)
#define DEVICE_LEN  UL(0x400000)
#define KMAP_BASE   UL(0xe1000000)
#define TEST_BASE   UL(0xe8000000)
#define TEST_END    UL(0xf0000000)
#define TEST_AREA   UL(0x02000000)
#define SELF_BASE   UL(0xff800000)
#define SLOT_DIRECT 3
#define SLOT_SHARED 3 /* the last that every address space has */
#define SLOT_LAST   3 /* of those in use in the kernel's own */
#define USER_SLOTS  3

#define USER_MMAP_BASE	UL(0x10000000)
#define USER_STACK_TOP	UL(0xbf000000)
#define USER_END	UL(0xc0000000)
#define NONCANONICAL_VA UL(0) /* there is none */
#define LOWMEM_MAX	UL(0x20000000)
#define LOWMEM_DEFAULT	UL(0x4000000)

#define PT_LEVELS	3
#define PT_BITS		9
#define PT_ROOT_ENTRIES 4
#define PT_ROOT_FLAGS	PTE_P /* what an entry of the root may have */
#define PT_ROOT_FIXED	3     /* user entries of the root that are always there */
#define BOOT_CR4	0xa0  /* PAE, PGE */
#define VA_BITS		32
#define SELF_LEVEL	2 /* of the entries that link SELF_BASE */
#define TEST_LEVEL	2 /* of the topmost entries that are the scenario's own */

#ifndef __ASSEMBLER__
#include "kernel/types.h"
typedef u64 pa_t;
typedef u64 pte_t;
#define PTE_NX	 ((pte_t)1 << 63)
#define PTE_ADDR ((pte_t)0x000ffffffffff000)
#include "format.h"
#include "pte_wide.h"
#endif

#endif
