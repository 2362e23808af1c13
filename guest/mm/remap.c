/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mremap: pages move to other addresses, and nothing else about them changes. Where both ends are
 * aligned alike a whole last-level table moves with one entry; else each page's entry moves from
 * one table to another, through two windows. Everything under mm->lock.
 *
 *   from   |  ..AAAA|AAAAAAAA|AAA..   |        one entry of level 2 per table
 *   to     |  ..AAAA|AAAAAAAA|AAA..   |  or  |AAAAA|AAAA..|  over other boundaries
 *
 * A table for the new place is made before any window is opened: making it may wait, or fail.
 * If it fails, what has moved goes back, for which every table is still there. The old place is
 * forgotten by every CPU before the lock is let go, and only then are its empty tables freed.
 * Read first: tables.c, highmem.c, mapping.c.
 */
#include "kernel/mutant.h"
#include "mm/swap.h"

/* How far one step at `va` can go: a whole table, if it and `to` begin one, else a page. */
static ulong step_of(ulong va, ulong to, ulong left)
{
	return !((va | to) & (PT_SPAN(2) - 1)) && left >= PT_SPAN(2) ? PT_SPAN(2) : PAGE_SIZE;
}

/* The table under the level-2 entry of `va` goes to that of `to`. 1: done; 0: there is one
 * already, its pages have to move one by one; -1: no memory. */
static int move_table(struct mm *mm, ulong va, ulong to)
{
	pte_t *src = walk(mm->root, va, 2, 0), *dst;

	if (!src || !(pte_load(src) & PTE_P))
		return 1;
	dst = walk_try(mm->root, to, 2, PTE_TABLE | PTE_U);
	if (!dst)
		return -1;
	if (pte_load(dst) & PTE_P)
		return 0;
	pte_store(dst, pte_swap(src, 0));
	return 1;
}

static bool has_page(struct mm *mm, ulong va)
{
	pte_t *e = walk(mm->root, va, 1, 0);
	bool yes = e && (pte_load(e) & (PTE_P | PTE_SWAP));

	pte_unmap(e);
	return yes;
}

/* False: no memory. The entry is taken out whole, with the A and D the CPU may just have set. */
static bool move_page(struct mm *mm, ulong va, ulong to)
{
	pte_t *src, *dst;

	if (!has_page(mm, va))
		return true;
	if (!mm_own(mm, va, true))
		return false;
	dst = mm_walk_try(mm, to);
	if (!dst)
		return false;
	src = walk(mm->root, va, 1, 0);
	pte_store(dst, pte_swap(src, 0));
	pte_unmap(src);
	pte_unmap(dst);
	return true;
}

/* Returns how many bytes from `va` on have moved: all of `len`, if memory did not run out. */
static ulong move(struct mm *mm, ulong va, ulong to, ulong len)
{
	ulong done = 0;

	while (done < len) {
		ulong step = step_of(va + done, to + done, len - done);
		int r = step > PAGE_SIZE ? move_table(mm, va + done, to + done) : 0;

		if (r < 0)
			break;
		if (r == 0) {
			if (!move_page(mm, va + done, to + done))
				break;
			step = PAGE_SIZE;
		}
		done += step;
	}
	return done;
}

/* A driver's area has as many pages as the driver has. */
static bool may_grow(const struct vma *v)
{
	return !v->reserved || mutant(RESERVED_GROWS);
}

static bool is_free(struct mm *mm, ulong va, ulong len)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->end && v->start < va + len && va < v->end)
			return false;
	return true;
}

/* All pages of [va, va + len) are at `to`, or, if that returns false, where they were. */
static bool move_all(struct mm *mm, ulong va, ulong to, ulong len)
{
	ulong done = move(mm, va, to, len);
	ulong gone = done == len ? va : to;

	if (done < len && move(mm, to, va, done) != done)
		panic("mremap: no way back");
	tlb_flush_mm(mm, gone, gone + len);
	mm_clear(mm, gone, len);
	return done == len;
}

/* [va, va + len), a part of one area or all of it, goes to `to`, or to where there is room if that
 * is 0, and is `new_len` long there. */
slong mm_remap(struct mm *mm, ulong va, ulong len, ulong new_len, ulong to)
{
	struct vma *v;
	slong r = -1;

	if (mm_bad_range(va, len) || mm_bad_range(USER_MMAP_BASE, new_len) || new_len < len)
		return -1;
	spin_lock(&mm->lock);
	if (!to)
		to = mm_find_hole(mm, new_len);
	v = mm_find(mm, va);
	if (v && va + len <= v->end && (new_len == len || may_grow(v)) &&
	    !mm_bad_range(to, new_len) && is_free(mm, to, new_len) && mm_split(mm, va) &&
	    mm_split(mm, va + len)) {
		v = mm_find(mm, va);
		if (move_all(mm, va, to, len)) {
			v->start = to;
			v->end = to + new_len;
			r = (slong)to;
		}
	}
	spin_unlock(&mm->lock);
	return r;
}
