/* SPDX-License-Identifier: BSD-2-Clause */
/* Attributes of pages of the kernel's direct map: attr.c, collapse.c, pagealloc.c. */
#ifndef GUEST_ATTR_H
#define GUEST_ATTR_H

#include "mm/mm.h"

enum attr {
	ATTR_RO,
	ATTR_RW,
	ATTR_NX,
	ATTR_X,
	ATTR_UC,
	ATTR_WC,
	ATTR_WB,
	ATTR_NOT_PRESENT,
	ATTR_PRESENT,
	ATTR_MARK, /* a bit that the CPU ignores, for tests */
	ATTR_UNMARK,
	ATTR_COUNT
};

struct attr_stats {
	ulong splits, collapses;
	ulong same;	 /* requests for a page that had it so already */
	ulong preserved; /* large pages rewritten whole */
	ulong flushes;	 /* shootdowns */
	ulong lines;	 /* cache lines written back */
};
extern struct attr_stats attr_stats;
extern struct spinlock attr_lock; /* the direct map's leaves, and the tables that splits made */

/* attr.c */
bool attr_change(ulong va, ulong pages, enum attr attr);
bool attr_change_local(ulong va, enum attr attr);
pte_t *attr_leaf(ulong va, int *level);
pte_t attr_flags(pte_t entry, int level);
pte_t attr_entry(pa_t pa, pte_t flags, int level);
pa_t attr_pa(pte_t entry, int level);

extern u32 attr_gate;

/* collapse.c */
ulong attr_collapse(ulong va, ulong len);
void attr_table_put(pa_t table);

/* pagealloc.c */
bool pagealloc_start(void);
void pagealloc_stop(void);
pa_t pagealloc_table(void);
void pagealloc_table_put(pa_t table);

#endif
