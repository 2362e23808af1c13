/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults of user space: pages on demand, copies on write. Everything under mm->sem, entries
 * under mm->lock; a page for it is waited for with neither.
 * A writable area may hold read-only entries; whether a write there copies the page or just
 * takes it over is decided by the frame's reference count: only a fork of this same mm, under
 * this same lock, could raise it from one. Entries are looked at and written through windows that
 * are closed again at once: what is done in between allocates.
 */
#include "mm/file.h"
#include "mm/swap.h"

static bool permitted(const struct vma *v, ulong error)
{
	u32 need = error & PF_W ? PROT_W : error & PF_I ? PROT_X : PROT_R;

	return (v->prot & need) && !(error & PF_R);
}

/*
 * A fault under way. A page for it is had, and one in swap is read, without a lock; then the area and
 * the entry are looked at again.
 */
struct work {
	pa_t page; /* zeroes; or what is in the slot of swap entry `read`, of which we hold a count */
	pte_t read; /* 0: none */
};
enum step { STEP_DONE, STEP_BAD, STEP_NEED_PAGE, STEP_READ };

/* The page is in a table now. */
static pa_t use_page(struct work *w)
{
	pa_t pa = w->page;

	w->page = 0;
	user_frame_done();
	return pa;
}

static pa_t new_page(struct work *w, struct mm *mm, const struct vma *v, ulong va)
{
	ulong offset = va - v->start, n;
	pa_t pa = use_page(w);
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
static enum step break_share(struct work *w, struct mm *mm, const struct vma *v, pte_t entry,
			     ulong va)
{
	pa_t old = entry & PTE_ADDR, pa;

	if (v->shared || frame_refs(old) == 1) {
		write_entry(mm, va, old | prot_to_pte(mm, v));
		return STEP_DONE;
	}
	if (!w->page || w->read)
		return STEP_NEED_PAGE;
	pa = use_page(w);
	frame_copy(pa, old);
	mm_new_page(mm, v, va, pa);
	/* Not present in between: no thread may see the new page while another still has the
	 * old. */
	write_entry(mm, va, 0);
	tlb_flush_mm(mm, va, va + PAGE_SIZE);
	write_entry(mm, va, pa | prot_to_pte(mm, v));
	frame_put(old);
	return STEP_DONE;
}

/* What is in the slot becomes this space's own page. */
static enum step swap_in(struct work *w, struct mm *mm, const struct vma *v, pte_t entry,
			 ulong va)
{
	pa_t pa;

	if (w->read != entry) {
		swap_get(entry); /* until it is read */
		if (w->read)
			swap_put(w->read);
		w->read = entry;
		return STEP_READ;
	}
	pa = use_page(w);
	mm_new_page(mm, v, va, pa);
	write_entry(mm, va, pa | prot_to_pte(mm, v));
	swap_put(entry);
	return STEP_DONE;
}

static enum step map_new(struct work *w, struct mm *mm, const struct vma *v, ulong va)
{
	pa_t pa;

	if (v->reserved) {
		pa = reserved_nopage(v, va);
		if (pa)
			write_entry(mm, va, pa | prot_to_pte(mm, v));
		return pa ? STEP_DONE : STEP_BAD;
	}
	if (!w->page || w->read)
		return STEP_NEED_PAGE;
	write_entry(mm, va, new_page(w, mm, v, va) | prot_to_pte(mm, v));
	return STEP_DONE;
}

/* Under mm->lock. */
static enum step try_entry(struct work *w, struct mm *mm, const struct vma *v, ulong va,
			   ulong error)
{
	pte_t e = read_entry(mm, va);

	if (entry_is_swap(e))
		return swap_in(w, mm, v, e, va);
	if (!(e & PTE_P))
		return map_new(w, mm, v, va);
	if ((error & PF_W) && !(e & PTE_W))
		return break_share(w, mm, v, e, va);
	return STEP_DONE;
}

/* Under mm->sem. */
static enum step try_fault(struct work *w, struct mm *mm, ulong va, ulong error)
{
	const struct vma *v = mm_find(mm, va);
	enum step step;

	if (!v || !permitted(v, error))
		return STEP_BAD;
	if (v->file)
		return file_fault(mm, v, va, error) ? STEP_DONE : STEP_BAD;
	spin_lock(&mm->lock);
	step = try_entry(w, mm, v, va, error);
	spin_unlock(&mm->lock);
	return step;
}

/* Whatever the page was for, it is not any more. */
static void forget(struct work *w)
{
	if (w->read)
		swap_put(w->read);
	w->read = 0;
	if (w->page)
		frame_put(use_page(w));
}

/* Without locks; sleeps. False: there is no memory, or no disk. */
static bool prepare(struct work *w, enum step step)
{
	pte_t read = step == STEP_READ ? w->read : 0;

	if (read && w->page) { /* it has something in it */
		frame_put(use_page(w));
	} else if (!read) {
		forget(w);
	}
	w->page = user_frame();
	if (!w->page)
		current()->no_memory = true;
	return w->page && (!read || swap_read(read, w->page));
}

/* Returns false if the access is not one the process may make, or if there is no memory for it. */
bool mm_fault(struct mm *mm, ulong va, ulong error)
{
	struct work w = {0, 0};
	enum step step;

	va = ALIGN_DOWN(va, PAGE_SIZE);
	do {
		mutex_lock(&mm->sem);
		step = try_fault(&w, mm, va, error);
		mutex_unlock(&mm->sem);
	} while (step >= STEP_NEED_PAGE && prepare(&w, step));
	forget(&w);
	return step == STEP_DONE;
}
