/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults of user space: pages on demand, copies on write. Everything under mm->sem, entries
 * under mm->lock.
 * A writable area may hold read-only entries; whether a write there copies the page or just
 * takes it over is decided by the frame's reference count: only a fork of this same mm, under
 * this same lock, could raise it from one. Entries are looked at and written through windows that
 * are closed again at once: what is done in between allocates.
 */
#include "mm/file.h"

static bool permitted(const struct vma *v, ulong error)
{
	u32 need = error & PF_W ? PROT_W : error & PF_I ? PROT_X : PROT_R;

	return (v->prot & need) && !(error & PF_R);
}

static pa_t new_page(struct mm *mm, const struct vma *v, ulong va)
{
	ulong offset = va - v->start, n;
	pa_t pa = frame_alloc_high();
	void *page;

	if (v->src && offset < v->src_len) {
		n = v->src_len - offset;
		page = kmap_local(pa);
		memcpy(page, v->src + offset, n < PAGE_SIZE ? n : PAGE_SIZE);
		kunmap_local(page);
	}
	mm_new_page(mm, v, va, pa);
	return pa;
}

/* One entry of the last level, its tables being there or made. */
static pte_t read_entry(struct mm *mm, ulong va)
{
	pte_t *e = mm_walk(mm, va), v = pte_load(e);

	pte_unmap(e);
	return v;
}

static void write_entry(struct mm *mm, ulong va, pte_t v)
{
	pte_t *e = walk(mm->root, va, 1, 0);

	pte_store(e, v);
	pte_unmap(e);
}

/* The old frame is let go only after no CPU can reach it through this space. */
static void break_share(struct mm *mm, const struct vma *v, pte_t entry, ulong va)
{
	pa_t old = entry & PTE_ADDR, pa;

	if (v->shared || frame_refs(old) == 1) {
		write_entry(mm, va, old | prot_to_pte(mm, v));
		return;
	}
	pa = frame_alloc_high();
	frame_copy(pa, old);
	mm_new_page(mm, v, va, pa);
	/* Not present in between: no thread may see the new page while another still has the
	 * old. */
	write_entry(mm, va, 0);
	tlb_flush_mm(mm, va, va + PAGE_SIZE);
	write_entry(mm, va, pa | prot_to_pte(mm, v));
	frame_put(old);
}

static void anon_fault(struct mm *mm, const struct vma *v, ulong va, ulong error)
{
	pte_t e;

	spin_lock(&mm->lock);
	e = read_entry(mm, va);
	if (!(e & PTE_P))
		write_entry(mm, va, new_page(mm, v, va) | prot_to_pte(mm, v));
	else if ((error & PF_W) && !(e & PTE_W))
		break_share(mm, v, e, va);
	spin_unlock(&mm->lock);
}

/* Returns false if the access is not one the process may make. */
bool mm_fault(struct mm *mm, ulong va, ulong error)
{
	const struct vma *v;
	bool ok;

	va = ALIGN_DOWN(va, PAGE_SIZE);
	mutex_lock(&mm->sem);
	v = mm_find(mm, va);
	ok = v && permitted(v, error);
	if (ok && v->file)
		ok = file_fault(mm, v, va, error);
	else if (ok)
		anon_fault(mm, v, va, error);
	mutex_unlock(&mm->sem);
	return ok;
}
