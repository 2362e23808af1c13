/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving an anonymous page to another frame, under everybody who maps it, as compaction does. The
 * pages' owners must not fault, fork, move or unmap meanwhile: sem of every space of the family is
 * taken. There may be hundreds. They are mutexes, so all of that can be preempted, and all_locks
 * lets one process do so at a time: everybody else has one sem at most, so whatever order they
 * are taken in, nobody waits for him who waits for us.
 *
 *   all_locks | sem of each | anon_vma | unhook, flush, copy, hook in | all released
 */
#include "kernel/mutant.h"
#include "mm/rmap.h"

struct mutex all_locks = MUTEX_INIT(all_locks, RANK_ALL, "all locks");

/* One frame: the family as it was when we asked, and where the page was taken out. */
struct place {
	struct mm *mm;
	ulong va; /* 0: not mapped there */
	pte_t entry;
};
#define MAX_PLACES ((PAGE_SIZE - 64) / sizeof(struct place))
struct family {
	struct anon_vma *anon;
	u32 count;
	struct place place[MAX_PLACES];
};
_Static_assert(sizeof(struct family) <= PAGE_SIZE, "a family is a frame");

/* Who they are now, each held. False: too many. */
static bool list_members(struct family *f)
{
	const struct members *m = &f->anon->members;

	mutex_lock(&f->anon->lock);
	f->count = m->count <= MAX_PLACES ? m->count : 0;
	for (u32 i = 0; i < f->count; i++) {
		f->place[i] = (struct place){.mm = m->mm[i]};
		mm_hold(m->mm[i]);
	}
	mutex_unlock(&f->anon->lock);
	return f->count;
}

static bool still_complete(const struct family *f)
{
	const struct members *m = &f->anon->members;
	u32 i = 0;

	while (i < f->count && i < m->count && m->mm[i] == f->place[i].mm)
		i++;
	return i == f->count && i == m->count;
}

static void unlock_all(struct family *f)
{
	mutex_unlock(&f->anon->lock);
	for (u32 i = f->count; i-- > 0;) {
		mutex_unlock(&f->place[i].mm->sem);
		mm_drop(f->place[i].mm);
	}
}

/* The family with all its locks; false: too large. Whoever forked or ended before we had his sem
 * makes us begin again. */
static bool lock_all(struct family *f)
{
	for (;;) {
		if (!list_members(f))
			return false;
		for (u32 i = 0; i < f->count; i++) {
			mutex_lock_nested(&f->place[i].mm->sem, &all_locks);
			preempt_point();
		}
		mutex_lock(&f->anon->lock);
		if (still_complete(f))
			return true;
		unlock_all(f);
	}
}

struct move {
	struct rmap_visitor visitor; /* first */
	struct family *family;
};

/* Take the page out. It is in one place of a space at most: areas move, they are not copied. */
static void unhook(struct rmap_visitor *w, struct mm *mm, const struct vma *v, ulong va)
{
	struct family *f = ((struct move *)w)->family;
	pte_t *e = rmap_entry(mm, va, w->page);
	u32 i = 0;

	(void)v;
	if (!e)
		return;
	while (f->place[i].mm != mm)
		i++;
	ASSERT(!f->place[i].va);
	f->place[i].va = va;
	f->place[i].entry = pte_swap(e, 0);
	pte_unmap(e);
	tlb_flush_mm(mm, va, va + PAGE_SIZE);
	w->count++;
}

static void hook_in(const struct place *p, pa_t pa)
{
	pte_t *e;

	spin_lock(&p->mm->lock);
	e = walk(p->mm->root, p->va, 1, 0);
	ASSERT(e && !(pte_load(e) & PTE_P));
	pte_store(e, pa | (p->entry & ~PTE_ADDR));
	pte_unmap(e);
	spin_unlock(&p->mm->lock);
}

/* References to the old page beside those of its entries are of somebody who reads or writes it
 * by its frame: then it stays. One is ours. */
static bool move_page(struct family *f, pa_t old, pa_t new)
{
	struct move m = {.visitor = {.visit = unhook, .page = old}, .family = f};
	u32 index = frame_index(old);
	bool free;

	rmap_anon(f->anon, index, &m.visitor);
	free = frame_refs(old) == m.visitor.count + 1 || mutant(MIGRATE_NO_PINS);
	if (free) {
		frame_copy(new, old);
		frame_set_anon(new, f->anon, index);
	}
	for (u32 i = 0; i < f->count; i++) {
		if (!f->place[i].va)
			continue;
		if (free) {
			frame_get(new);
			frame_put(old);
		}
		hook_in(&f->place[i], free ? new : old);
		preempt_point();
	}
	return free;
}

/* 1: the page under `va` has another frame now; 0: it was in use; -1: there is no such page, or
 * no memory. */
slong mm_migrate(struct mm *mm, ulong va)
{
	pa_t list = frame_try(ZONE_LOW), new = frame_try(ZONE_HIGH), old;
	struct family *f = list ? phys((ulong)list) : NULL;
	slong r = -1;

	preempt_begin();
	old = gup(mm, va);
	if (list && new &&old && (f->anon = anon_of(old))) {
		if (!mutant(ALL_LOCKS_UNGUARDED))
			mutex_lock(&all_locks);
		if (lock_all(f)) {
			r = move_page(f, old, new);
			unlock_all(f);
		}
		if (!mutant(ALL_LOCKS_UNGUARDED))
			mutex_unlock(&all_locks);
	}
	if (old)
		frame_unpin(old);
	if (new)
		frame_put(new);
	if (list)
		frame_put(list);
	preempt_end();
	return r;
}
