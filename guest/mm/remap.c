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
 * forgotten by every CPU before mm->lock is let go, and only then are its empty tables freed. mm->sem
 * and the mutex of the area's pages are held throughout.
 * Read first: tables.c, highmem.c, mapping.c.
 */
#include "kernel/mutant.h"
#include "mm/file.h"
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

/* The entry for `to`, its table being made if need be; NULL: no memory. */
static pte_t *destination(struct mm *mm, ulong va, ulong to)
{
	pte_t *window = mutant(MREMAP_ALLOC_IN_WINDOW) ? walk(mm->root, va, 1, 0) : NULL, *dst;

	if (!mm_own(mm, va, true))
		return NULL;
	dst = mm_walk_try(mm, to);
	pte_unmap(window);
	return dst;
}

/* False: no memory. The entry is taken out whole, with the A and D the CPU may just have set. */
static bool move_page(struct mm *mm, ulong va, ulong to)
{
	pte_t *src, *dst;

	if (!has_page(mm, va))
		return true;
	dst = destination(mm, va, to);
	if (!dst && !mutant(MREMAP_NO_NULL_CHECK))
		return false;
	src = walk(mm->root, va, 1, 0);
	pte_store(dst, pte_swap(src, 0));
	if (mutant(MREMAP_WINDOW_ORDER))
		pte_unmap(dst);
	pte_unmap(src);
	if (!mutant(MREMAP_WINDOW_ORDER))
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
	ulong done, gone;

	spin_lock(&mm->lock);
	done = move(mm, va, to, len);
	gone = done == len ? va : to;
	if (done < len && move(mm, to, va, done) != done)
		panic("mremap: no way back");
	if (!mutant(MREMAP_NO_FLUSH))
		tlb_flush_mm(mm, gone, gone + len);
	spin_unlock(&mm->lock);
	mm_clear(mm, gone, len);
	return done == len;
}

static void set_area(struct mm *mm, struct vma *v, ulong to, ulong len)
{
	spin_lock(&mm->lock);
	v->start = to;
	v->end = to + len;
	if (mutant(RMAP_OFFSET_LOST))
		v->off = to >> PAGE_SHIFT;
	spin_unlock(&mm->lock);
}

/* Nobody looks for pages of the area while they are in neither place. */
static bool move_area(struct mm *mm, struct vma *v, ulong to, ulong new_len)
{
	struct mutex *m = v->file ? &v->file->lock : &mm->anon->lock;
	bool moved;

	mutex_lock(m);
	moved = move_all(mm, v->start, to, v->end - v->start);
	if (moved)
		set_area(mm, v, to, new_len);
	mutex_unlock(m);
	return moved;
}

static bool split_both(struct mm *mm, ulong va, ulong len)
{
	bool ok;

	spin_lock(&mm->lock);
	ok = mm_split(mm, va) && mm_split(mm, va + len);
	spin_unlock(&mm->lock);
	return ok;
}

/* [va, va + len), a part of one area or all of it, goes to `to`, or to where there is room if that
 * is 0, and is `new_len` long there. */
slong mm_remap(struct mm *mm, ulong va, ulong len, ulong new_len, ulong to)
{
	struct vma *v;
	slong r = -1;

	if (mm_bad_range(va, len) || mm_bad_range(USER_MMAP_BASE, new_len) || new_len < len)
		return -1;
	preempt_begin();
	mutex_lock(&mm->sem);
	if (!to)
		to = mm_find_hole(mm, new_len);
	v = mm_find(mm, va);
	if (v && va + len <= v->end && (new_len == len || may_grow(v)) &&
	    !mm_bad_range(to, new_len) && is_free(mm, to, new_len) && split_both(mm, va, len)) {
		if (move_area(mm, mm_find(mm, va), to, new_len))
			r = (slong)to;
	}
	mutex_unlock(&mm->sem);
	preempt_end();
	return r;
}
