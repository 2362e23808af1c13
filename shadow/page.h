/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal: shadow pages, the pool they come from, the hash that finds them, the links between
 * them. Not installed.
 *
 * Life of a shadow page: free -> live (in the hash) -> dying (unlinked, entries cleared, waiting
 * for shootdown and grace period) -> free. Page i of the array describes table frame i of the pool,
 * so an entry's address gives its page, and a 32-bit slot number (frame * 512 + index) names an
 * entry.
 *
 * Read first: mmu.h, locks.h. Read next: page.c, link.c, large.c, rmap.c.
 */
#ifndef UMBRA_SHADOW_PAGE_H
#define UMBRA_SHADOW_PAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "shadow/context.h"
#include "shadow/inject.h"
#include "shadow/mmu.h"
#include "shadow/mutant.h"
#include "shadow/rcu.h"
#include "shadow/trace_hook.h"

#define SH_ENTRIES	512u
#define SH_HASH_BUCKETS 4096u
#define SH_STRIPES	1024u
#define SH_SLOT_NONE	UINT32_MAX
#define SH_MAX_VCPUS	64u

typedef uint32_t sh_slot_t;

/* A set of slots: 0 empty, one slot inline, or a chain of descriptors. Bits 1 to 4 are the owner's. */
typedef _Atomic uint64_t sh_set_t;

enum sh_page_state { SH_PAGE_FREE, SH_PAGE_LIVE, SH_PAGE_DYING };

struct sh_page {
	_Atomic(struct sh_page *) hash_next;   /* RCU; writers hold mmu->lock */
	struct sh_page *list_next, *list_prev; /* LRU when live, else free or dying list */
	gfn_t gfn;
	struct sh_role role;
	sh_set_t parents;	  /* slots that point here; mmu->lock */
	_Atomic uint32_t pins;	  /* roots in use; 0 -> 1 under mmu->lock */
	_Atomic uint32_t present; /* entries present; for reclaim and audit */
	_Atomic uint32_t flood;	  /* tracked writes since last use */
	_Atomic uint32_t used;	  /* second-chance mark for reclaim */
	_Atomic uint32_t heat;	  /* direct: leaves set by faults; large.c */
	pthread_spinlock_t lock;
	bool kept;		  /* past its grace period, but walkers are in it; mmu->lock */
	_Atomic uint32_t walkers; /* defer.h */
	_Atomic uint8_t invalid;  /* no new entries; page->lock to set */
	_Atomic uint8_t state;	  /* LIVE is stored after gfn and role */
	bool copy;		  /* one parent entry's own: share.c. Set before LIVE */
	struct sh_unsync *unsync; /* record of its frame, see unsync.h; page->lock */
} __attribute__((aligned(64)));

struct sh_desc; /* of rmap.c */
struct sh_unsync_set;
struct sh_dmap;

struct sh_stripe {
	pthread_spinlock_t lock;
} __attribute__((aligned(64)));

/* Levels whose entries may be large leaves. */
#define SH_LARGE_FIRST	2u
#define SH_LARGE_LAST	3u
#define SH_LARGE_LEVELS (SH_LARGE_LAST - SH_LARGE_FIRST + 1)

/* The frames one large leaf maps. Written under mmu->lock; counts may be read without. */
struct sh_region {
	sh_set_t leaves;	  /* upper entries that map it */
	_Atomic uint32_t tracked; /* frames of it that are shadowed as tables */
	_Atomic uint32_t splits;  /* times its leaves were dropped for one of those */
};

struct sh_counters {
	_Atomic uint64_t n[SH_STATS];
	_Atomic uint64_t pages_4k; /* leaves made less leaves dropped; may be below 0 */
	/* Changes of shadow entries, and of guest entries they are made from: see sh_change_begin(). */
	_Atomic uint64_t begun, ended;
} __attribute__((aligned(64)));

/* What a vCPU's paging registers are, for others to read: a sequence lock, seq odd while they change.
 * Written by the vCPU's thread. */
struct sh_seen {
	_Atomic uint64_t seq; /* 0: there is no such vCPU */
	_Atomic uint64_t word[9];
} __attribute__((aligned(64)));

struct sh_mmu {
	struct gmem *gm;
	struct sh_backend be;
	struct sh_cpu_model model;
	struct sh_options opt;
	struct sh_trace trace;

	pthread_mutex_t lock;
	struct sh_page *pages;			   /* be.tables of them */
	struct sh_page free_list, dying_list, lru; /* list heads */
	uint32_t free, dying, limit;
	bool no_thread; /* mmu.h */
	_Atomic uint32_t used;
	_Atomic(struct sh_page *) hash[SH_HASH_BUCKETS];

	sh_set_t *rmap; /* by gfn */
	uint64_t rmap_frames;
	struct sh_region *region[SH_LARGE_LEVELS]; /* by gfn; one mapping */
	_Atomic uint64_t large_pages[SH_LARGE_LEVELS];
	struct sh_stripe *stripes;
	struct sh_desc_pool *descs;

	/* Translations dropped or narrowed since the last shootdown began: the hardware may still
	 * use them. Counts up; a shootdown covers all up to where it started. */
	_Atomic uint64_t drops, drops_flushed;
	/* Large pages of guests taken out of the tables so far; mmu->lock to write. */
	_Atomic uint64_t large_drops;

	struct sh_unsync_set *unsync;
	struct sh_shootdowns *sd; /* shootdown.h */
	struct sh_inject inject;
	struct sh_defer *defer; /* defer.h */

	/* Ranges of reserved frames, and where the sweep goes on (reserve.h); mmu->lock. */
	struct sh_reserved {
		gfn_t first;
		uint64_t frames;
		bool counted;
	} reserved[32];
	unsigned reserved_n;
	uint64_t sweep_hand;

	_Atomic(struct sh_dmap *) dmap; /* NULL until it is asked for; mmu->lock to set */
	struct sh_dmap_config dmap_cfg;

	/* PAE: each vCPU's PDPTEs, which its level 3 pages are made from; mmu->lock to write. */
	_Atomic uint64_t pdpte[SH_MAX_VCPUS][4];

	/* One set per vCPU, and the last for threads that are none. They outlive the vCPUs, so
	 * readers take no lock. */
	struct sh_counters counters[SH_MAX_VCPUS + 1];
	uint64_t vcpus;			   /* bit set of indices in use; mmu->lock */
	struct sh_seen seen[SH_MAX_VCPUS]; /* inspect.c */
};

struct sh_vcpu {
	struct sh_mmu *mmu;
	unsigned index;
	struct sh_regs regs;
	struct sh_mode mode;
	struct sh_page *root[SH_VIEWS]; /* pinned, or NULL: to be looked up */
	struct sh_page *loaded;		/* what the hardware's CR3 names; pinned */
	struct sh_contexts contexts;
	const uint64_t *rip; /* trace.h; NULL: not known */
	uint64_t large_seen; /* mmu->large_drops when this vCPU last forgot everything */
};

static inline void sh_add(struct sh_vcpu *v, _Atomic uint64_t *c, uint64_t n)
{
	if (v) /* its only writer */
		atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
static inline struct sh_counters *sh_counters(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	return &mmu->counters[v ? v->index : SH_MAX_VCPUS];
}
static inline void sh_count(struct sh_mmu *mmu, struct sh_vcpu *v, enum sh_stat s, uint64_t n)
{
	sh_add(v, &sh_counters(mmu, v)->n[s], n);
}
/* n is 1 or -1 (as a word that wraps). */
static inline void sh_count_leaf(struct sh_mmu *mmu, struct sh_vcpu *v, uint64_t n)
{
	sh_add(v, &sh_counters(mmu, v)->pages_4k, n);
}
/* Around every change of a shadow entry, and around a store to a guest table with what follows from
 * it, so that a look without locks can tell whether it saw one moment (inspect.h). Nests. */
static inline void sh_change_begin(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	_Atomic uint64_t *c = &sh_counters(mmu, v)->begun;

	if (v)
		atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
				      memory_order_release);
	else
		atomic_fetch_add(c, 1);
}
static inline void sh_change_end(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	_Atomic uint64_t *c = &sh_counters(mmu, v)->ended;

	if (v)
		atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
				      memory_order_release);
	else
		atomic_fetch_add(c, 1);
}
/* Around each look for people at tables. */
static inline void sh_look_lock(void)
{
	if (!sh_mutant(SH_MUT_LOOK_UNGUARDED))
		sh_read_lock();
}
static inline void sh_look_unlock(void)
{
	if (!sh_mutant(SH_MUT_LOOK_UNGUARDED))
		sh_read_unlock();
}
/* inspect.c: tells the others v's registers, or (NULL) that there are none any more. */
void sh_seen_set(struct sh_mmu *mmu, unsigned index, const struct sh_regs *r);

/* Leaves there are: exact when no vCPU runs. */
uint64_t sh_leaves(const struct sh_mmu *mmu);

/* What the trees of v's registers are made from: memory from 0, the frame CR3 names, or (PAE) the
 * vCPU's own registers. mmu.c */
gfn_t sh_root_gfn(const struct sh_vcpu *v);
/* Whether the gate's slot hides an address. fault.c */
bool sh_gate_hides(const struct sh_mmu *mmu, gva_t gva);

/* ---- naming entries ---- */
static inline uint32_t sh_page_frame(const struct sh_mmu *mmu, const struct sh_page *p)
{
	return (uint32_t)(p - mmu->pages);
}
static inline mfn_t sh_page_mfn(const struct sh_mmu *mmu, const struct sh_page *p)
{
	return MFN(mmu->be.table_mfn.v + sh_page_frame(mmu, p));
}
static inline _Atomic uint64_t *sh_page_table(const struct sh_mmu *mmu, const struct sh_page *p)
{
	return (_Atomic uint64_t *)(mmu->be.table_mem +
				    (size_t)sh_page_frame(mmu, p) * SH_ENTRIES);
}
static inline sh_slot_t sh_slot(const struct sh_mmu *mmu, const struct sh_page *p,
				unsigned index)
{
	return sh_page_frame(mmu, p) * SH_ENTRIES + index;
}
static inline struct sh_page *sh_slot_page(const struct sh_mmu *mmu, sh_slot_t s)
{
	return &mmu->pages[s / SH_ENTRIES];
}
static inline _Atomic uint64_t *sh_slot_ptr(const struct sh_mmu *mmu, sh_slot_t s)
{
	return (_Atomic uint64_t *)(mmu->be.table_mem + s);
}
static inline mpa_t sh_slot_mpa(const struct sh_mmu *mmu, sh_slot_t s)
{
	return MPA(mfn_mpa(mmu->be.table_mfn).v + (uint64_t)s * 8);
}
/* An upper entry that maps memory itself. */
static inline bool sh_spte_is_large(uint64_t spte)
{
	return (spte & (PTE_P | PTE_PS)) == (PTE_P | PTE_PS);
}
/* The page a present upper entry points at; NULL for a large leaf. */
static inline struct sh_page *sh_spte_child(const struct sh_mmu *mmu, uint64_t spte)
{
	uint64_t frame =
		((spte & 0x000ffffffffff000ull) >> SH_PAGE_SHIFT) - mmu->be.table_mfn.v;

	return !(spte & PTE_PS) && frame < mmu->be.tables ? &mmu->pages[frame] : NULL;
}

/* ---- pool.c: mmu->lock held for all ---- */
int sh_pool_init(struct sh_mmu *mmu);
void sh_pool_fini(struct sh_mmu *mmu);
/* A zeroed, unhashed page or NULL when the reserve is used up (see sh_reclaim_reserve). */
struct sh_page *sh_pool_get(struct sh_mmu *mmu);
void sh_pool_dying(struct sh_mmu *mmu, struct sh_page *p);
/* Shootdown; all dying pages are on their way to be free (defer.h). */
void sh_pool_reap(struct sh_mmu *mmu, struct sh_vcpu *v);
void sh_lru_add(struct sh_mmu *mmu, struct sh_page *p);
void sh_lru_del(struct sh_page *p);

/* ---- page.c ---- */
/* Finds a live page; caller holds mmu->lock or is in a read-side section. */
struct sh_page *sh_page_find(struct sh_mmu *mmu, gfn_t gfn, struct sh_role role);
/* First and next live page whose guest table is gfn. */
struct sh_page *sh_page_of_gfn(struct sh_mmu *mmu, gfn_t gfn, struct sh_page *after);
/* First and next live page made from the PDPTEs of the vCPU with this index. */
struct sh_page *sh_page_of_vcpu(struct sh_mmu *mmu, unsigned vcpu, struct sh_page *after);
/* Finds or makes; mmu->lock held. *made says that guest entries read before the call may have
 * changed since, untracked: walk again. NULL: out of tables. */
struct sh_page *sh_page_get(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn,
			    struct sh_role role, bool *made);
/* A new page with the key of p that sh_page_find() passes over; tracked writes find it as any other.
 * NULL: out of tables. mmu->lock held. */
struct sh_page *sh_page_copy(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_page *p);
/* Takes a page out of use: unhooked from parents, entries cleared, dying. mmu->lock held; must not
 * be pinned. */
void sh_page_zap(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p);
/* Drops all its entries; it stays what it is. mmu->lock held. */
void sh_page_empty(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p);

/* ---- link.c: upper entries; mmu->lock held ---- */
int sh_link(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *parent, unsigned index,
	    struct sh_page *child);
void sh_unlink(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *parent, unsigned index);

/* ---- share.c: mmu->lock held ---- */
/* Upper entries that point at p. */
uint32_t sh_share_count(const struct sh_page *p);

/* ---- write.c ---- */
/* Takes away upper entry index of p if it is not what p's key and the guest entry say now;
 * mmu->lock held. */
void sh_update_upper(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index);

/* Guest entries first..last of p's table were written: brings in step the shadow entries made from
 * them that are in p's quadrant; mmu->lock held. */
void sh_update_entries(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned first,
		       unsigned last);

/* ---- leaf.c: leaf entries ---- */
/* Drops the leaf at index if present; p->lock held. */
void sh_leaf_drop(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index);
/* Makes index map gfn with the permissions spte.c derives; p->lock held.
 * SH_FAULT_RESUME, SPURIOUS, TRACKED (a write was asked for and gfn is tracked), NO_RAM, HOST. */
enum sh_fault_result sh_leaf_set(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
				 unsigned index, gfn_t gfn, unsigned acc, bool dirty,
				 bool write);

/* ---- large.c: large leaves; mmu->lock held for all but sh_large_wanted() ---- */
struct sh_expect;
bool sh_large_init(struct sh_mmu *mmu);
void sh_large_fini(struct sh_mmu *mmu);
uint64_t sh_regions(const struct sh_mmu *mmu, unsigned level);
struct sh_region *sh_region(const struct sh_mmu *mmu, unsigned level, gfn_t gfn);
/* The large leaf that may stand for the direct table e asks for; 0: none. */
uint64_t sh_large_entry(const struct sh_mmu *mmu, const struct sh_expect *e);
/* Likewise for entry index of p, where child (or NULL) is the table that stands there now; 0 also
 * where it would not be worth it. Without mmu->lock the answer is a hint. */
uint64_t sh_large_wanted(const struct sh_mmu *mmu, const struct sh_page *p, unsigned index,
			 const struct sh_page *child, const struct sh_expect *e);
/* Makes entry index of p the large leaf new, of gfn. RESUME, SPURIOUS or HOST. */
enum sh_fault_result sh_large_set(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
				  unsigned index, gfn_t gfn, uint64_t new);
/* Brings the large leaf at index of p in step with the guest entry, or takes it away. */
void sh_large_update(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index);
/* For link.c: the large leaf old is no longer at index of p. */
void sh_large_unlinked(struct sh_mmu *mmu, struct sh_page *p, unsigned index, uint64_t old);
/* For track.c: gfn has become a tracked frame (large leaves around it are dropped, not yet flushed),
 * or is none any more. */
void sh_large_track(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);
void sh_large_untrack(struct sh_mmu *mmu, gfn_t gfn);

/* ---- audit_large.c ---- */
struct sh_report;
void sh_audit_large_leaf(struct sh_mmu *mmu, struct sh_report *rep, struct sh_page *p,
			 unsigned i, uint64_t spte);
/* Returns the number of large leaves the regions know. */
uint64_t sh_audit_regions(struct sh_mmu *mmu, struct sh_report *rep);

/* ---- rmap.c ---- */
int sh_rmap_init(struct sh_mmu *mmu);
void sh_rmap_fini(struct sh_mmu *mmu);
struct sh_stripe *sh_stripe(struct sh_mmu *mmu, gfn_t gfn);
/* Makes sure n descriptors can be had without allocating under a spin lock. 0 or -ENOMEM. */
int sh_desc_reserve(struct sh_mmu *mmu, unsigned n);
/* Set operations; the caller holds what guards the set. Add fails only without a reserve. */
int sh_set_add(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s);
bool sh_set_del(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s);
unsigned sh_set_count(const sh_set_t *set);
/* i-th element, SH_SLOT_NONE past the end. */
sh_slot_t sh_set_at(const sh_set_t *set, unsigned i);
void sh_set_each(const sh_set_t *set, void (*fn)(void *ctx, sh_slot_t s), void *ctx);
uint64_t sh_desc_live(const struct sh_mmu *mmu);

/* ---- track.c ---- */
#define SH_SET_TRACKED (1ull << 1) /* in rmap[gfn]: this frame is shadowed as a table */
static inline bool sh_tracked(struct sh_mmu *mmu, gfn_t gfn)
{
	return gfn.v < mmu->rmap_frames &&
	       atomic_load_explicit(&mmu->rmap[gfn.v], memory_order_acquire) & SH_SET_TRACKED;
}
/* In rmap[gfn]: it is shadowed as a table, but writable (unsync.h). */
#define SH_SET_UNSYNC (1ull << 2)
static inline bool sh_is_unsync(struct sh_mmu *mmu, gfn_t gfn)
{
	return gfn.v < mmu->rmap_frames &&
	       atomic_load_explicit(&mmu->rmap[gfn.v], memory_order_acquire) & SH_SET_UNSYNC;
}
/* In rmap[gfn]: a gather is about to release it, no entry is made for it (gather.h). */
#define SH_SET_BACK (1ull << 5)
/* Whether writes to gfn must be followed by an update of shadow entries. */
static inline bool sh_shadowed(struct sh_mmu *mmu, gfn_t gfn)
{
	return gfn.v < mmu->rmap_frames &&
	       atomic_load_explicit(&mmu->rmap[gfn.v], memory_order_acquire) &
		       (SH_SET_TRACKED | SH_SET_UNSYNC);
}
/* mmu->lock held. Returns when no vCPU can write gfn without a fault. */
void sh_track(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);
void sh_untrack(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);

/* ---- dmap*.c: the direct map, as the rest of the library sees it (dmap.h) ---- */
/* In rmap[gfn]: what the direct map withholds from all leaves of a frame. */
#define SH_SET_NO_WRITE	 (1ull << 3)
#define SH_SET_NO_ACCESS (1ull << 4)
#define SH_SET_HELD	 (SH_SET_NO_WRITE | SH_SET_NO_ACCESS)
void sh_dmap_fini(struct sh_mmu *mmu);
/* The root for a guest without paging, made if need be; NULL: it has none. mmu->lock held. */
struct sh_page *sh_dmap_root_page(struct sh_mmu *mmu, struct sh_vcpu *v);
bool sh_dmap_is_root(struct sh_mmu *mmu, const struct sh_page *p);
/* A fault on that root, at a frame of RAM. */
enum sh_fault_result sh_dmap_fault(struct sh_vcpu *v, gfn_t gfn, unsigned flags);
/* Whether the direct map is why an access of v's to gfn can't be had. */
bool sh_dmap_withholds(struct sh_vcpu *v, gfn_t gfn, unsigned flags);
/* For track.c: gfn is a tracked frame from now on (what was narrowed is not flushed yet), or no more.
 * mmu->lock held. */
void sh_dmap_track(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);
void sh_dmap_untrack(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);
/* For pool.c: a table was taken, or is given back; true: the direct map keeps it. */
void sh_dmap_table_used(struct sh_mmu *mmu, const struct sh_page *p);
bool sh_dmap_table_freed(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p);
/* That was all of them: one flush for what was unmapped. */
void sh_dmap_tables_freed(struct sh_mmu *mmu, struct sh_vcpu *v);

/* ---- reclaim.c: mmu->lock held ---- */
/* Makes n pages available, taking old ones back if it must. 0 or -ENOMEM. */
int sh_reclaim_reserve(struct sh_mmu *mmu, struct sh_vcpu *v, unsigned n);
/* Everything that was dropped is forgotten by every vCPU on return. */
void sh_flush_drops(struct sh_mmu *mmu, struct sh_vcpu *v);

static inline void sh_dropped(struct sh_mmu *mmu)
{
	atomic_fetch_add_explicit(&mmu->drops, 1, memory_order_seq_cst);
}

#endif
