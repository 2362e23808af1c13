/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The direct map: all guest RAM at linear address = guest physical address, in tables of its own,
 * with the largest pages that fit; and the one way to change what it says of a page.
 *
 * A guest without paging runs on it: one tree for all views, because without paging there is neither
 * WP nor a user bit, so that what the kernel view and the user view may touch is the same.
 *
 * Attributes are those of one 4-KByte page, whatever the size of the page it is mapped by: where PAT
 * stands in an entry, and that hardware has no-execute instead of execute, is no concern of callers.
 * A page without SH_DM_P keeps its frame, its size and its other attributes, and gets them back.
 *
 * A change of what a large page maps in part splits it; with collapse on, equal neighbours become a
 * large page again. Counts of all of this are kept and must equal a recount (sh_dmap_audit()).
 *
 * Aliases. The entries of the guest's own address spaces that map the same frame (its shadow leaves)
 * follow a change of SH_DM_P and SH_DM_W that asks for it (req.alias), and stay that way until the
 * direct map gives the right back: an access that the direct map withholds ends in SH_FAULT_HOST with
 * w->error = EACCES. What may be executed is each mapping's own matter.
 *
 * Threads: any, registered with liburcu (memb), holding none of the library's locks. v is the vCPU on
 * whose thread the call is made, NULL on any other.
 * Read first: mmu.h. Read next: dmap_internal.h.
 */
#ifndef UMBRA_SHADOW_DMAP_H
#define UMBRA_SHADOW_DMAP_H

#include "shadow/mmu.h"

#define SH_DM_P	  (1u << 0)
#define SH_DM_W	  (1u << 1)
#define SH_DM_X	  (1u << 2)
#define SH_DM_U	  (1u << 3) /* guest code may use it; without, the gate only */
#define SH_DM_PWT (1u << 4)
#define SH_DM_PCD (1u << 5)
#define SH_DM_PAT (1u << 6)
#define SH_DM_PIN (1u << 7) /* mapped by 4 KBytes, and stays so */
#define SH_DM_ALL 0xffu

#define SH_DM_TYPE \
	(SH_DM_PWT | SH_DM_PCD | SH_DM_PAT) /* memory type, 0 to 7: index into the PAT */
#define SH_DM_RWXU (SH_DM_P | SH_DM_W | SH_DM_X | SH_DM_U)

#define SH_DM_LEVELS 3u

/* One request. */
struct sh_dmap_req {
	unsigned set, clear; /* SH_DM_*; a bit in both is set */
	bool alias;	     /* shadow leaves of the frames follow */
	/* Out: elements of the request that are as asked, from its start on. All of them on
	 * success; on an error exactly those before the one that failed. */
	uint64_t done;
};

/* Makes the direct map unless it is there. 0; -ENOMEM, also where the pool is too small to spare the
 * tables; -EOPNOTSUPP with the technique "dmap" off. sh_root() calls it for a guest without paging,
 * which runs on direct shadow pages where it fails. */
int sh_dmap_create(struct sh_mmu *mmu, struct sh_vcpu *v);
/* Its top-level table. False: there is none, or its attributes are not what a guest without paging
 * needs (struct sh_dmap_config). */
bool sh_dmap_root(struct sh_mmu *mmu, mfn_t *root);

/* Changes attributes of frames [first, first + frames). 0 with everything asked for in force on every
 * vCPU; -EINVAL for unknown attributes; -EFAULT, with nothing changed, if some of it is no RAM;
 * -EACCES at a page that would be writable and executable in a map made without that; -ENOMEM when
 * no table is left for a split. After an error what was done is flushed, and req->done says how much
 * it is. */
int sh_dmap_change(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t frames,
		   struct sh_dmap_req *req);
/* The same for n pages anywhere, by linear address, or by the machine frames behind them. */
int sh_dmap_change_array(struct sh_mmu *mmu, struct sh_vcpu *v, const gva_t *at, uint64_t n,
			 struct sh_dmap_req *req);
int sh_dmap_change_frames(struct sh_mmu *mmu, struct sh_vcpu *v, const mfn_t *mfn, uint64_t n,
			  struct sh_dmap_req *req);

/* What the map says of one frame; a lockless look. False: no RAM there, or no map. */
struct sh_dmap_page {
	unsigned level; /* of the entry: 1, 2 or 3 */
	unsigned attr;	/* SH_DM_*, as changes asked for it */
	bool writable;	/* the entry's own W: less than attr where a table is tracked */
	mfn_t mfn;	/* of the frame itself */
	uint64_t entry;
	mfn_t table;
};
bool sh_dmap_look(struct sh_mmu *mmu, gfn_t gfn, struct sh_dmap_page *p);

/* Makes large pages again wherever they can be; returns how many. */
uint64_t sh_dmap_collapse(struct sh_mmu *mmu, struct sh_vcpu *v);

/* DEBUG_PAGEALLOC for guest frames that somebody hands out and takes back: a frame that is free is
 * mapped nowhere, so that an access to it is caught at the page. Without the debug mode both do
 * nothing and return 0. */
int sh_dmap_frames_freed(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t frames);
int sh_dmap_frames_used(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t frames);

enum sh_dmap_form { SH_DM_RANGE, SH_DM_ARRAY, SH_DM_FRAMES, SH_DM_FORMS };

/* Gives frames [first, first + frames) an attribute and takes it back, in one of the three forms and
 * in pieces of random length, and checks that each piece, and nothing but it, changed. 0, or what
 * failed: -EIO for a page that is not as it should be, else the errno of a change. The map is as
 * before where it was of one attribute and size before and collapse is on. */
struct sh_dmap_selftest {
	enum sh_dmap_form form;
	gfn_t first;
	uint64_t frames;
	unsigned bit; /* one of SH_DM_*, that no page of the range has */
	uint64_t seed;
	unsigned rounds;
	uint64_t pages; /* out: changed, in all rounds */
};
int sh_dmap_selftest(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_dmap_selftest *t);

/* Counters: monotonic but for pages and holes. By level of the entry; [0] unused. */
struct sh_dmap_stats {
	uint64_t checked;		      /* entries looked at by changes */
	uint64_t sameprot[SH_DM_LEVELS + 1];  /* that were as asked already */
	uint64_t preserved[SH_DM_LEVELS + 1]; /* large ones changed whole */
	uint64_t splits[SH_DM_LEVELS + 1];    /* by level of what was split */
	uint64_t collapses[SH_DM_LEVELS + 1]; /* by level of what came of it */
	uint64_t pages[SH_DM_LEVELS + 1];     /* present leaves there are */
	uint64_t holes;			      /* 4-KByte pages that are not present */
	uint64_t total;			      /* 4-KByte pages, present or not */
	uint64_t tables, reserve;	      /* in use; kept for splits */
	uint64_t splits_lost;		      /* another thread was faster */
	uint64_t flushes;		      /* shootdowns asked for */
	uint64_t cache_lines, cache_flushes;  /* ranged cache flushes; in lines of 64 bytes */
	uint64_t whole_cache;  /* of the whole cache: there is no such call, so 0 */
	uint64_t alias_leaves; /* shadow leaves that followed */
	uint64_t pagealloc_missed,
		pagealloc_kept; /* debug: no table to split for it; became one */
	uint64_t depth;		/* deepest nesting of these, at most 1 */
};
/* False: no map. */
bool sh_dmap_stats(struct sh_mmu *mmu, struct sh_dmap_stats *out);

/* Looks through all shadow tables and the direct map for what is writable and executable at once.
 * Takes mmu->lock; with vCPUs running it is of no one moment all the same. */
struct sh_wx {
	uint64_t leaves;   /* looked at; a large one once for each of its frames */
	uint64_t wx;	   /* frames that a leaf maps as both */
	uint64_t wx_alias; /* frames writable by one leaf and executable by another */
	gfn_t first;	   /* the first of either */
};
void sh_wx_scan(struct sh_mmu *mmu, struct sh_wx *out);

#endif
