/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmap, munmap, mprotect and brk for anonymous memory. Areas are split at page boundaries as
 * needed; tables left empty by an unmap are freed with the pages. Everything under mm->lock.
 */
#include "mm/swap.h"

/* The one place where rights become entry bits. A and D are preset, as for any anonymous fault.
 */
pte_t prot_to_pte(const struct mm *mm, const struct vma *v)
{
	pte_t e = PTE_P | PTE_U;

	if (v->prot & PROT_W)
		e |= PTE_W;
	if (!(v->prot & PROT_X))
		e |= PTE_NX;
	if (v->shared)
		e |= PTE_SOFT;
	if (v->pfn)
		e |= PTE_PFN;
	if (v->reserved && v->reserved->device)
		e |= PTE_PCD | PTE_PWT;
	if (!mm->clean_ptes)
		e |= PTE_A | (v->prot & PROT_W ? PTE_D : 0);
	return e;
}

bool mm_bad_range(ulong va, ulong len)
{
	return !len || (va | len) % PAGE_SIZE || va >= USER_STACK_TOP ||
	       len > USER_STACK_TOP - va;
}

ulong mm_find_hole(struct mm *mm, ulong len)
{
	ulong va = USER_MMAP_BASE;
	bool moved = true;

	while (moved) {
		moved = false;
		for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
			if (v->end && v->start < va + len && va < v->end) {
				va = v->end;
				moved = true;
			}
	}
	return va;
}

static void populate(struct mm *mm, const struct vma *v)
{
	for (ulong va = v->start; va < v->end; va += PAGE_SIZE) {
		pa_t pa = frame_alloc_high();
		pte_t *e = mm_walk(mm, va);

		pte_store(e, pa | prot_to_pte(mm, v));
		pte_unmap(e);
	}
}

slong mm_map(struct mm *mm, ulong len, u32 prot, u32 flags)
{
	struct vma v = {.prot = prot, .shared = flags & MAP_SHARED};
	slong r = -1;

	if (mm_bad_range(USER_MMAP_BASE, len) || !(prot & PROT_R))
		return -1;
	spin_lock(&mm->lock);
	v.start = mm_find_hole(mm, len);
	v.end = v.start + len;
	if (!mm_bad_range(v.start, len) && mm_add(mm, &v)) {
		if (flags)
			populate(mm, &v);
		r = (slong)v.start;
	}
	spin_unlock(&mm->lock);
	return r;
}

/* Make `va` a boundary between areas. False if there is no slot for one more. */
bool mm_split(struct mm *mm, ulong va)
{
	struct vma *v = mm_find(mm, va);
	struct vma upper;
	ulong head;

	if (!v || v->start == va)
		return true;
	upper = *v;
	head = va - v->start;
	upper.start = va;
	upper.first += head >> PAGE_SHIFT;
	upper.src = v->src_len > head ? v->src + head : NULL;
	upper.src_len = v->src_len > head ? v->src_len - head : 0;
	if (!mm_add(mm, &upper))
		return false;
	v->end = va;
	return true;
}

/*
 * Clear the entries of [start, end) below one table; returns whether the table is empty now.
 * `base` is the first address the table maps. The caller unlinks an empty table.
 */
static bool clear(struct gather *g, pte_t *table, int level, ulong base, ulong start,
		  ulong end);

/* A shared table goes as it is if all of it goes; if not, it is made this space's own. Returns
 * whether it went. */
static bool clear_shared(struct gather *g, pte_t *e, ulong va, ulong start, ulong end)
{
	if (start > va || end - va < PT_SPAN(2)) {
		share_break(g->mm, e, va, false);
		return false;
	}
	gather_range(g, va, va + PT_SPAN(2));
	gather_shared(g, pte_swap(e, 0) & PTE_ADDR);
	return true;
}

/* The same below one entry, which is present. */
static bool clear_under(struct gather *g, pte_t e, int level, ulong va, ulong start, ulong end)
{
	pte_t *table = table_map(e, level - 1);
	bool empty = clear(g, table, level - 1, va, start, end);

	pte_unmap(table);
	return empty && !(level == PT_LEVELS && PT_ROOT_FIXED);
}

static bool clear(struct gather *g, pte_t *table, int level, ulong base, ulong start, ulong end)
{
	bool empty = true;

	for (int i = 0; i < PT_USER_COUNT(level); i++) {
		ulong va = base + (ulong)i * PT_SPAN(level);
		pte_t e = pte_load(&table[i]);

		if (!(e & (PTE_P | PTE_SWAP)))
			continue;
		if (level == 2 && share_is(e) && va < end && va + PT_SPAN(level) > start) {
			if (clear_shared(g, &table[i], va, start, end))
				continue;
			e = pte_load(&table[i]);
		}
		if (va < end && va + PT_SPAN(level) > start &&
		    (level == 1 || clear_under(g, e, level, va, start, end))) {
			ulong last = va + PT_SPAN(level);

			e = pte_swap(&table[i], 0);
			if (entry_is_swap(e)) { /* in no TLB */
				entry_drop(e);
				continue;
			}
			gather_range(g, va > start ? va : start, last < end ? last : end);
			if (level == 1)
				gather_page(g, e);
			else
				gather_table(g, e & PTE_ADDR);
			continue;
		}
		empty = false;
	}
	return empty;
}

/* Take out what is mapped in the range, and the tables left empty. */
void mm_clear(struct mm *mm, ulong va, ulong len)
{
	struct gather g;

	gather_begin(&g, mm);
	clear(&g, phys(mm->root), PT_LEVELS, 0, va, va + len);
	gather_end(&g);
}

slong mm_unmap(struct mm *mm, ulong va, ulong len)
{
	slong r = -1;

	if (mm_bad_range(va, len))
		return -1;
	spin_lock(&mm->lock);
	if (mm_split(mm, va) && mm_split(mm, va + len)) {
		for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
			if (v->start >= va && v->end && v->end <= va + len)
				*v = (struct vma){0};
		mm_clear(mm, va, len);
		r = 0;
	}
	spin_unlock(&mm->lock);
	return r;
}

/* A private page somebody else maps too stays read-only: the next write copies it. */
static void protect_page(struct mm *mm, const struct vma *v, pte_t *e)
{
	pte_t old = pte_load(e), new = prot_to_pte(mm, v);
	bool others = !v->shared && frame_refs(old & PTE_ADDR) > 1;

	if (others)
		new &= ~PTE_W;
	/* Take the entry out first: A and D set by the CPU meanwhile are carried over. */
	old = pte_swap(e, 0);
	new &= ~(PTE_A | PTE_D);
	pte_store(e, (old & (PTE_ADDR | PTE_A | PTE_D)) | new);
}

static void protect_area(struct mm *mm, const struct vma *v)
{
	ulong va = v->start;

	while (va < v->end) {
		int level;
		pte_t *e;

		mm_own(mm, va, false);
		e = lookup(mm->root, va, &level);

		if (level == 1 && (pte_load(e) & PTE_P))
			protect_page(mm, v, e);
		pte_unmap(e);
		va = ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
	}
}

slong mm_protect(struct mm *mm, ulong va, ulong len, u32 prot)
{
	slong r = -1;

	if (mm_bad_range(va, len) || !(prot & PROT_R)) /* there is no PROT_NONE */
		return -1;
	spin_lock(&mm->lock);
	if (mm_split(mm, va) && mm_split(mm, va + len)) {
		for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
			if (v->end && v->start >= va && v->end <= va + len) {
				v->prot = prot;
				protect_area(mm, v);
			}
		tlb_flush_mm(mm, va, va + len);
		r = 0;
	}
	spin_unlock(&mm->lock);
	return r;
}

/* Grow only; the heap is one area behind the image, found by its end. */
slong mm_brk(struct mm *mm, ulong brk)
{
	struct vma *v = NULL;
	slong r = -1;

	spin_lock(&mm->lock);
	brk = ALIGN_UP(brk, PAGE_SIZE);
	if (!brk) {
		r = (slong)mm->brk;
	} else if (brk >= mm->brk && brk < USER_MMAP_BASE) {
		struct vma heap = {.start = mm->brk, .end = brk, .prot = PROT_R | PROT_W};

		v = mm_find(mm, mm->brk - PAGE_SIZE);
		if (v && !v->src && !v->shared)
			v->end = brk;
		if ((v && v->end == brk) || brk == mm->brk || mm_add(mm, &heap))
			r = (slong)(mm->brk = brk);
	}
	spin_unlock(&mm->lock);
	return r;
}
