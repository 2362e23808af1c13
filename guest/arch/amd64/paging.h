/* SPDX-License-Identifier: BSD-2-Clause */
/* The paging format of this image. mm/ is written against these names only. */
#ifndef GUEST_PAGING_H
#define GUEST_PAGING_H

typedef unsigned long pte_t;

#define PT_LEVELS  4
#define PT_BITS	   9
#define PT_ENTRIES (1 << PT_BITS)
#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define HUGE_SIZE  (PAGE_SIZE << PT_BITS)

#define PTE_P	0x001UL
#define PTE_W	0x002UL
#define PTE_U	0x004UL
#define PTE_PWT 0x008UL
#define PTE_PCD 0x010UL
#define PTE_A	0x020UL
#define PTE_D	0x040UL
#define PTE_PS	0x080UL
#define PTE_G	0x100UL
#define PTE_NX	(1UL << 63)

#define PTE_ADDR  0x000ffffffffff000UL
#define PTE_FLAGS (~PTE_ADDR)

#define PTE_KDATA (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define PTE_KRO	  (PTE_P | PTE_A | PTE_NX)
#define PTE_KTEXT (PTE_P | PTE_A)
#define PTE_TABLE (PTE_P | PTE_W | PTE_A)

/* Page-fault error code. */
#define PF_P 0x01UL
#define PF_W 0x02UL
#define PF_U 0x04UL
#define PF_R 0x08UL
#define PF_I 0x10UL

/* Shift and index of `va` at `level`; level 1 is the last one. */
#define PT_SHIFT(level)	    (PAGE_SHIFT + PT_BITS * ((level)-1))
#define PT_INDEX(va, level) (((va) >> PT_SHIFT(level)) & (PT_ENTRIES - 1))
#define PT_SPAN(level)	    (1UL << PT_SHIFT(level))

#endif
