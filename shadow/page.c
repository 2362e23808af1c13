/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shadow pages by key: find, make, take out of use.
 *
 * Invariants: a key names at most one live page, private copies (share.c) apart; a guest frame is tracked as long as any live page
 * has it as its table.
 * Locks: mmu->lock to change; readers of the hash are in an RCU read-side section or hold it.
 * Read first: page.h. Read next: link.c, leaf.c, track.c.
 */
#include "shadow/unsync.h"

static unsigned bucket(gfn_t gfn)
{
	/* By gfn alone, so that a tracked write finds all roles of a table in one chain. */
	return (unsigned)((gfn.v * 0x9e3779b97f4a7c15ull) >> 52) % SH_HASH_BUCKETS;
}

struct sh_page *sh_page_find(struct sh_mmu *mmu, gfn_t gfn, struct sh_role role)
{
	struct sh_page *p = atomic_load_explicit(&mmu->hash[bucket(gfn)], memory_order_acquire);

	for (; p; p = atomic_load_explicit(&p->hash_next, memory_order_acquire))
		if (gfn_eq(p->gfn, gfn) && sh_role_eq(p->role, role) && !p->copy)
			return p;
	return NULL;
}

static struct sh_page *next_of(struct sh_mmu *mmu, gfn_t gfn, struct sh_page *after,
			       bool (*wanted)(struct sh_role))
{
	struct sh_page *p =
		after ? atomic_load_explicit(&after->hash_next, memory_order_acquire)
		      : atomic_load_explicit(&mmu->hash[bucket(gfn)], memory_order_acquire);

	for (; p; p = atomic_load_explicit(&p->hash_next, memory_order_acquire))
		if (gfn_eq(p->gfn, gfn) && wanted(p->role))
			return p;
	return NULL;
}

struct sh_page *sh_page_of_gfn(struct sh_mmu *mmu, gfn_t gfn, struct sh_page *after)
{
	return next_of(mmu, gfn, after, sh_role_is_table);
}

struct sh_page *sh_page_of_vcpu(struct sh_mmu *mmu, unsigned vcpu, struct sh_page *after)
{
	return next_of(mmu, GFN(vcpu), after, sh_role_is_registers);
}

static void hash_add(struct sh_mmu *mmu, struct sh_page *p)
{
	_Atomic(struct sh_page *) *b = &mmu->hash[bucket(p->gfn)];

	atomic_store_explicit(&p->hash_next, atomic_load(b), memory_order_relaxed);
	atomic_store_explicit(b, p, memory_order_release);
}

/* Readers may still stand on p: its hash_next stays as it was until the grace period is over. */
static void hash_del(struct sh_mmu *mmu, struct sh_page *p)
{
	_Atomic(struct sh_page *) *at = &mmu->hash[bucket(p->gfn)];

	while (atomic_load(at) != p)
		at = &atomic_load(at)->hash_next;
	atomic_store_explicit(at, atomic_load(&p->hash_next), memory_order_release);
}

/* The frame of a new page is tracked from now on, or is unsync and stays so. True: it was neither, or
 * is no longer unsync, so that what was read of it before may be of the past. */
static bool watch(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	struct sh_unsync *u = sh_unsync_find(mmu, p->gfn);

	if (u && p->role.level == 1 && sh_unsync_fits(u, p)) {
		sh_unsync_join(u, p);
		return false;
	}
	if (u && !sh_mutant(SH_MUT_UPPER_OVER_UNSYNC)) {
		sh_unsync_end(mmu, v, u);
		return true;
	}
	if (sh_tracked(mmu, p->gfn))
		return false;
	sh_track(mmu, v, p->gfn);
	return true;
}

static void unwatch(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct sh_unsync *u = sh_unsync_find(mmu, gfn);

	if (u)
		sh_unsync_drop(mmu, u);
	sh_untrack(mmu, v, gfn);
}

static bool has_gate(const struct sh_mmu *mmu, const struct sh_page *p)
{
	return p->role.level == mmu->be.levels && mmu->be.gate_entry;
}

static struct sh_page *make(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn,
			    struct sh_role role, bool copy, bool *made)
{
	struct sh_page *p = sh_pool_get(mmu);

	if (!p)
		return NULL;
	sh_count(mmu, v, SH_ST_CACHE_MISS, 1);
	p->gfn = gfn;
	p->role = role;
	p->copy = copy;
	atomic_store_explicit(&p->state, SH_PAGE_LIVE, memory_order_release);
	if (has_gate(mmu, p))
		atomic_store(&sh_page_table(mmu, p)[256], mmu->be.gate_entry);
	sh_lru_add(mmu, p);
	hash_add(mmu, p);
	sh_trace(mmu, v, get_page, role.level, gfn.v, sh_page_mfn(mmu, p).v, role.direct);
	if (sh_role_is_table(role))
		*made |= watch(mmu, v, p);
	return p;
}

struct sh_page *sh_page_get(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn,
			    struct sh_role role, bool *made)
{
	struct sh_page *p = sh_page_find(mmu, gfn, role);

	return p ? p : make(mmu, v, gfn, role, false, made);
}

struct sh_page *sh_page_copy(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_page *p)
{
	bool made = false;

	return make(mmu, v, p->gfn, p->role, true, &made);
}

void sh_page_empty(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	_Atomic uint64_t *table = sh_page_table(mmu, p);

	for (unsigned i = 0; i < SH_ENTRIES; i++) {
		if (!atomic_load_explicit(&table[i], memory_order_relaxed) ||
		    (i == 256 && has_gate(mmu, p)))
			continue;
		if (p->role.level > 1) {
			sh_unlink(mmu, v, p, i);
			continue;
		}
		pthread_spin_lock(&p->lock);
		sh_leaf_drop(mmu, v, p, i);
		pthread_spin_unlock(&p->lock);
	}
}

static void clear_entries(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	sh_page_empty(mmu, v, p);
	if (has_gate(mmu, p))
		atomic_store(&sh_page_table(mmu, p)[256], 0);
	mmu->be.touch_table(mmu->be.ctx, v, sh_page_mfn(mmu, p));
}

/* A record that stays has no entry: that is a bug, and the audit's to report. */
static void leave_parents(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	sh_slot_t s = sh_set_at(&p->parents, 0);

	for (sh_slot_t before = SH_SLOT_NONE; s != before; s = sh_set_at(&p->parents, 0)) {
		if (s == SH_SLOT_NONE)
			return;
		sh_unlink(mmu, v, sh_slot_page(mmu, s), s % SH_ENTRIES);
		before = s;
	}
}

void sh_page_zap(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_ZAP);

	sh_trace(mmu, v, prepare_zap_page, p->role.level, p->gfn.v, sh_page_mfn(mmu, p).v,
		 atomic_load(&p->present));
	/* From here on no fault installs into it: they check under the same lock. */
	pthread_spin_lock(&p->lock);
	atomic_store(&p->invalid, 1);
	pthread_spin_unlock(&p->lock);
	hash_del(mmu, p);
	if (!sh_mutant(SH_MUT_ZAP_LEAVES_PARENTS))
		leave_parents(mmu, v, p);
	clear_entries(mmu, v, p);
	if (sh_role_is_table(p->role) &&
	    (!sh_page_of_gfn(mmu, p->gfn, NULL) || sh_mutant(SH_MUT_UNTRACK_EARLY)))
		unwatch(mmu, v, p->gfn);
	sh_lru_del(p);
	sh_pool_dying(mmu, p);
}
