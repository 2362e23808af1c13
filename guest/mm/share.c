/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork that shares last-level tables instead of copying them.
 *
 *   parent's level-2 entry  P . U soft --+                 no W: whoever writes faults, and gets
 *                                        +--> one table     a table of his own then
 *   child's level-2 entry   P . U soft --+
 *
 * PTE_SOFT in a level-2 entry: the table may have other owners. How many is the frame's share
 * count, which is not its reference count: who looks into a table for a while is no owner. Pages
 * count the tables they are in, not the spaces. PTE_SOFT in a last-level entry: a page of a
 * MAP_SHARED area, which stays writable when its table is copied.
 *
 * Every decision is made under the table's lock, and before the count goes down: the only owner
 * takes the table over, or frees its pages; one of many copies it, has his own CPUs forget the
 * old one, and lets go of it only then. So a count of 0 can't rise: who could raise it is an
 * owner. Nobody writes to an entry of a table before share_break().
 * Locks: mm->lock of the space whose entry it is, then the table's.
 */
#include "kernel/mutant.h"
#include "kernel/rcu.h"
#include "mm/swap.h"

#define LOCKS 16

struct share_stats share_stats;
static struct spinlock locks[LOCKS] = {[0 ... LOCKS - 1] = {.name = "shared table"}};

static struct spinlock *lock_of(pa_t table)
{
	return &locks[(table >> PAGE_SHIFT) % LOCKS];
}

bool share_is(pte_t entry)
{
	return (entry & (PTE_P | PTE_PS | PTE_SOFT)) == (PTE_P | PTE_SOFT);
}

/* Every page is in one table more from now on; private ones are nobody's to write. */
static void copy_table(pa_t to, pa_t from)
{
	pte_t *dst = kmap_local(to), *src = kmap_local(from);

	for (int i = 0; i < PT_ENTRIES; i++) {
		pte_t e = pte_load(&src[i]);

		if (!entry_copy(e))
			continue;
		if ((e & PTE_P) && !(e & PTE_SOFT))
			e = pte_clear_bits(&src[i], PTE_W) & ~PTE_W;
		pte_store(&dst[i], e);
	}
	kunmap_local(src);
	kunmap_local(dst);
}

/* The table under `e`, the level-2 entry for `va`, becomes this space's own. False: no memory. */
bool share_break(struct mm *mm, pte_t *e, ulong va, bool try)
{
	pa_t old = pte_load(e) & PTE_ADDR,
	     new = try ? frame_try(ZONE_HIGH) : frame_alloc_high();
	struct spinlock *l = lock_of(old);

	if (!new)
		return false;
	spin_lock(l);
	if (*frame_shares(old) == 0) {
		pte_store(e, old | PTE_TABLE | PTE_U);
		spin_unlock(l);
		table_put(new);
		share_stats.taken++;
		return true;
	}
	copy_table(new, old);
	pte_store(e, new | PTE_TABLE | PTE_U);
	va = ALIGN_DOWN(va, PT_SPAN(2));
	tlb_flush_mm(mm, va, va + PT_SPAN(2));
	--*frame_shares(old);
	share_stats.copied++;
	spin_unlock(l);
	return true;
}

static void drop_page(pte_t e)
{
	entry_keep_dirty(e);
	entry_drop(e);
}

/* Let go of a table that no entry and no TLB of this space leads to any more. The last one frees
 * the pages. */
void share_drop(pa_t table)
{
	struct spinlock *l = lock_of(table);
	bool last;
	pte_t *t;

	spin_lock(l);
	last = *frame_shares(table) == 0;
	if (!last)
		--*frame_shares(table);
	spin_unlock(l);
	if (!last)
		return;
	t = kmap_local(table);
	for (int i = 0; i < PT_ENTRIES; i++)
		if (t[i])
			drop_page(pte_swap(&t[i], 0));
	kunmap_local(t);
	rcu_free_table(table);
}

static void share_table(pte_t *from, pte_t *to)
{
	pa_t table = pte_load(from) & PTE_ADDR;
	struct spinlock *l = lock_of(table);

	spin_lock(l);
	pte_t w = mutant(SHARE_KEEPS_WRITE) ? PTE_W : 0;

	pte_store(from, table | ((PTE_TABLE | PTE_U | PTE_SOFT) & ~PTE_W) | w);
	pte_store(to, pte_load(from));
	if (!mutant(SHARE_LOST_COUNT))
		++*frame_shares(table);
	share_stats.shared++;
	spin_unlock(l);
}

/* All tables of `from`, whose lock is held, are those of the new space `to` as well. The caller
 * flushes `from`: it has lost the right to write. */
void share_all(struct mm *from, struct mm *to)
{
	for (ulong va = 0; va < USER_END;) {
		int level;

		pte_unmap(lookup(from->root, va, &level));
		if (level == 1)
			share_table(walk(from->root, va, 2, 0),
				    walk(to->root, va, 2, PTE_TABLE | PTE_U));
		level = level > 2 ? level : 2;
		va = ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
	}
}
