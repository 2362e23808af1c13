/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shared tables: share counts, private copies, zaps of a root or a range.
 *
 * The protocol, which tests/models/share.pml checks for two and three parties: under one hold of
 * mmu->lock, look at the count before anything is taken from it. 1: ours alone, and it stays so,
 * because a new sharer needs the lock as well. More, and all of it goes: one less. More, and a part
 * goes: copy, and only when the copy is complete, one less. (Counting down first and looking after,
 * as was proposed for Linux in 2002, lets two parties both take a table for theirs.)
 *
 * Invariants: the share count of a table is the size of its set of parents, and of nothing else;
 * pins keep a table from going out of use, but make it neither shared nor unshared. A private copy
 * has one parent entry, the key of what it was copied from, and is in the hash, so that tracked
 * writes and resyncs find it; only sh_page_find() passes it over.
 * Locks: mmu->lock throughout, page locks inside. Read first: share.h, page.h, link.c.
 */
#include <errno.h>

#include "shadow/share.h"
#include "shadow/spte.h"
#include "shadow/unsync.h"

/* Entries that one zap copies at most, because a descriptor is reserved for each: a full last-level
 * table, and some on the way to it. */
#define COPY_MAX (SH_ENTRIES + 64)

struct zap {
	struct sh_mmu *mmu;
	struct sh_vcpu *v;
	struct sh_zap *z;
	unsigned copies;
};

uint32_t sh_share_count(const struct sh_page *p)
{
	return sh_set_count(&p->parents);
}

/* Whether more than one entry points at p; the cost doesn't grow with the count. */
static bool shared(const struct sh_page *p)
{
	if (sh_mutant(SH_MUT_SHARE_BY_REFCOUNT) && sh_share_count(p) + p->pins > 1)
		return true;
	return sh_set_at(&p->parents, 1) != SH_SLOT_NONE;
}

static struct sh_page *child_at(const struct sh_mmu *mmu, const struct sh_page *p, unsigned i)
{
	uint64_t spte = atomic_load(&sh_page_table(mmu, p)[i]);

	return spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;
}

static bool is_gate(const struct sh_mmu *mmu, const struct sh_page *p, unsigned i)
{
	return i == 256 && p->role.level == mmu->be.levels && mmu->be.gate_entry;
}

/* For the bugs: others may do what they like in between. */
static void let_others(struct sh_mmu *mmu)
{
	pthread_mutex_unlock(&mmu->lock);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
}

/* ---- private copies ---- */

/* Made from the guest's entry and not from the one copied, as at a fault: what both are made from
 * may have changed since. */
static void copy_leaf(struct zap *c, struct sh_page *to, unsigned i)
{
	struct sh_expect e;
	uint64_t gpte;

	pthread_spin_lock(&to->lock);
	gpte = sh_page_gpte(c->mmu, to, i);
	e = sh_expect(c->mmu, to->gfn, to->role, i, gpte);
	sh_unsync_note(c->mmu, to, i, gpte);
	if (e.kind == SH_EXPECT_LEAF)
		sh_leaf_set(c->mmu, c->v, to, i, e.gfn, e.access, e.dirty, false);
	pthread_spin_unlock(&to->lock);
}

/* The table below gets one parent more. */
static void copy_upper(struct zap *c, const struct sh_page *from, struct sh_page *to,
		       unsigned i)
{
	struct sh_page *child = child_at(c->mmu, from, i);
	struct sh_expect e;
	uint64_t large;

	if (child) {
		sh_link(c->mmu, c->v, to, i, child);
		return;
	}
	e = sh_expect(c->mmu, to->gfn, to->role, i, sh_page_gpte(c->mmu, to, i));
	large = sh_large_wanted(c->mmu, to, i, NULL, &e);
	if (large)
		sh_large_set(c->mmu, c->v, to, i, e.gfn, large);
}

/* An entry that can't be copied is missing in the copy, and a fault makes it. */
static void copy_entries(struct zap *c, const struct sh_page *from, struct sh_page *to)
{
	for (unsigned i = 0; i < SH_ENTRIES && c->copies < COPY_MAX; i++) {
		if (!(atomic_load(&sh_page_table(c->mmu, from)[i]) & PTE_P))
			continue;
		if (to->role.level > 1)
			copy_upper(c, from, to, i);
		else
			copy_leaf(c, to, i);
		c->copies++;
	}
}

/* Gives entry index of parent, which names the shared table from, a table of its own. NULL: there
 * was none to be had, and the entry is gone. */
static struct sh_page *own_copy(struct zap *c, struct sh_page *parent, unsigned index,
				struct sh_page *from)
{
	struct sh_page *to;

	if (sh_mutant(SH_MUT_COPY_AFTER_RELEASE)) {
		sh_unlink(c->mmu, c->v, parent, index);
		let_others(c->mmu);
	}
	to = sh_page_copy(c->mmu, c->v, from);
	if (!to) {
		sh_unlink(c->mmu, c->v, parent, index);
		return NULL;
	}
	copy_entries(c, from, to);
	/* The old entry goes in here, and with it our share of what it pointed at. */
	if (sh_link(c->mmu, c->v, parent, index, to)) {
		sh_page_zap(c->mmu, c->v, to);
		return NULL;
	}
	return to;
}

/* ---- zaps ---- */

static void release(struct zap *c, struct sh_page *parent, unsigned index);

static void drop_leaf(struct zap *c, struct sh_page *p, unsigned i)
{
	pthread_spin_lock(&p->lock);
	sh_leaf_drop(c->mmu, c->v, p, i);
	pthread_spin_unlock(&p->lock);
	c->z->entries++;
}

/* Takes away everything in p, which is ours alone. */
static void empty(struct zap *c, struct sh_page *p)
{
	for (unsigned i = 0; i < SH_ENTRIES; i++) {
		if (!(atomic_load(&sh_page_table(c->mmu, p)[i]) & PTE_P) ||
		    is_gate(c->mmu, p, i))
			continue;
		if (p->role.level > 1)
			release(c, p, i);
		else
			drop_leaf(c, p, i);
	}
}

/* No entry leads to p any more. If it is pinned, it stays, with nothing in it. */
static void drop_table(struct zap *c, struct sh_page *p)
{
	empty(c, p);
	if (atomic_load(&p->pins))
		return;
	sh_page_zap(c->mmu, c->v, p);
	c->z->tables++;
}

/* With the bug: one less first, and a look at what is left when others had their turn. */
static bool count_down_and_look(struct zap *c, struct sh_page *parent, unsigned index,
				struct sh_page *child)
{
	sh_unlink(c->mmu, c->v, parent, index);
	let_others(c->mmu);
	return child && !sh_share_count(child);
}

/* Entry index of parent goes; what it alone pointed at, too. */
static void release(struct zap *c, struct sh_page *parent, unsigned index)
{
	struct sh_page *child = child_at(c->mmu, parent, index);
	bool last = child && (!shared(child) || sh_mutant(SH_MUT_ZAP_THROUGH_SHARED));

	if (sh_mutant(SH_MUT_COUNTED_BEFORE_LOOK))
		last = count_down_and_look(c, parent, index, child);
	else
		sh_unlink(c->mmu, c->v, parent, index);
	c->z->entries++;
	if (last)
		drop_table(c, child);
	else if (child)
		c->z->released++;
}

/* The table below entry index of p, ours alone from now on. NULL: there is none any more. */
static struct sh_page *own(struct zap *c, struct sh_page *p, unsigned index)
{
	struct sh_page *child = child_at(c->mmu, p, index), *to;

	if (!shared(child) || sh_mutant(SH_MUT_ZAP_SHARED_IN_PLACE))
		return child;
	to = own_copy(c, p, index, child);
	if (to)
		c->z->unshared++;
	else
		c->z->released++;
	return to;
}

/* Takes away first..last of what p maps; both count from the start of its range. p is ours alone. */
static void zap_span(struct zap *c, struct sh_page *p, uint64_t first, uint64_t last)
{
	unsigned shift = sh_shadow_shift(p->role.level);
	uint64_t size = 1ull << shift;

	for (unsigned i = (unsigned)(first >> shift); i <= last >> shift; i++) {
		uint64_t spte = atomic_load(&sh_page_table(c->mmu, p)[i]), at = i * size;
		uint64_t from = first > at ? first - at : 0;
		uint64_t to = last - at < size ? last - at : size - 1;
		bool whole = !from && to == size - 1;
		struct sh_page *child;

		if (!(spte & PTE_P) || is_gate(c->mmu, p, i))
			continue;
		if (p->role.level == 1) {
			drop_leaf(c, p, i);
		} else if (whole || sh_spte_is_large(spte)) {
			release(c, p, i);
		} else {
			child = own(c, p, i);
			if (child)
				zap_span(c, child, from, to);
		}
	}
}

/* Every vCPU forgets what went. Only tables taken out of use wait for walkers, in the queue. */
static void finish(struct zap *c)
{
	if (c->z->tables) {
		sh_pool_reap(c->mmu, c->v);
		c->z->syncs++;
		return;
	}
	sh_flush_drops(c->mmu, c->v);
	if (sh_mutant(SH_MUT_EVERY_SHARER_SYNCS))
		sh_read_wait();
}

static struct sh_page *find_root(const struct zap *c, gfn_t gfn, struct sh_role role)
{
	return role.level == c->mmu->be.levels ? sh_page_find(c->mmu, gfn, role) : NULL;
}

int sh_zap_root(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn, struct sh_role role,
		struct sh_zap *z)
{
	struct zap c = {.mmu = mmu, .v = v, .z = z};
	struct sh_page *p;

	*z = (struct sh_zap){0};
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	p = find_root(&c, gfn, role);
	if (p) {
		drop_table(&c, p);
		finish(&c);
	}
	pthread_mutex_unlock(&mmu->lock);
	return p ? 0 : -ENOENT;
}

/* Each end of a range may lie inside a table of every level below the top; that many copies, at most,
 * are had before anything is looked at, because getting them may take tables away. Then there are
 * some, or none: either will do. */
int sh_zap_range(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn, struct sh_role role,
		 gva_t first, gva_t last, struct sh_zap *z)
{
	uint64_t mask = (1ull << (sh_shadow_shift(mmu->be.levels) + 9)) - 1;
	struct zap c = {.mmu = mmu, .v = v, .z = z};
	struct sh_page *p;

	*z = (struct sh_zap){0};
	if (last.v < first.v)
		return -EINVAL;
	sh_desc_reserve(mmu, COPY_MAX + 2 * SH_MAX_LEVEL);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	sh_reclaim_reserve(mmu, v, 2 * (mmu->be.levels - 1));
	p = find_root(&c, gfn, role);
	if (p) {
		zap_span(&c, p, first.v & mask, last.v & mask);
		finish(&c);
	}
	pthread_mutex_unlock(&mmu->lock);
	return p ? 0 : -ENOENT;
}
