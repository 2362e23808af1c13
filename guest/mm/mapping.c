/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmap, munmap, mprotect and brk. Areas are split at page boundaries as needed; tables left empty
 * by an unmap are freed with the pages. Everything under mm->sem; what changes an area or an entry,
 * under mm->lock as well.
 */
#include "kernel/mutant.h"
#include "mm/file.h"
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

/* A page that is about to be mapped at `va` for the first time. Those of shared areas are not
 * found by who looks for their users. */
void mm_new_page(struct mm *mm, const struct vma *v, ulong va, pa_t pa)
{
	if (!v->shared)
		frame_set_anon(pa, mm->anon, (u32)(v->off + (va - v->start) / PAGE_SIZE));
}

static void populate(struct mm *mm, const struct vma *v)
{
	for (ulong va = v->start; va < v->end; va += PAGE_SIZE) {
		pa_t pa = frame_alloc_high();
		pte_t *e = mm_walk(mm, va);

		mm_new_page(mm, v, va, pa);
		pte_store(e, pa | prot_to_pte(mm, v));
		pte_unmap(e);
	}
}

slong mm_map(struct mm *mm, ulong len, u32 prot, u32 flags)
{
	struct vma v = {.prot = prot, .shared = flags & MAP_SHARED};
	bool now = flags & (MAP_SHARED | MAP_POPULATE);
	slong r = -1;

	if (mm_bad_range(USER_MMAP_BASE, len) || !(prot & PROT_R) || (now && flags & MAP_IMAGE))
		return -1;
	if (flags & MAP_IMAGE)
		v.src = mm_image(&v.src_len);
	mutex_lock(&mm->sem);
	spin_lock(&mm->lock);
	v.start = mm_find_hole(mm, len);
	v.end = v.start + len;
	if (!mm_bad_range(v.start, len) && mm_add(mm, &v)) {
		if (now)
			populate(mm, &v);
		atomic_add(&gup_events, 1);
		r = (slong)v.start;
	}
	spin_unlock(&mm->lock);
	mutex_unlock(&mm->sem);
	return r;
}

/* Make `va` a boundary between areas. False if there is no slot for one more. Under both locks. */
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
	upper.src = v->src_len > head ? v->src + head : NULL;
	upper.src_len = v->src_len > head ? v->src_len - head : 0;
	upper.off += head / PAGE_SIZE;
	if (!mm_add(mm, &upper))
		return false;
	v->end = va;
	return true;
}

static bool split_both(struct mm *mm, ulong va, ulong len)
{
	bool ok;

	spin_lock(&mm->lock);
	ok = mm_split(mm, va) && mm_split(mm, va + len);
	spin_unlock(&mm->lock);
	return ok;
}

/* The areas of the range, whose pages are gone, go. */
static void drop_areas(struct mm *mm, ulong va, ulong len)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++) {
		if (!v->end || v->start < va || v->end > va + len)
			continue;
		if (v->file) {
			file_leave(mm, v);
			continue;
		}
		spin_lock(&mm->lock);
		*v = (struct vma){0};
		spin_unlock(&mm->lock);
	}
}

/* Under mm->sem, of a range that is not bad. */
static slong unmap(struct mm *mm, ulong va, ulong len)
{
	slong r = -1;

	if (split_both(mm, va, len)) {
		mm_clear(mm, va, len);
		drop_areas(mm, va, len);
		atomic_add(&gup_events, 1);
		r = 0;
	}
	return r;
}

slong mm_unmap(struct mm *mm, ulong va, ulong len)
{
	slong r;

	if (mm_bad_range(va, len))
		return -1;
	preempt_begin();
	if (mutant(SLEEP_IN_SPINLOCK))
		push_off();
	mutex_lock(&mm->sem);
	r = unmap(mm, va, len);
	mutex_unlock(&mm->sem);
	preempt_end();
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
	mutex_lock(&mm->sem);
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
	mutex_unlock(&mm->sem);
	return r;
}

/* The heap is one area behind the image, found by its end. */
static slong grow_heap(struct mm *mm, ulong brk)
{
	struct vma heap = {.start = mm->brk, .end = brk, .prot = PROT_R | PROT_W}, *v;
	bool ok;

	spin_lock(&mm->lock);
	v = mm_find(mm, mm->brk - PAGE_SIZE);
	if (v && !v->src && !v->shared)
		v->end = brk;
	ok = (v && v->end == brk) || brk == mm->brk || mm_add(mm, &heap);
	spin_unlock(&mm->lock);
	return ok ? (slong)(mm->brk = brk) : ERR;
}

/* Under mm->sem. */
static slong set_brk(struct mm *mm, ulong brk)
{
	if (!brk)
		return (slong)mm->brk;
	if (brk < mm->brk && brk >= mm_image_end())
		return unmap(mm, brk, mm->brk - brk) ? ERR : (slong)(mm->brk = brk);
	return brk >= mm->brk && brk < USER_MMAP_BASE ? grow_heap(mm, brk) : ERR;
}

slong mm_brk(struct mm *mm, ulong brk)
{
	slong r;

	preempt_begin();
	mutex_lock(&mm->sem);
	r = set_brk(mm, ALIGN_UP(brk, PAGE_SIZE));
	mutex_unlock(&mm->sem);
	preempt_end();
	return r;
}
