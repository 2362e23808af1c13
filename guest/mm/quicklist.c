/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables that were unlinked empty are kept for the next one on the same CPU, already zero and
 * probably still in its cache. Each CPU owns its lists, with IF clear; a table in one has its one
 * reference still and does not count as used. That nobody has written to it meanwhile is checked
 * when it goes out.
 */
#include "mm/mm.h"

#define QUICK_MAX 8

static struct quicklist {
	u32 count;
	pa_t table[QUICK_MAX];
} lists[MAX_CPUS][ZONE_COUNT];
ulong quicklist_hits;

ulong quicklist_total(void)
{
	ulong n = 0;

	for (u32 i = 0; i < MAX_CPUS; i++)
		for (u32 z = 0; z < ZONE_COUNT; z++)
			n += atomic_load(&lists[i][z].count);
	return n;
}

static void check_zero(pa_t pa)
{
	const ulong *w = kmap_local(pa);

	for (ulong i = 0; i < PAGE_SIZE / sizeof(*w); i++)
		if (w[i])
			panic("table 0x%llx was written after free: 0x%lx", (u64)pa, w[i]);
	kunmap_local(w);
}

/* A table from this CPU's list for the zone, or else for a lower one; 0 if there is none. */
pa_t quicklist_get(enum zone zone)
{
	struct quicklist *q;
	pa_t pa = 0;

	push_off();
	q = &lists[this_cpu()->index][zone];
	if (!q->count)
		q = &lists[this_cpu()->index][ZONE_LOW];
	if (q->count) {
		pa = q->table[q->count - 1];
		atomic_sub(&q->count, 1);
		atomic_add(&quicklist_hits, 1);
	}
	pop_off();
	if (pa)
		check_zero(pa);
	return pa;
}

/* Let go of a table that is empty and linked nowhere. Somebody may still look into it: then it is
 * freed when he is done. */
void table_put(pa_t pa)
{
	struct quicklist *q;
	bool kept;

	push_off();
	q = &lists[this_cpu()->index][frame_zone(pa)];
	kept = frame_refs(pa) == 1 && q->count < QUICK_MAX;
	if (kept) {
		q->table[q->count] = pa;
		atomic_add(&q->count, 1);
	}
	pop_off();
	if (!kept)
		frame_put(pa);
}
