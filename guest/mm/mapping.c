/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmap, munmap, mprotect and brk for anonymous memory. Areas are split at page boundaries as
 * needed; tables left empty by an unmap are freed with the pages. Everything under mm->lock.
 */
#include "mm/mm.h"

/* The one place where rights become entry bits. A and D are preset, as for any anonymous fault.
 */
pte_t prot_to_pte(const struct mm *mm, const struct vma *v)
{
	pte_t e = PTE_P | PTE_U;

	if (v->prot & PROT_W)
		e |= PTE_W;
	if (!(v->prot & PROT_X))
		e |= PTE_NX;
	if (!mm->clean_ptes)
		e |= PTE_A | (v->prot & PROT_W ? PTE_D : 0);
	return e;
}

static bool bad_range(u64 va, u64 len)
{
	return !len || (va | len) % PAGE_SIZE || va >= USER_STACK_TOP ||
	       len > USER_STACK_TOP - va;
}

static u64 find_hole(struct mm *mm, u64 len)
{
	u64 va = USER_MMAP_BASE;
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
	for (u64 va = v->start; va < v->end; va += PAGE_SIZE) {
		pte_t *e = walk(mm->root, va, 1, PTE_TABLE | PTE_U);

		pte_write(e, frame_alloc() | prot_to_pte(mm, v));
	}
}

s64 mm_map(struct mm *mm, u64 len, u32 prot, u32 flags)
{
	struct vma v = {.prot = prot, .shared = flags & MAP_SHARED};
	s64 r = -1;

	if (bad_range(USER_MMAP_BASE, len) || !(prot & PROT_R))
		return -1;
	spin_lock(&mm->lock);
	v.start = find_hole(mm, len);
	v.end = v.start + len;
	if (!bad_range(v.start, len) && mm_add(mm, &v)) {
		if (flags)
			populate(mm, &v);
		r = (s64)v.start;
	}
	spin_unlock(&mm->lock);
	return r;
}

/* Make `va` a boundary between areas. False if there is no slot for one more. */
static bool split(struct mm *mm, u64 va)
{
	struct vma *v = mm_find(mm, va);
	struct vma upper;
	u64 head;

	if (!v || v->start == va)
		return true;
	upper = *v;
	head = va - v->start;
	upper.start = va;
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
static bool clear(struct gather *g, pte_t *table, int level, u64 base, u64 start, u64 end)
{
	bool empty = true;

	for (int i = 0; i < (level == PT_LEVELS ? USER_SLOTS : PT_ENTRIES); i++) {
		u64 va = base + (u64)i * PT_SPAN(level);
		pte_t e = pte_read(&table[i]);

		if (!(e & PTE_P))
			continue;
		if (va < end && va + PT_SPAN(level) > start &&
		    (level == 1 || clear(g, table_of(e), level - 1, va, start, end))) {
			u64 last = va + PT_SPAN(level);

			e = pte_exchange(&table[i], 0);
			gather_range(g, va > start ? va : start, last < end ? last : end);
			gather_frame(g, e & PTE_ADDR);
			continue;
		}
		empty = false;
	}
	return empty;
}

s64 mm_unmap(struct mm *mm, u64 va, u64 len)
{
	struct gather g;
	s64 r = -1;

	if (bad_range(va, len))
		return -1;
	gather_begin(&g, mm);
	spin_lock(&mm->lock);
	if (split(mm, va) && split(mm, va + len)) {
		for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
			if (v->start >= va && v->end && v->end <= va + len)
				*v = (struct vma){0};
		clear(&g, phys(mm->root), PT_LEVELS, 0, va, va + len);
		gather_end(&g);
		r = 0;
	}
	spin_unlock(&mm->lock);
	return r;
}

/* A private page somebody else maps too stays read-only: the next write copies it. */
static void protect_page(struct mm *mm, const struct vma *v, pte_t *e)
{
	pte_t old = pte_read(e), new = prot_to_pte(mm, v);
	bool others = !v->shared && frame_refs(old & PTE_ADDR) > 1;

	if (others)
		new &= ~PTE_W;
	/* Take the entry out first: A and D set by the CPU meanwhile are carried over. */
	old = pte_exchange(e, 0);
	new &= ~(PTE_A | PTE_D);
	pte_write(e, (old & (PTE_ADDR | PTE_A | PTE_D)) | new);
}

static void protect_area(struct mm *mm, const struct vma *v)
{
	u64 va = v->start;

	while (va < v->end) {
		int level;
		pte_t *e = lookup(mm->root, va, &level);

		if (level == 1 && (pte_read(e) & PTE_P))
			protect_page(mm, v, e);
		va = ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
	}
}

s64 mm_protect(struct mm *mm, u64 va, u64 len, u32 prot)
{
	s64 r = -1;

	if (bad_range(va, len) || !(prot & PROT_R)) /* there is no PROT_NONE */
		return -1;
	spin_lock(&mm->lock);
	if (split(mm, va) && split(mm, va + len)) {
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
s64 mm_brk(struct mm *mm, u64 brk)
{
	struct vma *v = NULL;
	s64 r = -1;

	spin_lock(&mm->lock);
	brk = ALIGN_UP(brk, PAGE_SIZE);
	if (!brk) {
		r = (s64)mm->brk;
	} else if (brk >= mm->brk && brk < USER_MMAP_BASE) {
		struct vma heap = {mm->brk, brk, PROT_R | PROT_W, false, NULL, 0};

		v = mm_find(mm, mm->brk - PAGE_SIZE);
		if (v && !v->src && !v->shared)
			v->end = brk;
		if ((v && v->end == brk) || brk == mm->brk || mm_add(mm, &heap))
			r = (s64)(mm->brk = brk);
	}
	spin_unlock(&mm->lock);
	return r;
}
