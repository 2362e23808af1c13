/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looks at tables, frames, registers and counters. Read first: inspect.h, page.h. Read next: scan.c.
 */
#include <errno.h>

#include "shadow/inspect.h"
#include "shadow/page.h"
#include "shadow/shootdown.h"

_Static_assert(SH_VCPU_NONE == SH_MAX_VCPUS && SH_TABLE_ENTRIES == SH_ENTRIES, "said twice");

/* ---- one moment ---- */

static uint64_t sum(struct sh_mmu *mmu, bool ended)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= SH_MAX_VCPUS; i++)
		n += atomic_load_explicit(ended ? &mmu->counters[i].ended
						: &mmu->counters[i].begun,
					  memory_order_acquire);
	return n;
}

void sh_look_begin(struct sh_mmu *mmu, struct sh_look *l)
{
	l->ended = sum(mmu, !sh_mutant(SH_MUT_LOOK_FROM_BEGUN));
}

/* Of each thread as many changes have ended as have begun, or fewer, so equal sums are equal throughout. */
bool sh_look_end(struct sh_mmu *mmu, const struct sh_look *l)
{
	return sum(mmu, false) == l->ended || sh_mutant(SH_MUT_LOOK_ALWAYS_WHOLE);
}

uint64_t sh_generation(struct sh_mmu *mmu)
{
	return sum(mmu, false);
}

unsigned sh_top_level(const struct sh_mmu *mmu)
{
	return mmu->be.levels;
}

/* ---- registers ---- */

static void pack(uint64_t w[9], const struct sh_regs *r)
{
	w[0] = r->cr0;
	w[1] = r->cr3;
	w[2] = r->cr4;
	w[3] = r->efer;
	for (unsigned i = 0; i < 4; i++)
		w[4 + i] = r->pdpte[i];
	w[8] = (uint64_t)r->pkrs << 32 | r->pkru;
}

static void unpack(struct sh_regs *r, const uint64_t w[9])
{
	*r = (struct sh_regs){.cr0 = w[0], .cr3 = w[1], .cr4 = w[2], .efer = w[3]};
	for (unsigned i = 0; i < 4; i++)
		r->pdpte[i] = w[4 + i];
	r->pkru = (uint32_t)w[8];
	r->pkrs = (uint32_t)(w[8] >> 32);
}

void sh_seen_set(struct sh_mmu *mmu, unsigned index, const struct sh_regs *r)
{
	struct sh_seen *s = &mmu->seen[index];
	uint64_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed) | 1, w[9];

	atomic_store_explicit(&s->seq, seq, memory_order_relaxed);
	if (r) {
		pack(w, r);
		for (unsigned i = 0; i < 9; i++)
			atomic_store_explicit(&s->word[i], w[i], memory_order_release);
	}
	atomic_store_explicit(&s->seq, r ? seq + 1 : 0, memory_order_release);
}

bool sh_vcpu_peek(struct sh_mmu *mmu, unsigned index, struct sh_regs *r, struct sh_mode *mode)
{
	uint64_t before, after, w[9];
	struct sh_seen *s;

	if (index >= SH_MAX_VCPUS)
		return false;
	s = &mmu->seen[index];
	do {
		before = atomic_load_explicit(&s->seq, memory_order_acquire);
		if (!before)
			return false;
		for (unsigned i = 0; i < 9; i++)
			w[i] = atomic_load_explicit(&s->word[i], memory_order_acquire);
		after = atomic_load_explicit(&s->seq, memory_order_relaxed);
	} while ((before & 1 || before != after) && !sh_mutant(SH_MUT_PEEK_TORN));
	unpack(r, w);
	*mode = sh_mode_of(r, &mmu->model);
	return true;
}

/* ---- counters ---- */

void sh_vcpu_stats(struct sh_mmu *mmu, unsigned index, uint64_t v[SH_STATS])
{
	for (unsigned s = 0; s < SH_STATS; s++)
		v[s] = atomic_load_explicit(&mmu->counters[index].n[s], memory_order_relaxed);
}

void sh_waiting(struct sh_mmu *mmu, struct sh_waiting *w)
{
	/* Words that are written under the lock: each is read whole, and that is all that is asked. */
	uint64_t settled = __atomic_load_n(&mmu->sd->settled, __ATOMIC_RELAXED);
	uint64_t flushed = atomic_load(&mmu->drops_flushed) + settled;

	w->drops = atomic_load(&mmu->drops);
	w->pending = w->drops > flushed ? w->drops - flushed : 0;
}

/* ---- tables and frames ---- */

static unsigned parents_of(const struct sh_page *p)
{
	uint64_t set = atomic_load(&p->parents);

	return !set ? SH_PARENTS_NONE : set & 1 ? SH_PARENTS_ONE : SH_PARENTS_SEVERAL;
}

/* p is live, and this is a read-side section. */
static void describe(struct sh_mmu *mmu, const struct sh_page *p, struct sh_table *t)
{
	bool guest = sh_role_is_table(p->role);

	*t = (struct sh_table){.mfn = sh_page_mfn(mmu, p),
			       .gfn = p->gfn,
			       .role = p->role,
			       .pins = atomic_load(&p->pins),
			       .present = atomic_load(&p->present),
			       .flood = atomic_load(&p->flood),
			       .parents = parents_of(p),
			       .copy = p->copy,
			       .tracked = guest && sh_tracked(mmu, p->gfn),
			       .unsync = guest && sh_is_unsync(mmu, p->gfn)};
}

bool sh_table_find(struct sh_mmu *mmu, mfn_t mfn, struct sh_table *t)
{
	uint64_t frame = mfn.v - mmu->be.table_mfn.v;
	bool live = false;

	sh_look_lock();
	if (frame < mmu->be.tables &&
	    atomic_load_explicit(&mmu->pages[frame].state, memory_order_acquire) ==
		    SH_PAGE_LIVE) {
		describe(mmu, &mmu->pages[frame], t);
		live = true;
	}
	sh_look_unlock();
	return live;
}

unsigned sh_tables_of(struct sh_mmu *mmu, gfn_t gfn, struct sh_table *t, unsigned n)
{
	struct sh_page *p = NULL;
	unsigned found = 0;

	sh_look_lock();
	while ((p = sh_page_of_gfn(mmu, gfn, p))) {
		if (found < n)
			describe(mmu, p, &t[found]);
		found++;
	}
	sh_look_unlock();
	return found;
}

void sh_frame_look(struct sh_mmu *mmu, gfn_t gfn, struct sh_frame *f)
{
	f->mfn = gmem_mfn(mmu->gm, gfn);
	f->tracked = sh_tracked(mmu, gfn);
	f->unsync = sh_is_unsync(mmu, gfn);
}

/* ---- changes from outside ---- */

/* One page a turn, because a zap may take others with it. Pinned ones stay, with nothing in them. */
static struct sh_page *next_unpinned(struct sh_mmu *mmu)
{
	struct sh_page *p = mmu->lru.list_next;

	while (p != &mmu->lru && atomic_load(&p->pins))
		p = p->list_next;
	return p == &mmu->lru ? NULL : p;
}

unsigned sh_drop_all(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	struct sh_page *p;
	unsigned n = 0;

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	for (p = mmu->lru.list_next; p != &mmu->lru; p = p->list_next)
		if (atomic_load(&p->pins))
			sh_page_empty(mmu, v, p);
	for (; (p = next_unpinned(mmu)); n++)
		sh_page_zap(mmu, v, p);
	sh_flush_drops(mmu, v);
	sh_pool_reap(mmu, v);
	pthread_mutex_unlock(&mmu->lock);
	return n;
}

bool sh_option_on(const struct sh_mmu *mmu, enum sh_option o)
{
	return mmu->opt.on[o];
}

/* Which root a guest without paging runs on is settled at its first one. */
bool sh_option_fixed(enum sh_option o)
{
	return o == SH_OPT_DMAP;
}

int sh_option_switch(struct sh_mmu *mmu, enum sh_option o, bool on)
{
	bool before = mmu->opt.on[o];

	if (sh_option_fixed(o))
		return -EBUSY;
	mmu->opt.on[o] = on;
	if (before && !on)
		sh_drop_all(mmu, NULL);
	return 0;
}
