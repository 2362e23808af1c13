/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the four formats of page tables share, written in terms of the numbers of paging.h:
 * PT_LEVELS, PT_BITS, PTE_NX, PTE_ADDR, pte_t. mm/ is written against these names only.
 */
#ifndef GUEST_FORMAT_H
#define GUEST_FORMAT_H

#define PT_ENTRIES (1 << PT_BITS)
#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define HUGE_SIZE  (PAGE_SIZE << PT_BITS)

#define PTE_P	 ((pte_t)0x001)
#define PTE_W	 ((pte_t)0x002)
#define PTE_U	 ((pte_t)0x004)
#define PTE_PWT	 ((pte_t)0x008)
#define PTE_PCD	 ((pte_t)0x010)
#define PTE_A	 ((pte_t)0x020)
#define PTE_D	 ((pte_t)0x040)
#define PTE_PS	 ((pte_t)0x080)
#define PTE_PAT	 ((pte_t)0x080) /* of a 4 KiB page; where a larger one has PS */
#define PTE_G	 ((pte_t)0x100)
#define PTE_SOFT ((pte_t)0x200) /* the CPU ignores it */

#define PTE_FLAGS (~PTE_ADDR)

#define PTE_KDATA (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define PTE_KRO	  (PTE_P | PTE_A | PTE_NX)
#define PTE_KTEXT (PTE_P | PTE_A)
#define PTE_TABLE (PTE_P | PTE_W | PTE_A)

/* Page-fault error code. The CPU tells fetches apart only where it has NX. */
#define PF_P 0x01UL
#define PF_W 0x02UL
#define PF_U 0x04UL
#define PF_R 0x08UL
#define PF_I (PTE_NX ? 0x10UL : 0UL)

/* Entries of a table at `level`, and how many of the root's are the user's. */
#define PT_COUNT(level)	     ((level) == PT_LEVELS ? PT_ROOT_ENTRIES : PT_ENTRIES)
#define PT_USER_COUNT(level) ((level) == PT_LEVELS ? USER_SLOTS : PT_ENTRIES)

/* Shift and index of `va` at `level`; level 1 is the last one. */
#define PT_SHIFT(level)	    (PAGE_SHIFT + PT_BITS * ((level)-1))
#define PT_INDEX(va, level) (((va) >> PT_SHIFT(level)) & (PT_ENTRIES - 1))
#define PT_SPAN(level)	    (1UL << PT_SHIFT(level))

#endif
