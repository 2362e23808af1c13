/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reverse maps. A space and all its forks share one struct anon_vma; a page of anonymous memory
 * points at it and has the index its address had when it was made. Where an area is moved its
 * offset stays, so index and offset still tell where in it the page is; whether the page is there
 * is told by the entry. An index is cut to 32 bits: who looks in vain has lost nothing.
 * Locks: the anon_vma's mutex for its members, then mm->lock of one at a time.
 */
#include "mm/rmap.h"
#include "kernel/mutant.h"

_Static_assert(sizeof(struct anon_vma) <= PAGE_SIZE, "an anon_vma is a frame");

void members_add(struct members *m, struct mm *mm)
{
	u32 at = mutant(RMAP_CHILD_FIRST) ? 0 : m->count;

	for (u32 i = 0; i < m->count; i++)
		if (m->mm[i] == mm)
			return;
	ASSERT(m->count < MAX_PROCS);
	for (u32 i = m->count++; i > at; i--)
		m->mm[i] = m->mm[i - 1];
	m->mm[at] = mm;
}

void members_remove(struct members *m, const struct mm *mm)
{
	u32 i = 0;

	while (i < m->count && m->mm[i] != mm)
		i++;
	if (i == m->count)
		return;
	for (m->count--; i < m->count; i++)
		m->mm[i] = m->mm[i + 1];
}

/* With one reference, the caller's. */
struct anon_vma *anon_create(void)
{
	struct anon_vma *a = phys(frame_alloc());

	mutex_init(&a->lock, RANK_ANON, "anon_vma");
	a->refs = 1;
	return a;
}

void anon_put(struct anon_vma *a)
{
	u32 left = atomic_sub(&a->refs, 1);

	ASSERT(left != ~0U);
	if (left)
		return;
	ASSERT(!a->lock.owner && !a->members.count);
	frame_put((ulong)a - KBASE);
}

/* The page's, or NULL. Stays while the caller holds a reference to the page. */
struct anon_vma *anon_of(pa_t page)
{
	u32 number = frame_anon(page);

	return number ? phys((ulong)number << PAGE_SHIFT) : NULL;
}

/* By the space's creator; under a->lock if anybody else knows of it. */
void anon_join(struct mm *mm, struct anon_vma *a)
{
	atomic_add(&a->refs, 1);
	members_add(&a->members, mm);
	mm->anon = a;
}

void anon_leave(struct mm *mm)
{
	struct anon_vma *a = mm->anon;

	mutex_lock(&a->lock);
	members_remove(&a->members, mm);
	mutex_unlock(&a->lock);
	mm->anon = NULL;
	anon_put(a);
}

/* The last-level entry for `va` if it has this page, its table being the space's own; else NULL.
 * Under mm->lock; ends with pte_unmap(). */
pte_t *rmap_entry(struct mm *mm, ulong va, pa_t page)
{
	pte_t *e, v;

	mm_own(mm, va, false);
	e = walk(mm->root, va, 1, 0);
	v = e ? pte_load(e) : 0;
	if ((v & PTE_P) && (v & PTE_ADDR) == page)
		return e;
	pte_unmap(e);
	return NULL;
}

static ulong area_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}

void rmap_anon(struct anon_vma *a, u32 index, struct rmap_visitor *w)
{
	ASSERT(mutex_held(&a->lock));
	for (u32 i = 0; i < a->members.count; i++) {
		struct mm *mm = a->members.mm[i];

		spin_lock(&mm->lock);
		for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++) {
			u32 n = index - (u32)v->off;

			if (v->end && !v->shared && n < area_pages(v))
				w->visit(w, mm, v, v->start + (ulong)n * PAGE_SIZE);
		}
		spin_unlock(&mm->lock);
		preempt_point();
	}
}

/* Under the file's mutex. */
void rmap_file(const struct members *m, const struct file *f, ulong index,
	       struct rmap_visitor *w)
{
	for (u32 i = 0; i < m->count; i++) {
		struct mm *mm = m->mm[i];

		spin_lock(&mm->lock);
		for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
			if (v->end && v->file == f && index - v->off < area_pages(v))
				w->visit(w, mm, v, v->start + (index - v->off) * PAGE_SIZE);
		spin_unlock(&mm->lock);
		preempt_point();
	}
}

static void count_one(struct rmap_visitor *w, struct mm *mm, const struct vma *v, ulong va)
{
	pte_t *e = rmap_entry(mm, va, w->page);

	(void)v;
	w->count += e != NULL;
	pte_unmap(e);
}

/* In how many places the anonymous page under `va` is mapped; -1: there is none. */
slong rmap_count(struct mm *mm, ulong va)
{
	struct rmap_visitor w = {.visit = count_one, .page = gup(mm, va)};
	struct anon_vma *a = w.page ? anon_of(w.page) : NULL;

	if (a) {
		mutex_lock(&a->lock);
		rmap_anon(a, frame_index(w.page), &w);
		mutex_unlock(&a->lock);
	}
	if (w.page)
		frame_unpin(w.page);
	return a ? (slong)w.count : -1;
}
