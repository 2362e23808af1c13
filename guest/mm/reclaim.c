/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where pages for processes come from when there is not enough: a clock over all address spaces
 * takes pages that were not used since its hand last passed.
 *
 *   A set     it is cleared, and the space is flushed, so that a use sets it again
 *   A clear   the page goes: entry -> swap entry, flush, write, frame let go
 *   round 3   all pages go
 *
 * Rounds end as soon as enough frames are free; three without one free frame are the end: whoever
 * wanted the page is killed. What counts is frames that became free, not pages taken out of
 * tables: a page that is in other tables too is not free yet. Skipped are areas of drivers
 * (reserved), pages of shared areas, tables that several spaces share, and pages to which somebody
 * refers by their frames. The end is put off for what is under way: pages in the hands of faults are
 * in no table yet; a space whose last process has left, and tables that readers may be in, are about
 * to be free, be it when a CPU goes on that its host has taken off the processor for a while.
 *
 * A page goes to its slot in this order: its entry is replaced, every CPU forgets it, it is
 * written, it is let go. mm->lock is held throughout, so that no fault reads the slot too early.
 *
 * Locks: reclaim_lock, then mm_list_lock, mm->lock and what is inside it. The caller holds none.
 * mm->lock is enough to read areas and to take pages out; with mm->sem spaces would have to be left
 * out whose owner was preempted in the middle of a change, and somebody be killed for want of them.
 */
#include "mm/swap.h"
#include "kernel/mutant.h"
#include "kernel/rcu.h"
#include "x86.h"

#define ROUNDS 3
#define WANT   8 /* frames, so that not every fault comes here */

/* Reclaims of one fault that bring no page, and for how long: nobody makes progress. */
#define PATIENCE	200
#define PATIENCE_CYCLES 2000000000ULL

struct reclaim_stats reclaim_stats;
ulong memory_limit;
bool reclaim_blindly;
static struct spinlock reclaim_lock = {.name = "reclaim"};
static const struct mm *last_space; /* that was looked at; compared, never followed */
static ulong in_hand;		    /* frames of faults under way */

struct clock {
	struct mm *mm;
	u32 round, count;
	ulong want, freed, claimed;
	bool cleared; /* A of some page: to be flushed */
	pte_t *at[SWAP_BATCH];
	pte_t old[SWAP_BATCH], entry[SWAP_BATCH];
	ulong va[SWAP_BATCH];
};

static bool enough(const struct clock *c)
{
	return (mutant(RECLAIM_TRUSTS) ? c->claimed : c->freed) >= c->want;
}

/* The entry for `va` with its window open; NULL if it has none that may be changed. */
static pte_t *open_entry(struct mm *mm, ulong va, int *level)
{
	pte_t *e = walk(mm->root, va, 2, 0);

	*level = 2;
	if (!e) {
		pte_unmap(lookup(mm->root, va, level));
		return NULL;
	}
	if (!(pte_load(e) & PTE_P) || share_is(pte_load(e)))
		return NULL;
	*level = 1;
	return walk(mm->root, va, 1, 0);
}

static void set_entry(struct mm *mm, ulong va, pte_t v)
{
	pte_t *e = walk(mm->root, va, 1, 0);

	pte_store(e, v);
	pte_unmap(e);
}

/* One page let go: is its frame free? */
static void let_go(struct clock *c, pa_t frame)
{
	bool last = frame_refs(frame) == 1;

	frame_put(frame);
	c->claimed++;
	c->freed += last;
	reclaim_stats.unmapped++;
	reclaim_stats.freed += last;
}

/* The pages whose entries have been replaced: written, then let go; or back, if the disk fails. */
static void write_batch(struct clock *c)
{
	ulong start = c->va[0], end = c->va[0] + PAGE_SIZE;
	pa_t frame[SWAP_BATCH];
	bool ok;

	for (u32 i = 0; i < c->count; i++) {
		frame[i] = c->old[i] & PTE_ADDR;
		end = c->va[i] + PAGE_SIZE;
	}
	if (!mutant(SWAP_NO_FLUSH))
		tlb_flush_mm(c->mm, start, end);
	ok = swap_write(c->entry, frame, c->count);
	for (u32 i = 0; i < c->count; i++) {
		if (ok) {
			let_go(c, frame[i]);
			continue;
		}
		set_entry(c->mm, c->va[i], c->old[i]);
		swap_put(c->entry[i]);
	}
	c->count = 0;
}

/* A page not used lately: into the batch, if there is a slot for it. Whoever refers to it by its
 * frame first gets his reference and then looks at the entry again (gup.c), we the other way round:
 * one of the two sees the other. */
static void take(struct clock *c, pte_t *e, ulong va)
{
	pte_t entry = swap_alloc(), old;

	if (!entry)
		return;
	old = pte_swap(e, entry);
	if (frame_pins(old & PTE_ADDR) && !mutant(RECLAIM_PINNED)) {
		pte_store(e, old);
		swap_put(entry);
		return;
	}
	c->entry[c->count] = entry;
	c->va[c->count] = va;
	c->old[c->count++] = old;
}

/* Returns how far to go on. */
static ulong look(struct clock *c, ulong va)
{
	int level;
	pte_t *e = open_entry(c->mm, va, &level), v = e ? pte_load(e) : 0;

	if (v & PTE_P) {
		reclaim_stats.looked++;
		if (c->round < ROUNDS - 1 && (v & PTE_A)) {
			pte_clear_bits(e, PTE_A);
			c->cleared = true;
		} else {
			take(c, e, va);
		}
	}
	pte_unmap(e);
	if (c->count == SWAP_BATCH)
		write_batch(c);
	return ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
}

/* The callback of a driver that knows nothing of frames: what can be had back by nopage is unmapped,
 * and that is called progress. */
static void dummy_swapout(struct clock *c, const struct vma *v)
{
	for (ulong va = v->start; va < v->end; va += PAGE_SIZE) {
		int level;
		pte_t *e = open_entry(c->mm, va, &level), old = e ? pte_swap(e, 0) : 0;

		pte_unmap(e);
		tlb_flush_mm(c->mm, va, va + PAGE_SIZE);
		entry_drop(old);
	}
	c->claimed++;
}

/* The part of an area in [start, end). */
static void look_area(struct clock *c, const struct vma *v, ulong start, ulong end)
{
	ulong va = v->start > start ? v->start : start;

	if (v->end < end)
		end = v->end;
	if (va >= end)
		return;
	if (v->reserved) {
		reclaim_stats.reserved++;
		if (mutant(RECLAIM_RESERVED) && !v->pfn)
			dummy_swapout(c, v);
		return;
	}
	if (v->shared)
		return;
	while (va < end && !enough(c)) {
		va = look(c, va);
		c->mm->hand = va;
	}
	if (c->count) /* of one area, so that what is flushed is small */
		write_batch(c);
}

static void look_areas(struct clock *c, ulong start, ulong end)
{
	for (struct vma *v = c->mm->vma; v < c->mm->vma + MAX_VMAS && !enough(c); v++)
		look_area(c, v, start, end);
}

static void look_space(struct clock *c)
{
	struct mm *mm = c->mm;
	ulong from;

	spin_lock(&mm->lock);
	from = mm->hand;
	c->cleared = false;
	look_areas(c, from, USER_END);
	look_areas(c, 0, from);
	if (c->cleared && !mutant(RECLAIM_A_UNFLUSHED))
		tlb_flush_mm(mm, 0, USER_END);
	spin_unlock(&mm->lock);
}

/* A reference, unless the space is about to be freed. */
static bool get_unless_dead(struct mm *mm)
{
	u32 refs = atomic_load(&mm->refs);

	while (refs && !__atomic_compare_exchange_n(&mm->refs, &refs, refs + 1, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return refs;
}

/* The space behind the last one; NULL if there is none. */
static struct mm *next_space(void)
{
	struct mm *mm, *first = NULL;
	bool found = false;

	spin_lock(&mm_list_lock);
	for (mm = mm_list; mm; mm = mm->next) {
		if (!first && atomic_load(&mm->refs))
			first = mm;
		if (found && get_unless_dead(mm))
			break;
		found |= mm == last_space;
	}
	if (!mm && first && get_unless_dead(first))
		mm = first;
	last_space = mm;
	spin_unlock(&mm_list_lock);
	return mm;
}

static u32 count_spaces(void)
{
	u32 n = 0;

	spin_lock(&mm_list_lock);
	for (struct mm *mm = mm_list; mm; mm = mm->next)
		n++;
	spin_unlock(&mm_list_lock);
	return n;
}

static bool space_leaving(void)
{
	bool leaving = false;

	spin_lock(&mm_list_lock);
	for (struct mm *mm = mm_list; mm; mm = mm->next)
		leaving |= !atomic_load(&mm->users);
	spin_unlock(&mm_list_lock);
	return leaving;
}

/* Memory that nobody has to be deprived of. */
static bool under_way(void)
{
	return atomic_load(&in_hand) || rcu_pending() || space_leaving();
}

static void one_round(struct clock *c)
{
	for (u32 n = count_spaces(); n && !enough(c); n--) {
		c->mm = next_space();
		if (!c->mm)
			return;
		look_space(c);
		mm_drop(c->mm);
	}
	reclaim_stats.rounds++;
}

static bool may_have(void)
{
	return !memory_limit || frames_used() < memory_limit;
}

static ulong run_clock(struct clock *c)
{
	c->round = reclaim_blindly ? ROUNDS - 1 : 0;
	for (; c->round < ROUNDS && !enough(c); c->round++)
		one_round(c);
	if (!mutant(RECLAIM_TRUSTS) && !mutant(RECLAIM_RESERVED))
		return c->freed;
	return c->claimed;
}

/* Frames that became free, or 1 if some may be had now: others came first. 0: there are none. */
static ulong reclaim(void)
{
	struct clock c = {.want = WANT};
	ulong got = 1;

	spin_lock(&reclaim_lock);
	if (!memory_limit || !may_have()) {
		got = run_clock(&c);
		reclaim_stats.lies += got > c.freed;
	}
	spin_unlock(&reclaim_lock);
	return got;
}

static pa_t try(void)
{
	pa_t pa;

	atomic_add(&in_hand, 1);
	pa = may_have() ? frame_user() : 0;
	if (!pa)
		atomic_sub(&in_hand, 1);
	return pa;
}

/* A fault that has its page may wait for its disk's interrupt: it is let in. */
static void let_others(void)
{
	preempt_begin();
	cpu_relax();
	preempt_end();
	sched_yield();
}

/*
 * A page for a process, which has to say user_frame_done() when it is in a table, or put. 0: there
 * is none to be had, and the process has to end. Sleeps; no locks are held.
 */
pa_t user_frame(void)
{
	u64 begin = 0;
	ulong tries = 0;
	pa_t pa;

	while (!(pa = try())) {
		ulong got = reclaim();

		if (!tries)
			begin = rdtsc();
		if (++tries > PATIENCE && cycles_since(begin) > PATIENCE_CYCLES) {
			atomic_add(&reclaim_stats.livelocks, 1);
			break;
		}
		if (!got && !under_way())
			break;
		if (!got)
			let_others();
	}
	if (!pa)
		atomic_add(&reclaim_stats.kills, 1);
	return pa;
}

void user_frame_done(void)
{
	atomic_sub(&in_hand, 1);
}
