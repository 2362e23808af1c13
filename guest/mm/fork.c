/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork: the child gets the same frames. Private writable pages become read-only on both sides;
 * the parent's old rights are flushed from every CPU before the child can run. Under the
 * parent's sem; table by table under both locks, and to be preempted in between.
 */
#include "mm/file.h"
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

/* Both spaces' locks; nobody else has two. The child's, since who looks for pages, to find or to
 * reclaim them, may come across it already. */
static void lock_both(struct copy *c)
{
	spin_lock(&c->from->lock);
	spin_lock_nested(&c->to->lock, &c->from->lock);
}

static void unlock_both(struct copy *c)
{
	spin_unlock(&c->to->lock);
	spin_unlock(&c->from->lock);
	preempt_point();
}

/* Pages of one area, those in swap too, that lie under one last-level table; where that ends. */
static ulong share_part(struct copy *c, const struct vma *v, ulong va)
{
	ulong end = ALIGN_DOWN(va, PT_SPAN(2)) + PT_SPAN(2);
	int level = 1;

	while (va < end && va < v->end) {
		pte_t *e = lookup(c->from->root, va, &level);
		bool present = level == 1 && (pte_load(e) & (PTE_P | PTE_SWAP));

		pte_unmap(e);
		if (present)
			share_page(c, v, va);
		va = ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
	}
	return va;
}

static void share_area(struct copy *c, const struct vma *v)
{
	for (ulong va = v->start; va < v->end;) {
		lock_both(c);
		va = share_part(c, v, va);
		unlock_both(c);
	}
}

struct mm *mm_fork(struct mm *mm)
{
	struct copy c = {mm, NULL, false};

	preempt_begin();
	mutex_lock(&mm->sem);
	c.to = mm_create_in(mm->anon);
	spin_lock(&c.to->lock);
	memcpy(c.to->vma, mm->vma, sizeof(mm->vma));
	spin_unlock(&c.to->lock);
	c.to->brk = mm->brk;
	c.to->clean_ptes = mm->clean_ptes;
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->end && v->file)
			file_join(c.to, v);
	meet(MEET_FORK_JOINED, MEET_CUT_ONE);
	if (options.share_tables) {
		lock_both(&c);
		share_all(mm, c.to);
		unlock_both(&c);
	}
	for (struct vma *v = mm->vma; !options.share_tables && v < mm->vma + MAX_VMAS; v++)
		if (v->end)
			share_area(&c, v);
	meet_pass(MEET_FORK_COPIED);
	c.flush |= options.share_tables;
	if (c.flush)
		tlb_flush_mm(mm, 0, USER_END);
	mutex_unlock(&mm->sem);
	preempt_end();
	return c.to;
}
