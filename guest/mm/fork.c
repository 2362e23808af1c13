/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork: the child gets the same frames. Private writable pages become read-only on both sides;
 * the parent's old rights are flushed from every CPU before the child can run. Under the
 * parent's lock.
 */
#include "mm/swap.h"

struct copy {
	struct mm *from, *to;
	bool flush;
};

/* Two windows at once: the child's table is there before the parent's is looked into. */
static void share_page(struct copy *c, const struct vma *v, ulong va)
{
	bool own = mm_own(c->from, va, false);
	pte_t *to = walk(c->to->root, va, 1, PTE_TABLE | PTE_U);
	pte_t *from = walk(c->from->root, va, 1, 0), entry = pte_load(from);

	ASSERT(own);
	if (!v->shared && (entry & PTE_P) && (entry & PTE_W)) {
		/* Only this bit, atomically: the CPU may be setting D. */
		entry = pte_clear_bits(from, PTE_W) & ~PTE_W;
		c->flush = true;
	}
	entry_copy(entry);
	pte_store(to, entry);
	pte_unmap(from);
	pte_unmap(to);
}

/* Pages of one area, those in swap too, skipping whole tables that are not there. */
static void share_area(struct copy *c, const struct vma *v)
{
	ulong va = v->start;

	while (va < v->end) {
		int level;
		pte_t *e = lookup(c->from->root, va, &level);

		bool present = level == 1 && (pte_load(e) & (PTE_P | PTE_SWAP));

		pte_unmap(e);
		if (present)
			share_page(c, v, va);
		va = ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
	}
}

struct mm *mm_fork(struct mm *mm)
{
	struct copy c = {mm, mm_create(), false};

	spin_lock(&mm->lock);
	memcpy(c.to->vma, mm->vma, sizeof(mm->vma));
	c.to->brk = mm->brk;
	c.to->clean_ptes = mm->clean_ptes;
	if (options.share_tables)
		share_all(mm, c.to);
	for (struct vma *v = mm->vma; !options.share_tables && v < mm->vma + MAX_VMAS; v++)
		if (v->end)
			share_area(&c, v);
	c.flush |= options.share_tables;
	if (c.flush)
		tlb_flush_mm(mm, 0, USER_END);
	spin_unlock(&mm->lock);
	return c.to;
}
