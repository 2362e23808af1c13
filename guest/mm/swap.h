/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is not enough: swap slots, reserved areas, reclaim. Grouped by file.
 *
 * A last-level entry is one of these:
 *
 *   0                           nothing yet: zeroes, or what the area begins with
 *   P ... frame                 a page; the entry holds a reference to the frame
 *   P | PTE_PFN ... address     a page of a driver's, for as long as the driver says: no reference
 *   PTE_SWAP | slot + 1 << 12   a page in a slot of swap, of which the entry holds a count
 */
#ifndef GUEST_SWAP_H
#define GUEST_SWAP_H

#include "mm/mm.h"

#define PTE_PFN	 ((pte_t)0x400)
#define PTE_SWAP ((pte_t)0x800) /* without P */

static inline bool entry_is_swap(pte_t e)
{
	return (e & (PTE_P | PTE_SWAP)) == PTE_SWAP;
}

/* swap.c */
#define SWAP_SLOTS 4096U /* at most */
#define SWAP_BATCH 4U
struct swap_stats {
	ulong out, in; /* pages */
};
extern struct swap_stats swap_stats;
bool swap_on(u32 slots, bool ramdisk);
u32 swap_off(void);
const char *swap_name(void);
pte_t swap_alloc(void);
void swap_get(pte_t entry);
void swap_put(pte_t entry);
bool swap_write(const pte_t *entry, const pa_t *frame, u32 n);
bool swap_read(pte_t entry, pa_t frame);
bool entry_copy(pte_t e);
void entry_keep_dirty(pte_t e);
void entry_drop(pte_t e);

/* reserved.c: areas of a driver's, which reclaim, mremap and dumps leave alone */
struct reserved {
	const char *name;
	const pa_t *frame; /* in any order, anywhere */
	u32 count;
	bool device; /* no RAM: not cached, never dumped */
	ulong faults;
};
enum reserve_how { RESERVE_NOPAGE, RESERVE_REMAP };
slong reserved_map(struct mm *mm, struct reserved *r, enum reserve_how how);
pa_t reserved_nopage(const struct vma *v, ulong va);
struct dump {
	ulong pages, sum, skipped;
};
void mm_dump(struct mm *mm, struct dump *d);

/* reclaim.c */
struct reclaim_stats {
	ulong rounds, looked, reserved; /* passes; pages seen; areas of drivers passed by */
	ulong unmapped, freed;		/* pages taken out of tables; frames that became free */
	ulong kills, livelocks;
	ulong lies; /* progress was reported, and nothing was free */
};
extern struct reclaim_stats reclaim_stats;
extern bool reclaim_blindly; /* a page may go at any time, used or not */
extern ulong memory_limit; /* frames in use at which pages of processes have to wait; 0: none */
pa_t user_frame(void);
void user_frame_done(void);

#endif
