/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal: the direct map's tables and what changes them. Not installed.
 *
 * Entries. A leaf has DM_LEAF, present or not, so that a large page that is not present still says
 * which frame and size it has; an entry without DM_LEAF that is present names a table; 0 is no RAM.
 * Three bits the hardware ignores (SDM vol. 3, tables 4-16 to 4-20: bits 9 to 11) hold what it has no
 * bit for: that it is a leaf, that W is asked for (W itself is withheld while the page holds a
 * tracked frame), that it must stay a page of 4 KBytes.
 *
 * Who may write what:
 *   a leaf            with its table's page->lock, the table not `invalid`; or with mmu->lock
 *                     and page->lock
 *   leaf <-> table    likewise, mmu->lock held throughout (dmap_split.c, dmap_collapse.c)
 * A table is `invalid` from a split until every vCPU has forgotten the large page, and from a
 * collapse on: whoever finds it so passes through mmu->lock and looks again. So the attributes of
 * two page sizes that the hardware may remember for one address never differ (SDM vol. 3, section
 * 4.10.2.3 leaves it open which of them is used).
 * W is set only after a look for tracked frames under page->lock, and sh_track() marks the frame
 * before it takes that lock to clear W: one of the two sees the other.
 *
 * Read first: dmap.h, page.h, locks.h. Read next: dmap.c, dmap_walk.c, dmap_change.c.
 */
#ifndef UMBRA_SHADOW_DMAP_INTERNAL_H
#define UMBRA_SHADOW_DMAP_INTERNAL_H

#include "shadow/dmap.h"
#include "shadow/page.h"

#define DM_PIN	(1ull << 9)
#define DM_W	(1ull << 10)
#define DM_LEAF (1ull << 11)

#define DM_PAT_4K    (1ull << 7)
#define DM_PAT_LARGE (1ull << 12)

#define DM_RESERVE 4u /* tables kept for splits; one request needs two at a time */
#define DM_REGIONS (GMEM_MAX_REGIONS + 1u)
#define DM_LINE	   64u

/* Linear frames [first, first + frames) are machine frames [mfn, ...). */
struct dm_region {
	uint64_t first, frames;
	mfn_t mfn;
	unsigned attr; /* what they are made with */
};

enum dm_count {
	DM_CHECKED,
	DM_SPLITS_LOST,
	DM_FLUSHES,
	DM_CACHE_LINES,
	DM_CACHE_FLUSHES,
	DM_ALIAS_LEAVES,
	DM_MISSED,
	DM_KEPT,
	DM_HOLES,
	DM_COUNTS
};

enum dm_level_count {
	DM_SAMEPROT,
	DM_PRESERVED,
	DM_SPLITS,
	DM_COLLAPSES,
	DM_PAGES,
	DM_LEVEL_COUNTS
};

struct sh_dmap {
	struct sh_mmu *mmu;
	struct sh_page *root;
	unsigned largest; /* level of the largest leaf */
	struct sh_dmap_config cfg;
	bool serves, wx; /* guests without paging can run on it; W and X exclude each other */
	struct dm_region region[DM_REGIONS];
	unsigned regions;
	struct sh_page *reserve[DM_RESERVE]; /* mmu->lock */
	unsigned reserved;		     /* mmu->lock */
	unsigned depth, deepest;	     /* pagealloc; mmu->lock */
	_Atomic uint64_t tables;
	_Atomic uint64_t n[DM_COUNTS];
	_Atomic uint64_t by_level[DM_LEVEL_COUNTS][SH_DM_LEVELS + 1];
};

/* Where the entry of a frame stands. */
struct dm_at {
	struct sh_page *p;
	unsigned level, index;
	uint64_t entry; /* as it was read; 0: no RAM */
};

static inline struct sh_dmap *dm_of(struct sh_mmu *mmu)
{
	return atomic_load_explicit(&mmu->dmap, memory_order_acquire);
}
static inline uint64_t dm_frames(unsigned level)
{
	return 1ull << (9 * (level - 1));
}
static inline void dm_count(struct sh_dmap *dm, enum dm_count c, uint64_t n)
{
	atomic_fetch_add_explicit(&dm->n[c], n, memory_order_relaxed);
}
static inline void dm_count_at(struct sh_dmap *dm, enum dm_level_count c, unsigned level,
			       uint64_t n)
{
	atomic_fetch_add_explicit(&dm->by_level[c][level], n, memory_order_relaxed);
}
static inline _Atomic uint64_t *dm_entry(const struct sh_dmap *dm, const struct dm_at *at)
{
	return &sh_page_table(dm->mmu, at->p)[at->index];
}
/* The first frame that the entry is for. */
static inline uint64_t dm_first(const struct dm_at *at)
{
	return at->p->gfn.v + at->index * dm_frames(at->level);
}
static inline mpa_t dm_slot(const struct sh_dmap *dm, const struct dm_at *at)
{
	return sh_slot_mpa(dm->mmu, sh_slot(dm->mmu, at->p, at->index));
}

/* ---- dmap_walk.c ---- */
/* The entry of a page: mfn its frame, attr what is asked for, writable whether W may be given. */
uint64_t dm_make(unsigned level, mfn_t mfn, unsigned attr, bool writable);
unsigned dm_attr(unsigned level, uint64_t leaf);
mfn_t dm_mfn(unsigned level, uint64_t leaf);
/* The region around frame f, NULL where there is none. */
const struct dm_region *dm_region(const struct sh_dmap *dm, uint64_t f);
/* The leaf of frame f, as it is at the moment; mmu->lock or a read-side section. */
struct dm_at dm_walk(const struct sh_dmap *dm, uint64_t f);
/* Likewise the entry of a given level above or at f's leaf; p NULL if f's leaf is above it. */
struct dm_at dm_walk_to(const struct sh_dmap *dm, uint64_t f, unsigned level);
/* Whether a frame that the leaf at f of this level maps is tracked; its page->lock held. */
bool dm_tracked(const struct sh_dmap *dm, uint64_t f, unsigned level);
/* Replaces leaf at->entry by new and keeps the counts; page->lock held. */
void dm_store(struct sh_dmap *dm, struct sh_vcpu *v, const struct dm_at *at, uint64_t new);

/* ---- dmap_split.c: mmu->lock held ---- */
struct sh_page *dm_table_get(struct sh_dmap *dm, unsigned level, uint64_t f);
void dm_table_dying(struct sh_dmap *dm, struct sh_vcpu *v, struct sh_page *p);
/* Fills the reserve as far as it goes without waiting for more than a reclaim. */
void dm_refill(struct sh_dmap *dm, struct sh_vcpu *v);
/* Splits the leaf of f that was seen at this level, if it still is there: 0 or -ENOMEM. Every vCPU has forgotten the
 * large page on return. early is the request it is for; only a mutant looks at it. */
int dm_split(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t f, unsigned level,
	     const struct sh_dmap_req *early);

/* ---- dmap_collapse.c: mmu->lock held ---- */
/* Makes the table at level - 1 around f a leaf of this level, if its entries allow it. */
bool dm_collapse(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t f, unsigned level);
/* Level by level, as far up as it goes from f. */
uint64_t dm_collapse_around(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t f);
/* Whether f looks like it could be; without a lock. */
bool dm_collapsible(struct sh_dmap *dm, uint64_t f);

/* ---- dmap_change.c ---- */
/* One run of frames. locked: the caller holds mmu->lock, fills the reserve before and flushes after.
 * Sets req->done. */
int dm_change(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t first, uint64_t frames,
	      struct sh_dmap_req *req, bool locked);

/* ---- dmap_debug.c ---- */
/* The tables pool as a region of its own, for the gate. */
void dm_debug_region(struct sh_dmap *dm);

/* ---- dmap_alias.c ---- */
/* The shadow leaves of frames [gfn, gfn + frames) follow a change of P and W. */
void dm_alias(struct sh_dmap *dm, struct sh_vcpu *v, gfn_t gfn, uint64_t frames, unsigned set,
	      unsigned clear);

/* ---- dmap_audit.c ---- */
struct sh_report;
void sh_dmap_audit(struct sh_mmu *mmu, struct sh_report *rep);

#endif
