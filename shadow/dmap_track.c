/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tracked frames in the direct map, and faults of guests that run on it.
 *
 * A leaf that maps a tracked frame has no W. Tracking can't fail and takes no table: of a large page
 * all of it loses W, by one store. The first write to another frame of it faults and splits it, so
 * that a direct map nobody runs on costs nothing but that store. W comes back to a page of 4 KBytes
 * when its frame is let go, to a large one at the first write that finds no tracked frame in it.
 *
 * Locks: mmu->lock in sh_dmap_track() and sh_dmap_untrack(), none in sh_dmap_fault().
 * Read first: dmap_internal.h, track.c.
 */
#include <errno.h>

#include "shadow/dmap_internal.h"

#define MAX_TRIES 16u

void sh_dmap_track(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct sh_dmap *dm = dm_of(mmu);
	struct dm_at at;

	if (!dm || !dm_region(dm, gfn.v) || sh_mutant(SH_MUT_DM_TRACKED_WRITABLE))
		return;
	at = dm_walk(dm, gfn.v);
	pthread_spin_lock(&at.p->lock);
	at.entry = atomic_load(dm_entry(dm, &at));
	if (at.entry & PTE_W)
		dm_store(dm, v, &at, at.entry & ~PTE_W);
	pthread_spin_unlock(&at.p->lock);
}

void sh_dmap_untrack(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct sh_dmap *dm = dm_of(mmu);
	struct dm_at at;

	if (!dm || !dm_region(dm, gfn.v))
		return;
	at = dm_walk(dm, gfn.v);
	pthread_spin_lock(&at.p->lock);
	at.entry = atomic_load(dm_entry(dm, &at));
	if (at.level == 1 && at.entry & DM_W && !(at.entry & PTE_W))
		dm_store(dm, v, &at, at.entry | PTE_W);
	pthread_spin_unlock(&at.p->lock);
}

enum step { STEP_DONE, STEP_SPLIT, STEP_AGAIN };

static bool withheld(unsigned attr, unsigned flags)
{
	if (!(attr & SH_DM_P) || !(attr & SH_DM_U))
		return true;
	return (flags & SH_WRITE && !(attr & SH_DM_W)) ||
	       (flags & SH_FETCH && !(attr & SH_DM_X));
}

/* The table's lock held. */
static enum step judge(struct sh_dmap *dm, struct sh_vcpu *v, struct dm_at *at, gfn_t gfn,
		       unsigned flags, enum sh_fault_result *r)
{
	if (withheld(dm_attr(at->level, at->entry), flags)) {
		*r = SH_FAULT_HOST;
	} else if (!(flags & SH_WRITE) || at->entry & PTE_W) {
		*r = SH_FAULT_SPURIOUS;
	} else if (sh_tracked(dm->mmu, gfn)) {
		*r = SH_FAULT_TRACKED;
	} else if (dm_tracked(dm, gfn.v, at->level)) {
		return STEP_SPLIT;
	} else {
		dm_store(dm, v, at, at->entry | PTE_W);
		*r = SH_FAULT_RESUME;
	}
	return STEP_DONE;
}

static enum step look(struct sh_dmap *dm, struct sh_vcpu *v, gfn_t gfn, unsigned flags,
		      unsigned *level, enum sh_fault_result *r)
{
	enum step s = STEP_AGAIN;
	struct dm_at at;

	sh_read_lock();
	at = dm_walk(dm, gfn.v);
	*level = at.level;
	pthread_spin_lock(&at.p->lock);
	at.entry = atomic_load(dm_entry(dm, &at));
	if (!atomic_load(&at.p->invalid) && at.entry & DM_LEAF)
		s = judge(dm, v, &at, gfn, flags, r);
	pthread_spin_unlock(&at.p->lock);
	sh_read_unlock();
	return s;
}

enum sh_fault_result sh_dmap_fault(struct sh_vcpu *v, gfn_t gfn, unsigned flags)
{
	struct sh_mmu *mmu = v->mmu;
	struct sh_dmap *dm = dm_of(mmu);
	enum sh_fault_result r = SH_FAULT_SPURIOUS;
	unsigned level;
	int err = 0;

	for (unsigned i = 0; i < MAX_TRIES && !err; i++) {
		enum step s = look(dm, v, gfn, flags, &level, &r);

		if (s == STEP_DONE)
			return r;
		sh_may_wait();
		pthread_mutex_lock(&mmu->lock);
		if (s == STEP_SPLIT) {
			dm_refill(dm, v);
			err = dm_split(dm, v, gfn.v, level, NULL);
		}
		pthread_mutex_unlock(&mmu->lock);
	}
	/* Without a table to split for it: the store is emulated, as one to a tracked frame is. */
	return err ? SH_FAULT_TRACKED : SH_FAULT_SPURIOUS;
}

bool sh_dmap_withholds(struct sh_vcpu *v, gfn_t gfn, unsigned flags)
{
	struct sh_mmu *mmu = v->mmu;
	struct sh_dmap_page p;
	uint64_t held;

	if (gfn.v >= mmu->rmap_frames || !sh_dmap_look(mmu, gfn, &p))
		return false;
	if (v->mode.format == SH_FMT_NONE && dm_of(mmu)->serves)
		return withheld(p.attr, flags);
	held = atomic_load(&mmu->rmap[gfn.v]);
	return held & SH_SET_NO_ACCESS || (flags & SH_WRITE && held & SH_SET_NO_WRITE);
}
