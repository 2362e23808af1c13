/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: who maps them. The mutex of a file is held by whoever makes an entry for a page of it,
 * looks for all of them, or takes an area of it away; so what was found stays true until it is
 * released. A space is a member while it has an area of the file; a child becomes one behind its
 * parent, before entries are copied to it, so a search that goes from first to last finds an entry
 * in the one or in the other. Order: mm->sem, the file's mutex, mm->lock.
 */
#include "kernel/mutant.h"
#include "mm/file.h"

/* Shared; 0 or the address, -1: no. */
slong mm_map_file(struct mm *mm, struct file *f, ulong first, ulong pages, u32 prot)
{
	struct vma v = {.prot = prot, .shared = true, .file = f, .off = first};
	slong r = -1;

	if (mm_bad_range(USER_MMAP_BASE, pages * PAGE_SIZE) || !(prot & PROT_R))
		return -1;
	mutex_lock(&mm->sem);
	mutex_lock(&f->lock);
	spin_lock(&mm->lock);
	v.start = mm_find_hole(mm, pages * PAGE_SIZE);
	v.end = v.start + pages * PAGE_SIZE;
	if (!mm_bad_range(v.start, pages * PAGE_SIZE) && mm_add(mm, &v))
		r = (slong)v.start;
	spin_unlock(&mm->lock);
	if (r != -1)
		members_add(f->members, mm);
	mutex_unlock(&f->lock);
	mutex_unlock(&mm->sem);
	return r;
}

/* Entries begin clean: D tells who has written. Under mm->sem. */
bool file_fault(struct mm *mm, const struct vma *v, ulong va, ulong error)
{
	ulong index = v->off + (va - v->start) / PAGE_SIZE;
	bool there;
	pa_t page;
	pte_t *e, old;

	mutex_lock(&v->file->lock);
	there = index < v->file->size;
	if (there) {
		page = file_page(v->file, index);
		spin_lock(&mm->lock);
		e = mm_walk(mm, va);
		old = pte_load(e);
		if (!(old & PTE_P)) {
			frame_get(page);
			pte_store(e, page | (prot_to_pte(mm, v) & ~PTE_D));
		} else if ((error & PF_W) && !(old & PTE_W)) {
			pte_store(e, old | PTE_W);
		}
		pte_unmap(e);
		spin_unlock(&mm->lock);
	}
	mutex_unlock(&v->file->lock);
	return there;
}

/* `mm` is about to get entries of this area, which its parent has. */
void file_join(struct mm *mm, const struct vma *v)
{
	mutex_lock(&v->file->lock);
	members_add(v->file->members, mm);
	mutex_unlock(&v->file->lock);
}

static bool has_area(struct mm *mm, const struct file *f)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->end && v->file == f)
			return true;
	return false;
}

/* The area, whose entries are gone, goes, too. Under mm->sem. */
void file_leave(struct mm *mm, struct vma *v)
{
	struct file *f = v->file;

	mutex_lock(&f->lock);
	spin_lock(&mm->lock);
	*v = (struct vma){0};
	spin_unlock(&mm->lock);
	if (!has_area(mm, f))
		members_remove(f->members, mm);
	mutex_unlock(&f->lock);
}

/* The D bit goes to the frame. The flush is what makes the next write set it again. */
static void collect_dirty(struct rmap_visitor *w, struct mm *mm, const struct vma *v, ulong va)
{
	pte_t *e = rmap_entry(mm, va, w->page);
	bool dirty;

	(void)v;
	if (!e)
		return;
	dirty = pte_clear_bits(e, PTE_D) & PTE_D;
	pte_unmap(e);
	if (!dirty)
		return;
	frame_set_dirty(w->page);
	if (!mutant(MSYNC_NO_FLUSH))
		tlb_flush_mm(mm, va, va + PAGE_SIZE);
}

static void sync_area(const struct vma *v, ulong start, ulong end)
{
	struct file *f = v->file;

	mutex_lock(&f->lock);
	for (ulong va = start; va < end; va += PAGE_SIZE) {
		ulong index = v->off + (va - v->start) / PAGE_SIZE;
		struct rmap_visitor w = {.visit = collect_dirty};

		if (index >= f->size || !f->cache[index])
			continue;
		w.page = f->cache[index];
		rmap_file(f->members, f, index, &w);
		file_write_back(f, index);
		preempt_point();
	}
	mutex_unlock(&f->lock);
}

/* msync: all that anybody has written to these pages before the call is on disk. */
slong mm_sync(struct mm *mm, ulong va, ulong len)
{
	if (mm_bad_range(va, len))
		return -1;
	preempt_begin();
	mutex_lock(&mm->sem);
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->end && v->file && v->start < va + len && va < v->end)
			sync_area(v, va > v->start ? va : v->start,
				  va + len < v->end ? va + len : v->end);
	mutex_unlock(&mm->sem);
	preempt_end();
	return 0;
}

/* The part of one area that maps pages from `first` on; false: none. */
static bool cut_part(struct mm *mm, u32 i, const struct file *f, ulong first, ulong *start,
		     ulong *end)
{
	const struct vma *v = &mm->vma[i];
	bool mapped;

	spin_lock(&mm->lock);
	mapped = v->end && v->file == f && v->off + (v->end - v->start) / PAGE_SIZE > first;
	if (mapped) {
		*start = v->start + (first > v->off ? first - v->off : 0) * PAGE_SIZE;
		*end = v->end;
	}
	spin_unlock(&mm->lock);
	return mapped;
}

/* No entry is made meanwhile, and no area goes: both need the mutex. */
static void unmap_from(const struct file *f, struct mm *mm, ulong first)
{
	struct gather g;
	ulong start, end;

	gather_begin(&g, mm);
	for (u32 i = 0; i < MAX_VMAS; i++)
		if (cut_part(mm, i, f, first, &start, &end))
			zap_range(&g, start, end, false);
	if (mutant(TRUNCATE_NO_FLUSH))
		g.end = 0;
	gather_end(&g);
}

/* Pages from `pages` on vanish from every space, or there are more of them, of zeroes. */
slong file_truncate(struct file *f, ulong pages)
{
	if (pages > FILE_PAGES)
		return -1;
	preempt_begin();
	mutex_lock(&f->lock);
	for (u32 i = 0; pages < f->size && i < f->members->count; i++) {
		unmap_from(f, f->members->mm[i], pages);
		if (i == 0)
			meet(MEET_CUT_ONE, MEET_FORK_COPIED);
	}
	if (pages < f->size)
		file_cut(f, pages);
	else
		f->size = pages;
	mutex_unlock(&f->lock);
	preempt_end();
	return 0;
}
