/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ranges of reserved frames, and the sweep that leaves them alone. Read first: reserve.h, gather.h.
 */
#include <errno.h>

#include "shadow/gather.h"
#include "shadow/reserve.h"

#define SWEEP_CHUNK 256u

static bool overlaps(const struct sh_reserved *r, gfn_t first, uint64_t frames)
{
	return first.v < r->first.v + r->frames && r->first.v < first.v + frames;
}

uint64_t sh_reserved_run(const struct sh_mmu *mmu, gfn_t gfn)
{
	for (unsigned i = 0; i < mmu->reserved_n; i++)
		if (overlaps(&mmu->reserved[i], gfn, 1))
			return mmu->reserved[i].first.v + mmu->reserved[i].frames - gfn.v;
	return 0;
}

static int add(struct sh_mmu *mmu, gfn_t first, uint64_t frames, enum sh_reserved_kind kind)
{
	for (unsigned i = 0; i < mmu->reserved_n; i++)
		if (overlaps(&mmu->reserved[i], first, frames))
			return -EEXIST;
	if (mmu->reserved_n == SH_RESERVED_MAX)
		return -ENOSPC;
	mmu->reserved[mmu->reserved_n++] =
		(struct sh_reserved){first, frames, kind == SH_RESERVED_COUNTED};
	return 0;
}

int sh_reserve_frames(struct sh_mmu *mmu, gfn_t first, uint64_t frames,
		      enum sh_reserved_kind kind)
{
	int err;

	if (!frames || mfn_eq(gmem_run(mmu->gm, first, frames), MFN_NONE))
		return -EINVAL;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	err = add(mmu, first, frames, kind);
	pthread_mutex_unlock(&mmu->lock);
	return err;
}

static bool take_out(struct sh_mmu *mmu, gfn_t first, struct sh_reserved *out)
{
	for (unsigned i = 0; i < mmu->reserved_n; i++)
		if (gfn_eq(mmu->reserved[i].first, first)) {
			*out = mmu->reserved[i];
			mmu->reserved[i] = mmu->reserved[--mmu->reserved_n];
			return true;
		}
	return false;
}

static bool nobody_counts(void *ctx, gfn_t gfn)
{
	(void)ctx;
	(void)gfn;
	return false;
}

/* Last-level tables that map nothing any more and nobody needs. */
static void drop_empty(struct sh_gather *g)
{
	struct sh_page *p = g->mmu->lru.list_next, *next;

	for (; p != &g->mmu->lru; p = next) {
		next = p->list_next;
		if (p->role.level == 1 && !atomic_load(&p->present) && !atomic_load(&p->pins))
			sh_gather_table(g, p);
	}
}

int sh_unreserve_frames(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first,
			const struct sh_release *rel, struct sh_unmapped *out)
{
	static const struct sh_release none = {nobody_counts, NULL};
	struct sh_reserved r;
	struct sh_gather g;
	bool found;
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_UNMAP);

	*out = (struct sh_unmapped){0};
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	found = take_out(mmu, first, &r);
	if (found) {
		bool counted = r.counted || sh_mutant(SH_MUT_RAW_RELEASED);

		sh_gather_begin(&g, mmu, v, counted ? rel : &none, out);
		for (uint64_t k = 0; k < r.frames; k++)
			out->busy += !sh_gather_frame(&g, GFN(first.v + k));
		drop_empty(&g);
		sh_gather_finish(&g);
		sh_pool_reap(mmu, v);
	}
	pthread_mutex_unlock(&mmu->lock);
	return found ? 0 : -ENOENT;
}

/* ---- the sweep ---- */

/* Frames from the hand on that may be taken, at most n: stepping over what is reserved or no RAM. */
static uint64_t step(struct sh_mmu *mmu, uint64_t n, struct sh_swept *out, struct sh_range *r)
{
	gfn_t at = GFN(mmu->sweep_hand);
	uint64_t run = sh_mutant(SH_MUT_SWEEP_RESERVED) ? 0 : sh_reserved_run(mmu, at);
	uint64_t k = 0;

	r->first = at;
	r->frames = 0;
	if (run) {
		out->reserved += run;
		return run;
	}
	while (k < n && !mfn_eq(gmem_mfn(mmu->gm, GFN(at.v + k)), MFN_NONE) &&
	       (sh_mutant(SH_MUT_SWEEP_RESERVED) || !sh_reserved_run(mmu, GFN(at.v + k))))
		k++;
	r->frames = k;
	return k ? k : 1;
}

static void sweep_range(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_range *r,
			const struct sh_release *rel, struct sh_swept *out)
{
	struct sh_unmapped u = {0};
	struct sh_gather g;
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_UNMAP);

	sh_gather_begin(&g, mmu, v, rel, &u);
	for (uint64_t k = 0; k < r->frames; k++)
		if (!sh_shadowed(mmu, GFN(r->first.v + k)))
			sh_gather_frame(&g, GFN(r->first.v + k));
	sh_gather_finish(&g);
	out->looked += r->frames;
	out->claimed += u.released;
	out->kicks += u.kicks;
}

int sh_sweep_frames(struct sh_mmu *mmu, struct sh_vcpu *v, uint64_t want,
		    const struct sh_release *rel, struct sh_swept *out)
{
	uint64_t before = gmem_resident(mmu->gm), gone = 0, now;
	struct sh_range r;

	*out = (struct sh_swept){0};
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	while (gone < mmu->rmap_frames && out->freed < want) {
		uint64_t n = want - out->freed < SWEEP_CHUNK ? want - out->freed : SWEEP_CHUNK;
		uint64_t k = step(mmu, n, out, &r);

		if (r.frames)
			sweep_range(mmu, v, &r, rel, out);
		gone += k;
		mmu->sweep_hand = (mmu->sweep_hand + k) % mmu->rmap_frames;
		now = gmem_resident(mmu->gm);
		out->freed = now < before ? before - now : 0;
		if (sh_mutant(SH_MUT_CLAIMS_BELIEVED))
			out->freed = out->claimed;
	}
	pthread_mutex_unlock(&mmu->lock);
	return out->freed ? 0 : -ENOMEM;
}
