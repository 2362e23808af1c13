/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An engine without a virtual machine: it implements shadow/backend.h with a model of the hardware
 * that walks the shadow tables at CPL 3, so that every promise the shadow MMU makes can be put to
 * the test on any host.
 *
 * The hardware is as unhelpful as it may be. Its TLB keeps what it has until it is told to forget
 * (or evicts at random), and can be tagged by root, as with PCIDs that are never flushed. It can
 * cache page-directory entries. And it can be a KVM that shadows our tables (gated): it then sees
 * a changed present entry only after touch(). Touches wait as long as backend.h lets them.
 *
 * Read first: shadow/mmu.h. Locks: guest_lock of a vCPU is held while it executes guest code, so
 * that a shootdown waits for it as a kick and its acknowledgement would.
 */
#ifndef UMBRA_TESTS_FAKE_ENGINE_H
#define UMBRA_TESTS_FAKE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "shadow/gmem.h"
#include "shadow/mmu.h"

#define FAKE_VCPUS     4
#define FAKE_TLB_SETS  512u
#define FAKE_TLB_WAYS  4u
#define FAKE_PDE_SETS  64u
#define FAKE_TABLE_MFN 0x100000000ull /* far above any RAM */

struct fake_config {
	uint64_t size, lowmem;
	uint32_t tables, limit;
	unsigned vcpus;
	unsigned levels; /* of the tables the hardware walks: 4 or 5 */
	bool gb_pages;	 /* and an entry of level 3 may map 1 GiB */
	struct sh_options options;
	struct sh_dmap_config dmap;
	struct sh_cpu_model model;
	bool gated;	/* KVM shadows our tables */
	bool tagged;	/* TLB entries survive a change of root */
	bool threads;	/* vCPUs run at once */
	bool pde_cache; /* paging-structure cache */
	bool all_only;	/* no shootdown_some() */
	unsigned ceiling;
	unsigned patience_ms; /* before sh_late(); 0: never */
	unsigned evict;	      /* one in so many lookups evicts at random; 0 never */
	uint64_t seed;
	uint64_t gate_entry;
};

struct fake_tlb_entry {
	uint64_t tag, page; /* root mfn + 1, gva >> 12 */
	uint64_t spte;	    /* rights of the whole path and frame */
	uint64_t filled;    /* clock when it was made */
};

struct fake_pde {
	uint64_t tag, region, table; /* root mfn + 1, gva >> 21, mfn of the level 1 table */
};

struct fake_vcpu {
	struct fake *f;
	unsigned index;
	struct sh_vcpu *v;
	pthread_mutex_t guest_lock;
	uint64_t root;
	struct fake_tlb_entry tlb[FAKE_TLB_SETS][FAKE_TLB_WAYS];
	struct fake_pde pde[FAKE_PDE_SETS];
	uint64_t rng;
	_Atomic bool due;     /* sh_catch_up() before the next instruction */
	_Atomic bool running; /* set by a test: has to be kicked */
	_Atomic unsigned kicks;
};

/* What one native access found; passed to the fill hook. */
struct fake_path {
	unsigned vcpu;
	gva_t gva;
	unsigned flags;
	uint64_t gpa;
	bool uncertain; /* through a cached table or an entry whose touch is still to come */
};

struct fake {
	struct gmem *gm;
	struct sh_mmu *mmu;
	struct fake_config cfg;
	uint64_t *tables;
	_Atomic uint64_t *hidden; /* gated: KVM's idea of each entry */
	struct fake_vcpu vcpu[FAKE_VCPUS];
	pthread_mutex_t touch_lock;
	uint32_t *touched; /* slots whose touch is still to come */
	unsigned n_touched, cap_touched;
	_Atomic uint64_t clock;
	/* Called when the hardware walks the tables and finds the access permitted. */
	void (*on_fill)(void *ctx, const struct fake_path *p);
	void (*on_shootdown)(void *ctx);
	/* An entry was changed; its locks are held. */
	void (*on_touch)(void *ctx, uint32_t slot);
	void *ctx;
	_Atomic uint64_t cache_bytes, cache_flushes; /* ranged ones; there are no others */
	_Atomic unsigned shootdowns, requests, touches, invalidations, faults, native, emulated;
	/* Things that must never happen, with the first one described. */
	_Atomic unsigned violations;
	const char *why;
};

enum fake_kind { FAKE_OK, FAKE_PF, FAKE_NOT_CANON, FAKE_STUCK, FAKE_HOST };

struct fake_result {
	enum fake_kind kind;
	uint32_t error;
	uint64_t gpa;
	bool emulated; /* not by the hardware */
	bool tlb_hit;  /* by a translation made earlier */
	uint64_t filled;
	unsigned faults; /* sh_fault() calls it took */
	enum sh_fault_result last;
};

void fake_defaults(struct fake_config *cfg);
int fake_create(const struct fake_config *cfg, struct fake *f);
/* Returns what sh_mmu_destroy() returned: leaks. */
unsigned fake_destroy(struct fake *f);

void fake_set_regs(struct fake *f, unsigned vcpu, const struct sh_regs *r, bool flush);

/* One access of size bytes (within a page) as an engine would carry it out: native if the hardware
 * permits it, else by sh_fault() and what that asks for. val is stored or filled in. */
struct fake_result fake_access(struct fake *f, unsigned vcpu, uint64_t gva, unsigned flags,
			       uint64_t *val, unsigned size);

/* Loads the root for a view, as before entering the guest. */
int fake_enter(struct fake *f, unsigned vcpu, unsigned flags);
uint64_t fake_now(struct fake *f);

#endif
