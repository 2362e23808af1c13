/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults of user space: pages on demand, copies on write. Everything under mm->lock.
 * A writable area may hold read-only entries; whether a write there copies the page or just
 * takes it over is decided by the frame's reference count: only a fork of this same mm, under
 * this same lock, could raise it from one.
 */
#include "mm/mm.h"

static bool permitted(const struct vma *v, u64 error)
{
	u32 need = error & PF_W ? PROT_W : error & PF_I ? PROT_X : PROT_R;

	return (v->prot & need) && !(error & PF_R);
}

static u64 new_page(const struct vma *v, u64 va)
{
	u64 offset = va - v->start, pa = frame_alloc(), n;

	if (v->src && offset < v->src_len) {
		n = v->src_len - offset;
		memcpy(phys(pa), v->src + offset, n < PAGE_SIZE ? n : PAGE_SIZE);
	}
	return pa;
}

/* The old frame is let go only after no CPU can reach it through this space. */
static void break_share(struct mm *mm, const struct vma *v, pte_t *e, u64 va)
{
	u64 old = pte_read(e) & PTE_ADDR, pa;

	if (v->shared || frame_refs(old) == 1) {
		pte_write(e, old | prot_to_pte(mm, v));
		return;
	}
	pa = frame_alloc();
	memcpy(phys(pa), phys(old), PAGE_SIZE);
	/* Not present in between: no thread may see the new page while another still has the
	 * old. */
	pte_exchange(e, 0);
	tlb_flush_mm(mm, va, va + PAGE_SIZE);
	pte_write(e, pa | prot_to_pte(mm, v));
	frame_put(old);
}

/* Returns false if the access is not one the process may make. */
bool mm_fault(struct mm *mm, u64 va, u64 error)
{
	const struct vma *v;
	bool ok = false;
	pte_t *e;

	va = ALIGN_DOWN(va, PAGE_SIZE);
	spin_lock(&mm->lock);
	v = mm_find(mm, va);
	if (v && permitted(v, error)) {
		e = walk(mm->root, va, 1, PTE_TABLE | PTE_U);
		if (!(pte_read(e) & PTE_P))
			pte_write(e, new_page(v, va) | prot_to_pte(mm, v));
		else if ((error & PF_W) && !(pte_read(e) & PTE_W))
			break_share(mm, v, e, va);
		ok = true;
	}
	spin_unlock(&mm->lock);
	return ok;
}
