/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reserved areas: memory of a driver's in a process. Two ways to fill one:
 *
 *   nopage   page by page, when touched; each entry holds a reference to its frame
 *   remap    all at once, frames that need not be in a row, or device registers; the entries hold
 *            nothing (PTE_PFN), the driver keeps the frames until the area is gone
 *
 * The area says so itself (vma.reserved), so reclaim passes it by without a look at its entries,
 * and no frame has to be marked, or unmarked when it goes. It does not grow, is not merged, not
 * dumped; fork and munmap treat it as any other. Areas under mm->sem, entries under mm->lock.
 */
#include "mm/swap.h"
#include "kernel/mutant.h"

static ulong index_of(const struct vma *v, ulong va)
{
	return v->off + ((va - v->start) >> PAGE_SHIFT);
}

/* The frame for a fault at `va`, with a reference for its entry; 0: there is nothing. */
pa_t reserved_nopage(const struct vma *v, ulong va)
{
	struct reserved *r = v->reserved;
	ulong i = index_of(v, va);

	if (v->pfn || i >= r->count)
		return 0;
	atomic_add(&r->faults, 1);
	frame_get(r->frame[i]);
	return r->frame[i];
}

/* All entries of the area, under mm->lock; false: no memory for a table. */
static bool fill(struct mm *mm, const struct vma *v)
{
	const struct reserved *r = v->reserved;

	for (ulong va = v->start; va < v->end; va += PAGE_SIZE) {
		pte_t *e = mm_walk_try(mm, va);

		if (!e)
			return false;
		pte_store(e, r->frame[index_of(v, va)] | prot_to_pte(mm, v));
		pte_unmap(e);
	}
	return true;
}

/* If there is no memory for all, there is nothing: what was mapped already is unmapped and flushed
 * before anybody hears of it, as its frames may be freed next. */
static bool remap(struct mm *mm, const struct vma *v)
{
	bool ok;

	spin_lock(&mm->lock);
	ok = fill(mm, v);
	spin_unlock(&mm->lock);
	if (ok)
		return true;
	if (!mutant(REMAP_LEAVES_PART))
		mm_clear(mm, v->start, v->end - v->start);
	spin_lock(&mm->lock);
	*mm_find(mm, v->start) = (struct vma){0};
	spin_unlock(&mm->lock);
	return false;
}

static bool add(struct mm *mm, struct vma *v, ulong len)
{
	bool ok;

	spin_lock(&mm->lock);
	v->start = mm_find_hole(mm, len);
	v->end = v->start + len;
	ok = !mm_bad_range(v->start, len) && mm_add(mm, v);
	spin_unlock(&mm->lock);
	return ok;
}

slong reserved_map(struct mm *mm, struct reserved *r, enum reserve_how how)
{
	struct vma v = {.prot = PROT_R | PROT_W, .shared = true, .reserved = r};
	bool ok;

	v.pfn = how == RESERVE_REMAP;
	mutex_lock(&mm->sem);
	ok = add(mm, &v, r->count * PAGE_SIZE) && (!v.pfn || remap(mm, &v));
	mutex_unlock(&mm->sem);
	return ok ? (slong)v.start : -1;
}

static ulong sum_page(pa_t pa)
{
	const u32 *w = kmap_local(pa);
	ulong sum = 0;

	for (ulong i = 0; i < PAGE_SIZE / sizeof(*w); i++)
		sum += w[i];
	kunmap_local(w);
	return sum;
}

static void dump_page(struct mm *mm, ulong va, struct dump *d)
{
	int level;
	pte_t *p = lookup(mm->root, va, &level), e = level == 1 ? pte_load(p) : 0;

	pte_unmap(p);
	if (!(e & PTE_P))
		return;
	d->pages++;
	d->sum += sum_page(e & PTE_ADDR);
}

/* What a core file would have: every page that is there, but none of a driver's, which may be
 * registers that a read changes. */
void mm_dump(struct mm *mm, struct dump *d)
{
	*d = (struct dump){0};
	spin_lock(&mm->lock);
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++) {
		if (v->reserved && !(mutant(DUMP_READS_RESERVED) && !v->reserved->device)) {
			d->skipped++;
			continue;
		}
		for (ulong va = v->start; va < v->end; va += PAGE_SIZE)
			dump_page(mm, va, d);
	}
	spin_unlock(&mm->lock);
}
