/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Aliases: the other entries that map a frame follow the direct map, and the scan for what is
 * writable and executable.
 *
 * A right that is withheld is a mark in the frame's reverse map, beside the tracked one, so that
 * leaf.c, which holds the frame's stripe when it makes an entry, grants nothing the mark withholds.
 * Order: mark -> take it from the entries that exist -> one shootdown for the whole request.
 * Only P and W follow: whether a page is executable is decided by each mapping (PA-14).
 *
 * Locks: mmu->lock for the entries (pages don't vanish), the stripe for marks and W, page->lock and
 * the stripe for a drop. Read first: leaf.c, track.c, dmap_internal.h.
 */
#include "shadow/dmap_internal.h"
#include "shadow/spte.h"

static uint64_t marks_of(unsigned attr)
{
	return (attr & SH_DM_P ? SH_SET_NO_ACCESS : 0) | (attr & SH_DM_W ? SH_SET_NO_WRITE : 0);
}

struct alias {
	struct sh_dmap *dm;
	struct sh_vcpu *v;
};

static void take_write(void *ctx, sh_slot_t s)
{
	struct alias *a = ctx;
	struct sh_mmu *mmu = a->dm->mmu;
	uint64_t old = atomic_fetch_and(sh_slot_ptr(mmu, s), ~PTE_W);

	if (!(old & PTE_W))
		return;
	sh_trace(mmu, a->v, set_spte, 1, sh_slot_mpa(mmu, s).v, old, old & ~PTE_W);
	mmu->be.touch(mmu->be.ctx, a->v, sh_slot_mpa(mmu, s));
	sh_dropped(mmu);
	dm_count(a->dm, DM_ALIAS_LEAVES, 1);
}

/* Marks one frame; returns its marks. To large leaves a frame with marks is as a tracked one: they
 * are dropped around it, and none is made. */
static uint64_t mark(struct alias *a, gfn_t gfn, uint64_t on, uint64_t off)
{
	struct sh_mmu *mmu = a->dm->mmu;
	struct sh_stripe *st = sh_stripe(mmu, gfn);
	uint64_t before, now;

	pthread_spin_lock(&st->lock);
	before = atomic_fetch_or(&mmu->rmap[gfn.v], on);
	atomic_fetch_and(&mmu->rmap[gfn.v], ~off);
	now = atomic_load(&mmu->rmap[gfn.v]);
	if (now & SH_SET_NO_WRITE)
		sh_set_each(&mmu->rmap[gfn.v], take_write, a);
	pthread_spin_unlock(&st->lock);
	if (!(before & SH_SET_HELD) && now & SH_SET_HELD)
		sh_large_track(mmu, a->v, gfn);
	if (before & SH_SET_HELD && !(now & SH_SET_HELD))
		sh_large_untrack(mmu, gfn);
	return now;
}

static sh_slot_t first_slot(struct sh_mmu *mmu, gfn_t gfn)
{
	struct sh_stripe *st = sh_stripe(mmu, gfn);
	sh_slot_t s;

	pthread_spin_lock(&st->lock);
	s = sh_set_at(&mmu->rmap[gfn.v], 0);
	pthread_spin_unlock(&st->lock);
	return s;
}

/* No new ones come: the mark is there. One that goes by itself meanwhile is not ours to drop. */
static void drop_all(struct alias *a, gfn_t gfn)
{
	struct sh_mmu *mmu = a->dm->mmu;
	sh_slot_t s;

	while ((s = first_slot(mmu, gfn)) != SH_SLOT_NONE) {
		struct sh_page *p = sh_slot_page(mmu, s);
		uint64_t spte;

		pthread_spin_lock(&p->lock);
		spte = atomic_load(sh_slot_ptr(mmu, s));
		if (spte & PTE_P && gfn_eq(gmem_gfn(mmu->gm, sh_spte_mfn(spte)), gfn)) {
			sh_leaf_drop(mmu, a->v, p, s % SH_ENTRIES);
			dm_count(a->dm, DM_ALIAS_LEAVES, 1);
		}
		pthread_spin_unlock(&p->lock);
	}
}

void dm_alias(struct sh_dmap *dm, struct sh_vcpu *v, gfn_t gfn, uint64_t frames, unsigned set,
	      unsigned clear)
{
	struct alias a = {.dm = dm, .v = v};
	struct sh_mmu *mmu = dm->mmu;
	uint64_t on = marks_of(clear & ~set), off = marks_of(set);

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	for (uint64_t f = gfn.v; f < gfn.v + frames && f < mmu->rmap_frames; f++)
		if (mark(&a, GFN(f), on, off) & SH_SET_NO_ACCESS)
			drop_all(&a, GFN(f));
	sh_flush_drops(mmu, v);
	pthread_mutex_unlock(&mmu->lock);
}

/* ---- W and X at once ---- */

struct rights {
	struct sh_mmu *mmu;
	struct sh_wx *out;
	bool w, x, both;
};

static void look_at(struct rights *r, uint64_t leaf)
{
	if (!(leaf & PTE_P))
		return;
	r->out->leaves++;
	r->w |= leaf & PTE_W;
	r->x |= !(leaf & PTE_NX);
	r->both |= leaf & PTE_W && !(leaf & PTE_NX);
}

static void look_at_slot(void *ctx, sh_slot_t s)
{
	struct rights *r = ctx;

	look_at(r, atomic_load(sh_slot_ptr(r->mmu, s)));
}

/* mmu->lock held: it guards the sets of regions. */
static void scan_frame(struct sh_mmu *mmu, gfn_t gfn, struct sh_wx *out)
{
	struct rights r = {.mmu = mmu, .out = out};
	struct sh_stripe *st = sh_stripe(mmu, gfn);
	struct sh_dmap_page p;

	if (sh_dmap_look(mmu, gfn, &p))
		look_at(&r, p.entry);
	pthread_spin_lock(&st->lock);
	sh_set_each(&mmu->rmap[gfn.v], look_at_slot, &r);
	pthread_spin_unlock(&st->lock);
	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++)
		sh_set_each(&sh_region(mmu, l, gfn)->leaves, look_at_slot, &r);
	if (!r.w || !r.x)
		return;
	if (!out->wx && !out->wx_alias)
		out->first = gfn;
	out->wx += r.both;
	out->wx_alias += !r.both;
}

/* By frame: the reverse maps know every leaf of every tree, the direct map its own. */
void sh_wx_scan(struct sh_mmu *mmu, struct sh_wx *out)
{
	*out = (struct sh_wx){.leaves = 0};
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	for (uint64_t f = 0; f < mmu->rmap_frames; f++)
		if (!mfn_eq(gmem_mfn(mmu->gm, GFN(f)), MFN_NONE))
			scan_frame(mmu, GFN(f), out);
	pthread_mutex_unlock(&mmu->lock);
}
