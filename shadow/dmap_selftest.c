/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The self-test: pieces of random length are given an attribute and it is taken back, and what the
 * map says of each page, and of the pages next to the piece, is looked up after each of the two.
 *
 * The length of a piece is drawn anew for each, and the request must say that exactly so many pages
 * were done: a test that passes one length and checks another tests nothing.
 * Locks: none. Read first: dmap.h.
 */
#include <errno.h>

#include "shadow/dmap.h"
#include "shadow/gmem.h"

#define LIST	  64u
#define RANGE_MAX 1100u /* more than two 2-MByte pages */

struct piece {
	uint64_t first, frames;
};

static uint64_t rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Backwards, so that a list is not mistaken for a range. */
static int by_array(struct sh_mmu *mmu, struct sh_vcpu *v, const struct piece *p,
		    struct sh_dmap_req *req)
{
	gva_t at[LIST];

	for (uint64_t i = 0; i < p->frames; i++)
		at[i] = GVA((p->first + p->frames - 1 - i) << SH_PAGE_SHIFT);
	return sh_dmap_change_array(mmu, v, at, p->frames, req);
}

static int by_frames(struct sh_mmu *mmu, struct sh_vcpu *v, const struct piece *p,
		     struct sh_dmap_req *req)
{
	mfn_t mfn[LIST];

	for (uint64_t i = 0; i < p->frames; i++)
		mfn[i] = gmem_mfn(sh_mmu_gmem(mmu), GFN(p->first + p->frames - 1 - i));
	return sh_dmap_change_frames(mmu, v, mfn, p->frames, req);
}

static int by_range(struct sh_mmu *mmu, struct sh_vcpu *v, const struct piece *p,
		    struct sh_dmap_req *req)
{
	return sh_dmap_change(mmu, v, GFN(p->first), p->frames, req);
}

static const struct {
	int (*change)(struct sh_mmu *mmu, struct sh_vcpu *v, const struct piece *p,
		      struct sh_dmap_req *req);
	uint64_t most;
} forms[SH_DM_FORMS] = {[SH_DM_RANGE] = {by_range, RANGE_MAX},
			[SH_DM_ARRAY] = {by_array, LIST},
			[SH_DM_FRAMES] = {by_frames, LIST}};

static bool has(struct sh_mmu *mmu, uint64_t f, unsigned bit)
{
	struct sh_dmap_page p;

	return sh_dmap_look(mmu, GFN(f), &p) && p.attr & bit;
}

/* In the piece all have the bit, or none; the neighbours have none. */
static int check(struct sh_mmu *mmu, const struct sh_dmap_selftest *t, const struct piece *p,
		 bool want)
{
	for (uint64_t f = p->first; f < p->first + p->frames; f++)
		if (has(mmu, f, t->bit) != want)
			return -EIO;
	if (p->first > t->first.v && has(mmu, p->first - 1, t->bit))
		return -EIO;
	if (p->first + p->frames < t->first.v + t->frames &&
	    has(mmu, p->first + p->frames, t->bit))
		return -EIO;
	return 0;
}

static int turn(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_dmap_selftest *t,
		const struct piece *p, bool on)
{
	struct sh_dmap_req req = {.set = on ? t->bit : 0, .clear = on ? 0 : t->bit};
	int err = forms[t->form].change(mmu, v, p, &req);

	if (err)
		return err;
	if (req.done != p->frames)
		return -EIO;
	t->pages += req.done;
	return check(mmu, t, p, on);
}

static int round_of(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_dmap_selftest *t)
{
	struct piece p = {.first = t->first.v};
	uint64_t end = t->first.v + t->frames;
	int err = 0;

	for (; p.first < end && !err; p.first += p.frames) {
		p.frames = 1 + rnd(&t->seed) % forms[t->form].most;
		p.frames = p.frames < end - p.first ? p.frames : end - p.first;
		err = turn(mmu, v, t, &p, true);
		if (!err)
			err = turn(mmu, v, t, &p, false);
	}
	return err;
}

int sh_dmap_selftest(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_dmap_selftest *t)
{
	int err = 0;

	if (t->form >= SH_DM_FORMS || !t->bit || t->bit & (t->bit - 1) || t->bit & ~SH_DM_ALL)
		return -EINVAL;
	t->seed |= 1;
	t->pages = 0;
	for (unsigned i = 0; i < t->rounds && !err; i++)
		err = round_of(mmu, v, t);
	return err;
}
