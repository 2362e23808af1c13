/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The page fault: true or hidden, and if hidden, the shadow entry that was missing.
 *
 * Steps of sh_fault():
 *   1. walk the guest's tables as the processor would; a true fault ends it here
 *   2. fast descent: in an RCU read-side section follow the shadow tables from the root, checking
 *      the full key of every page on the way, and set the leaf under its page's lock
 *   3. slow descent where a table is missing: under mmu->lock find or make it and link it, the guest
 *      entry read again under the parent's lock. A table that was not tracked before has only now
 *      become safe to read, so the walk starts anew. Instead of a direct table there may be a large
 *      leaf (large.c)
 *   4. the leaf is set from the guest entry as it reads *now*, not as the walk saw it
 * Locks: locks.h. Read first: walk.h, spte.h. Read next: write.c.
 */
#include <errno.h>

#include "shadow/gather.h"
#include "shadow/spte.h"
#include "shadow/unsync.h"

#define MAX_ATTEMPTS \
	64 /* a guest that keeps changing entries under us gets its turn elsewhere */
#define PREFETCH_TABLE	8u
#define PREFETCH_DIRECT 32u

enum step { STEP_DONE, STEP_SLOW, STEP_AGAIN };

struct attempt {
	struct sh_vcpu *v;
	gva_t gva;
	unsigned flags;
	const struct sh_walk *w;
	struct sh_page *root;
	enum sh_fault_result result;
	bool linked;  /* an upper entry was missing and has been made */
	bool lagging; /* other pages made from the table may be out of step with the entry */
};

/* Shadow tables are indexed alike whatever the guest's format is. */
static unsigned shadow_index(gva_t gva, unsigned level)
{
	return (gva.v >> sh_shadow_shift(level)) & (SH_ENTRIES - 1);
}

static void prefetch(struct attempt *a, struct sh_page *p, unsigned index)
{
	struct sh_mmu *mmu = a->v->mmu;
	unsigned n = p->role.direct ? PREFETCH_DIRECT : PREFETCH_TABLE;
	unsigned first = index & ~(n - 1);
	SH_TRACE_BECAUSE(mmu, a->v, SH_WHY_PREFETCH);

	for (unsigned i = first; i < first + n; i++) {
		struct sh_expect e;
		uint64_t gpte;

		if (atomic_load_explicit(&sh_page_table(mmu, p)[i], memory_order_relaxed))
			continue;
		gpte = sh_page_gpte(mmu, p, i);
		e = sh_expect(mmu, p->gfn, p->role, i,
			      gpte | (sh_mutant(SH_MUT_PREFETCH_IGNORES_A) ? PTE_A : 0));
		e.dirty |= sh_mutant(SH_MUT_PREFETCH_CLEAN_WRITABLE);
		sh_unsync_note(mmu, p, i, gpte);
		if (e.kind == SH_EXPECT_LEAF && sh_leaf_set(mmu, a->v, p, i, e.gfn, e.access,
							    e.dirty, false) == SH_FAULT_RESUME)
			sh_count(mmu, a->v, SH_ST_PREFETCHED, 1);
	}
}

/* p->lock held. */
static enum step set_leaf_locked(struct attempt *a, struct sh_page *p, unsigned index)
{
	struct sh_mmu *mmu = a->v->mmu;
	uint64_t gpte = sh_mutant(SH_MUT_WALK_NOT_REVALIDATED) && !p->role.direct
				? a->w->gpte[1]
				: sh_page_gpte(mmu, p, index);
	struct sh_expect e = sh_expect(mmu, p->gfn, p->role, index, gpte);
	bool write = a->flags & SH_WRITE;

	if (atomic_load(&p->invalid))
		return STEP_AGAIN;
	if (e.kind != SH_EXPECT_LEAF || (write && !e.dirty) ||
	    !sh_access_ok(&a->v->mode, e.access, a->flags))
		return STEP_AGAIN;
	a->lagging |= sh_unsync_note(mmu, p, index, gpte);
	a->result = sh_leaf_set(mmu, a->v, p, index, e.gfn, e.access, e.dirty, write);
	if (mmu->opt.on[SH_OPT_PREFETCH] && a->result == SH_FAULT_RESUME)
		prefetch(a, p, index);
	return STEP_DONE;
}

static void mark_used(struct sh_page *p)
{
	if (!atomic_load_explicit(&p->used, memory_order_relaxed))
		atomic_store_explicit(&p->used, 1, memory_order_relaxed);
}

static enum step set_leaf(struct attempt *a, struct sh_page *p)
{
	enum step s;

	pthread_spin_lock(&p->lock);
	s = set_leaf_locked(a, p, shadow_index(a->gva, 1));
	if (p->role.direct && s == STEP_DONE && a->result == SH_FAULT_RESUME)
		atomic_store_explicit(&p->heat, p->heat + 1, memory_order_relaxed);
	pthread_spin_unlock(&p->lock);
	mark_used(p);
	if (s == STEP_DONE && atomic_load_explicit(&p->flood, memory_order_relaxed))
		atomic_store_explicit(&p->flood, 0, memory_order_relaxed);
	return s;
}

/* The guest entry the walk saw for this level; levels above the guest's own have none. */
static uint64_t walked(const struct attempt *a, const struct sh_page *p)
{
	return p->role.direct || sh_role_is_passthrough(p->role) ? 0
								 : a->w->gpte[p->role.level];
}

static bool key_is(const struct sh_page *p, const struct sh_expect *e)
{
	if (sh_mutant(SH_MUT_CHILD_KEY_UNCHECKED))
		return p->role.level == e->role.level;
	return gfn_eq(p->gfn, e->gfn) && sh_role_eq(p->role, e->role);
}

static enum step descend_fast(struct attempt *a)
{
	struct sh_mmu *mmu = a->v->mmu;
	struct sh_page *p = a->root;
	enum step s;

	sh_read_lock();
	while (p->role.level > 1) {
		unsigned index = shadow_index(a->gva, p->role.level);
		struct sh_expect e = sh_expect(mmu, p->gfn, p->role, index, walked(a, p));
		uint64_t spte = atomic_load_explicit(&sh_page_table(mmu, p)[index],
						     memory_order_acquire);
		struct sh_page *child = spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;

		if (e.kind != SH_EXPECT_TABLE || !child || !key_is(child, &e) ||
		    sh_large_wanted(mmu, p, index, child, &e)) {
			sh_read_unlock();
			return STEP_SLOW;
		}
		mark_used(p);
		p = child;
	}
	s = set_leaf(a, p);
	sh_read_unlock();
	return s;
}

/* What p's entry on the way stands for now, and the child that is already there and fits it. */
static struct sh_page *child_there(struct attempt *a, struct sh_page *p, struct sh_expect *e)
{
	struct sh_mmu *mmu = a->v->mmu;
	unsigned index = shadow_index(a->gva, p->role.level);
	uint64_t spte = atomic_load(&sh_page_table(mmu, p)[index]);
	struct sh_page *child = spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;

	*e = sh_expect(mmu, p->gfn, p->role, index, sh_page_gpte(mmu, p, index));
	return e->kind == SH_EXPECT_TABLE && child && key_is(child, e) ? child : NULL;
}

/* Instead of a direct table. */
static enum step set_large(struct attempt *a, struct sh_page *p, const struct sh_expect *e,
			   uint64_t spte)
{
	if ((a->flags & SH_WRITE && !e->role.dirty) ||
	    !sh_access_ok(&a->v->mode, sh_direct_access(e->role), a->flags))
		return STEP_AGAIN;
	a->result = sh_large_set(a->v->mmu, a->v, p, shadow_index(a->gva, p->role.level),
				 e->gfn, spte);
	mark_used(p);
	return STEP_DONE;
}

/* The child under p on the way to the address; made and linked if need be. NULL with a->result or
 * STEP_AGAIN in *s. */
static struct sh_page *child_slow(struct attempt *a, struct sh_page *p, enum step *s)
{
	struct sh_mmu *mmu = a->v->mmu;
	struct sh_expect e;
	struct sh_page *child = child_there(a, p, &e);
	uint64_t large =
		sh_large_wanted(mmu, p, shadow_index(a->gva, p->role.level), child, &e);
	bool made = false;

	*s = STEP_AGAIN;
	if (large) {
		*s = set_large(a, p, &e, large);
		return NULL;
	}
	if (child || e.kind != SH_EXPECT_TABLE)
		return child;
	child = sh_page_get(mmu, a->v, e.gfn, e.role, &made);
	if (!child)
		return NULL; /* the way changed after tables were reserved for it: do that again */
	if (sh_link(mmu, a->v, p, shadow_index(a->gva, p->role.level), child)) {
		a->result = SH_FAULT_HOST;
		*s = STEP_DONE;
		return NULL;
	}
	a->linked = true;
	return made ? NULL : child;
}

/* Makes as many tables available as are missing on the way. Those that are there stay: they may be
 * what the last attempt made, and with few tables to spare reclaim would take them each time. */
static int reserve_path(struct attempt *a)
{
	struct sh_page *held[SH_MAX_LEVEL];
	struct sh_page *p = a->root, *next = p;
	struct sh_expect e;
	unsigned n = 0, need = 0;
	int err;

	while (p->role.level > 1 && (next = child_there(a, p, &e))) {
		atomic_fetch_add(&next->pins, 1);
		held[n++] = p = next;
	}
	if (next ||
	    !sh_large_wanted(a->v->mmu, p, shadow_index(a->gva, p->role.level), NULL, &e))
		need = p->role.level - 1u;
	err = sh_reclaim_reserve(a->v->mmu, a->v, need);
	while (n)
		atomic_fetch_sub(&held[--n]->pins, 1);
	return err;
}

static enum step descend_slow(struct attempt *a)
{
	struct sh_mmu *mmu = a->v->mmu;
	struct sh_page *p = a->root;
	enum step s = STEP_AGAIN;

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	if (reserve_path(a)) {
		a->result = SH_FAULT_HOST;
		s = STEP_DONE;
		p = NULL;
	}
	while (p && p->role.level > 1)
		p = child_slow(a, p, &s);
	if (p)
		s = set_leaf(a, p);
	pthread_mutex_unlock(&mmu->lock);
	return s;
}

static enum step one_attempt(struct attempt *a)
{
	enum step s = descend_fast(a);

	return s == STEP_SLOW ? descend_slow(a) : s;
}

/* A processor that took a page fault has dropped what it had for the address, whatever the privilege
 * it was for (SDM vol. 3, section 4.10.4.1); then so must we. */
static void forget_page(struct sh_vcpu *v, const struct sh_walk *w)
{
	if (w->level == 1 && !sh_mutant(SH_MUT_FAULT_FORGETS_NOTHING))
		sh_unsync_sync_walked(v->mmu, v, w->table[1], w->gva);
}

/* The frame is being released: whoever does that has the lock until it is through. */
static void let_gather_end(struct sh_mmu *mmu)
{
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	pthread_mutex_unlock(&mmu->lock);
}

/* Sets *r and returns true, or returns false: the guest changed something, walk again. */
static bool hidden(struct sh_vcpu *v, unsigned flags, const struct sh_walk *w,
		   enum sh_fault_result *r)
{
	enum sh_view view = sh_view_of(&v->mode, flags & SH_USER, flags & SH_AC);
	struct attempt a = {.v = v, .gva = w->gva, .flags = flags, .w = w};
	mfn_t root;

	*r = SH_FAULT_HOST;
	if (sh_root(v, view, &root))
		return true;
	a.root = v->root[view];
	if (sh_dmap_is_root(v->mmu, a.root)) {
		*r = sh_dmap_fault(v, gpa_gfn(w->gpa), flags);
		return true;
	}
	if (one_attempt(&a) != STEP_DONE)
		return false;
	if (a.result == SH_FAULT_SPURIOUS && sh_frame_held(v->mmu, gpa_gfn(w->gpa))) {
		let_gather_end(v->mmu);
		return false;
	}
	if (a.lagging)
		forget_page(v, w);
	/* The leaf was there, the way to it was not. */
	*r = a.result == SH_FAULT_SPURIOUS && a.linked ? SH_FAULT_RESUME : a.result;
	return true;
}

static const enum sh_stat outcome[] = {
	[SH_FAULT_RESUME] = SH_ST_PF_FIXED,    [SH_FAULT_SPURIOUS] = SH_ST_PF_SPURIOUS,
	[SH_FAULT_INJECT] = SH_ST_PF_GUEST,    [SH_FAULT_NOT_CANON] = SH_ST_PF_GUEST,
	[SH_FAULT_TRACKED] = SH_ST_PF_EMULATE, [SH_FAULT_NO_RAM] = SH_ST_PF_EMULATE,
	[SH_FAULT_GATE] = SH_ST_PF_EMULATE,    [SH_FAULT_HOST] = SH_ST_PF_EMULATE,
};

bool sh_gate_hides(const struct sh_mmu *mmu, gva_t gva)
{
	return mmu->be.gate_entry && shadow_index(gva, mmu->be.levels) == 256;
}

static enum sh_fault_result fault(struct sh_vcpu *v, gva_t gva, unsigned flags,
				  struct sh_walk *w)
{
	uint64_t refused = gmem_refused();
	enum sh_fault_result r;
	enum sh_walk_result wr;

	for (unsigned i = 0; i < MAX_ATTEMPTS; i++) {
		wr = sh_walk(v->mmu->gm, &v->mode, &v->regs, gva, flags, w);
		sh_count(v->mmu, v, SH_ST_WALK_RETRY, w->retries);
		if (sh_trace_any(&v->mmu->trace))
			sh_trace_walk(v->mmu, v, flags, w, wr);
		if (gmem_refused() != refused)
			return SH_FAULT_HOST; /* not the guest's fault: what was read isn't RAM */
		if (wr != SH_WALK_OK) {
			if (wr == SH_WALK_FAULT)
				forget_page(v, w);
			return wr == SH_WALK_FAULT ? SH_FAULT_INJECT : SH_FAULT_NOT_CANON;
		}
		if (sh_gate_hides(v->mmu, w->gva))
			return SH_FAULT_GATE;
		if (mfn_eq(gmem_mfn(v->mmu->gm, gpa_gfn(w->gpa)), MFN_NONE))
			return SH_FAULT_NO_RAM;
		if (hidden(v, flags, w, &r) &&
		    !(r == SH_FAULT_TRACKED && sh_unsync_on_fault(v->mmu, v, gpa_gfn(w->gpa))))
			return r;
		sh_count(v->mmu, v, SH_ST_FAULT_RETRY, 1);
	}
	return SH_FAULT_RESUME; /* nothing installed: the instruction faults again */
}

enum sh_fault_result sh_fault(struct sh_vcpu *v, gva_t gva, unsigned flags, struct sh_walk *w)
{
	enum sh_fault_result r = SH_FAULT_HOST;
	uint64_t since = sh_trace_any(&v->mmu->trace) ? sh_trace_now(&v->mmu->trace) : 0;
	SH_TRACE_BECAUSE(v->mmu, v, SH_WHY_FAULT);

	sh_count(v->mmu, v, SH_ST_PF_TAKEN, 1);
	w->error = ENOMEM;
	if (sh_desc_reserve(v->mmu, 1 + PREFETCH_DIRECT + SH_MAX_LEVEL) == 0) {
		r = fault(v, gva, flags, w);
		if (r == SH_FAULT_HOST)
			w->error =
				sh_dmap_withholds(v, gpa_gfn(w->gpa), flags) ? EACCES : ENOMEM;
	}
	sh_count(v->mmu, v, outcome[r], 1);
	if (sh_trace_any(&v->mmu->trace))
		sh_trace_fault(v->mmu, v, gva, flags, w, r, since);
	return r;
}

enum sh_walk_result sh_translate(struct sh_vcpu *v, gva_t gva, unsigned flags,
				 struct sh_walk *w)
{
	uint64_t refused = gmem_refused();
	enum sh_walk_result r = sh_walk(v->mmu->gm, &v->mode, &v->regs, gva, flags, w);

	if (sh_trace_any(&v->mmu->trace))
		sh_trace_walk(v->mmu, v, flags, w, r);
	if (gmem_refused() != refused && !sh_mutant(SH_MUT_WALK_TAKES_REFUSED))
		return SH_WALK_HOST; /* not the guest's fault: what was read isn't RAM */
	if (r == SH_WALK_FAULT)
		forget_page(v, w);
	return r;
}
