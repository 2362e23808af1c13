/* SPDX-License-Identifier: BSD-2-Clause
 *
 * change_page_attr(): the loop over what a request names.
 *
 * One step of it, for the leaf around the next frame:
 *   as asked already            nothing ("sameprot"), and on to the end of the leaf
 *   the leaf lies in the range  changed in place, whatever its size ("preserved" for a large one)
 *   else                        split under mmu->lock, flush, and the step again
 * The first two take no lock but the table's. At the end, or when there is no room to note more, comes
 * one shootdown if anything was narrowed, then the cache flush of exactly the ranges whose memory type
 * changed (SDM vol. 3, section 12.12.4: flush the TLBs before the caches), then the aliases.
 *
 * Locks: none on entry unless said so. Read first: dmap_internal.h. Read next: dmap_split.c.
 */
#include <errno.h>

#include "shadow/dmap_internal.h"

#define MAX_RANGES 8u

/* A request being carried out. */
struct work {
	struct sh_dmap *dm;
	struct sh_vcpu *v;
	struct sh_dmap_req *req;
	bool locked;	/* by the caller */
	bool changed;	/* something since the last flush */
	bool joinable;	/* a change that may let a large page come back */
	uint64_t ahead; /* frames from here to the end of the request */
	struct {
		mpa_t mpa;
		uint64_t bytes;
	} type[MAX_RANGES]; /* memory type changed, caches not flushed yet */
	unsigned types;
};

enum step { STEP_DONE, STEP_SPLIT, STEP_AGAIN, STEP_DENIED };

static void lock(struct work *w)
{
	if (w->locked)
		return;
	sh_may_wait();
	pthread_mutex_lock(&w->dm->mmu->lock);
}

static void unlock(struct work *w)
{
	if (!w->locked)
		pthread_mutex_unlock(&w->dm->mmu->lock);
}

/* Every vCPU has forgotten what was changed; then no line is in a cache by the old type. */
static void settle(struct work *w)
{
	struct sh_mmu *mmu = w->dm->mmu;

	if (w->changed && atomic_load(&mmu->drops) != atomic_load(&mmu->drops_flushed)) {
		lock(w);
		sh_flush_drops(mmu, w->v);
		unlock(w);
		dm_count(w->dm, DM_FLUSHES, 1);
	}
	w->changed = false;
	for (unsigned i = 0; i < w->types; i++) {
		if (mmu->be.cache_flush)
			mmu->be.cache_flush(mmu->be.ctx, w->type[i].mpa, w->type[i].bytes);
		dm_count(w->dm, DM_CACHE_FLUSHES, 1);
		dm_count(w->dm, DM_CACHE_LINES, w->type[i].bytes / DM_LINE);
	}
	w->types = 0;
}

static void note_type(struct work *w, unsigned level, uint64_t leaf)
{
	mpa_t mpa = mfn_mpa(dm_mfn(level, leaf));
	uint64_t bytes = dm_frames(level) << SH_PAGE_SHIFT;
	unsigned last = w->types - 1;

	if (w->types && w->type[last].mpa.v + w->type[last].bytes == mpa.v) {
		w->type[last].bytes += bytes;
		return;
	}
	w->type[w->types].mpa = mpa;
	w->type[w->types++].bytes = bytes;
}

static unsigned wanted(const struct work *w, unsigned attr)
{
	return (attr & ~w->req->clear) | w->req->set;
}

/* The table's lock held. */
static enum step apply(struct work *w, struct dm_at *at, uint64_t f, uint64_t *n)
{
	struct sh_dmap *dm = w->dm;
	uint64_t span = dm_frames(at->level), within = f & (span - 1);
	unsigned attr = dm_attr(at->level, at->entry), want = wanted(w, attr);
	uint64_t new;

	*n = span - within < w->ahead ? span - within : w->ahead;
	dm_count(dm, DM_CHECKED, 1);
	if (want == attr && !sh_mutant(SH_MUT_DM_SAMEPROT_SPLITS)) {
		dm_count_at(dm, DM_SAMEPROT, at->level, 1);
		return STEP_DONE;
	}
	if (dm->wx && want & SH_DM_W && want & SH_DM_X && !sh_mutant(SH_MUT_DM_WX_ALLOWED))
		return STEP_DENIED;
	if (at->level > 1 && (*n < span || want & SH_DM_PIN))
		return STEP_SPLIT;
	new = dm_make(at->level, dm_mfn(at->level, at->entry), want,
		      want & SH_DM_W && !dm_tracked(dm, f, at->level));
	if (at->level > 1)
		dm_count_at(dm, DM_PRESERVED, at->level, 1);
	if ((attr ^ want) & SH_DM_TYPE || sh_mutant(SH_MUT_DM_FLUSH_ALWAYS))
		note_type(w, at->level, at->entry);
	dm_store(dm, w->v, at, new);
	w->changed = true;
	w->joinable |= at->level < dm->largest;
	return STEP_DONE;
}

/* One leaf, by whatever size it is mapped. */
static enum step look(struct work *w, uint64_t f, uint64_t *n, unsigned *level)
{
	enum step s = STEP_AGAIN;
	struct dm_at at;

	sh_read_lock();
	at = dm_walk(w->dm, f);
	*level = at.level;
	pthread_spin_lock(&at.p->lock);
	at.entry = atomic_load_explicit(dm_entry(w->dm, &at), memory_order_relaxed);
	if (!atomic_load(&at.p->invalid) && at.entry & DM_LEAF)
		s = apply(w, &at, f, n);
	pthread_spin_unlock(&at.p->lock);
	sh_read_unlock();
	return s;
}

static int split(struct work *w, uint64_t f, unsigned level)
{
	int err;

	lock(w);
	if (!w->locked)
		dm_refill(w->dm, w->v);
	err = dm_split(w->dm, w->v, f, level, w->req);
	unlock(w);
	return err;
}

/* Somebody is splitting or collapsing here, under mmu->lock. */
static void wait_for_other(struct work *w)
{
	lock(w);
	unlock(w);
}

static int step(struct work *w, uint64_t f, uint64_t *n)
{
	unsigned level;
	int err;

	if (w->types == MAX_RANGES)
		settle(w);
	for (;;) {
		switch (look(w, f, n, &level)) {
		case STEP_DONE:
			return 0;
		case STEP_DENIED:
			return -EACCES;
		case STEP_AGAIN:
			wait_for_other(w);
			break;
		case STEP_SPLIT:
			err = split(w, f, level);
			if (err)
				return err;
			break;
		}
	}
}

static void join(struct work *w, uint64_t f)
{
	if (!w->joinable || w->locked || !w->dm->mmu->opt.on[SH_OPT_COLLAPSE] ||
	    !dm_collapsible(w->dm, f))
		return;
	settle(w); /* what was narrowed is out of all TLBs before sizes mix */
	lock(w);
	dm_collapse_around(w->dm, w->v, f);
	unlock(w);
}

/* After each 2 MBytes and at the end, large pages may come back. */
static int run(struct work *w, uint64_t first, uint64_t frames, uint64_t *done)
{
	uint64_t f = first, n = 0;
	int err = 0;

	while (f < first + frames) {
		w->ahead = first + frames - f;
		err = step(w, f, &n);
		if (err)
			break;
		f += n;
		if (!(f & (dm_frames(2) - 1)) || f == first + frames) {
			join(w, f - 1);
			w->joinable = false;
		}
	}
	*done = f - first;
	return err;
}

static bool all_mapped(const struct sh_dmap *dm, uint64_t first, uint64_t frames)
{
	while (frames) {
		const struct dm_region *r = dm_region(dm, first);
		uint64_t n = r ? r->first + r->frames - first : 0;

		if (!n)
			return false;
		n = n < frames ? n : frames;
		first += n;
		frames -= n;
	}
	return true;
}

static int check(const struct sh_dmap *dm, struct sh_dmap_req *req)
{
	req->done = 0;
	if (!dm)
		return -EOPNOTSUPP;
	return (req->set | req->clear) & ~SH_DM_ALL ? -EINVAL : 0;
}

int dm_change(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t first, uint64_t frames,
	      struct sh_dmap_req *req, bool locked)
{
	struct work w = {.dm = dm, .v = v, .req = req, .locked = locked};
	int err = run(&w, first, frames, &req->done);

	if (!locked && !(err && sh_mutant(SH_MUT_DM_ERROR_UNFLUSHED)))
		settle(&w);
	return err;
}

static bool aliased(const struct sh_dmap_req *req)
{
	return req->alias && (req->set | req->clear) & (SH_DM_P | SH_DM_W) &&
	       !sh_mutant(SH_MUT_DM_ALIAS_SKIPPED);
}

/* Our own windows are aliases as well. They go first: what a window still shows is from before. */
static void purge(struct sh_dmap *dm, gfn_t first, uint64_t frames,
		  const struct sh_dmap_req *req)
{
	if (aliased(req) && req->clear & SH_DM_P)
		gmem_pool_purge(dm->mmu->gm, first, frames);
}

int sh_dmap_change(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t frames,
		   struct sh_dmap_req *req)
{
	struct sh_dmap *dm = dm_of(mmu);
	int err = check(dm, req);
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_ATTR);

	if (err)
		return err;
	if (first.v + frames < first.v || !all_mapped(dm, first.v, frames))
		return -EFAULT;
	purge(dm, first, frames, req);
	err = dm_change(dm, v, first.v, frames, req, false);
	if (aliased(req))
		dm_alias(dm, v, first, req->done, req->set, req->clear);
	return err;
}

/* Single pages: one flush for all of them all the same. */
static int each(struct sh_dmap *dm, struct sh_vcpu *v,
		uint64_t (*frame)(const void *, uint64_t), const void *list, uint64_t n,
		struct sh_dmap_req *req)
{
	struct work w = {.dm = dm, .v = v, .req = req};
	uint64_t i, one;
	int err = 0;
	SH_TRACE_BECAUSE(dm->mmu, v, SH_WHY_ATTR);

	for (i = 0; i < n; i++)
		if (!dm_region(dm, frame(list, i)))
			return -EFAULT;
	if (n > 1 && sh_mutant(SH_MUT_DM_DONE_OFF))
		n--;
	for (i = 0; i < n; i++)
		purge(dm, GFN(frame(list, i)), 1, req);
	for (i = 0; i < n && !err; i += !err)
		err = run(&w, frame(list, i), 1, &one);
	settle(&w);
	req->done = i;
	for (uint64_t k = 0; aliased(req) && k < i; k++)
		dm_alias(dm, v, GFN(frame(list, k)), 1, req->set, req->clear);
	return err;
}

static uint64_t frame_of_address(const void *list, uint64_t i)
{
	return ((const gva_t *)list)[i].v >> SH_PAGE_SHIFT;
}

int sh_dmap_change_array(struct sh_mmu *mmu, struct sh_vcpu *v, const gva_t *at, uint64_t n,
			 struct sh_dmap_req *req)
{
	struct sh_dmap *dm = dm_of(mmu);
	int err = check(dm, req);

	return err ? err : each(dm, v, frame_of_address, at, n, req);
}

/* Machine frames are turned into linear ones by the region they are of. */
struct frame_list {
	const struct sh_dmap *dm;
	const mfn_t *mfn;
};

static uint64_t frame_of_mfn(const void *list, uint64_t i)
{
	const struct frame_list *l = list;

	for (unsigned r = 0; r < l->dm->regions; r++) {
		const struct dm_region *g = &l->dm->region[r];

		if (l->mfn[i].v - g->mfn.v < g->frames)
			return g->first + (l->mfn[i].v - g->mfn.v);
	}
	return UINT64_MAX;
}

int sh_dmap_change_frames(struct sh_mmu *mmu, struct sh_vcpu *v, const mfn_t *mfn, uint64_t n,
			  struct sh_dmap_req *req)
{
	struct sh_dmap *dm = dm_of(mmu);
	struct frame_list list = {.dm = dm, .mfn = mfn};
	int err = check(dm, req);

	return err ? err : each(dm, v, frame_of_mfn, &list, n, req);
}
