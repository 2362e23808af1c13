/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The translation hardware of the software CPU: what a processor that runs guest code at CPL 3 on
 * the shadow tables does between a linear address and memory. It walks the *shadow* tables
 * (CR0.WP=1, EFER.NXE=1, every access a user access) and keeps what it found, in one of two ways:
 *
 *   plain        fast: a direct-mapped cache, dropped at the events that drop translations
 *   adversarial  as unhelpful as the manuals allow (SDM vol. 3, section 4.10): keeps every
 *                translation and every paging-structure entry across everything that is not a flush
 *                event, evicts at random from its seed, fills speculatively where a processor may,
 *                and knows of each entry when and from what it was made
 *
 * Entries are tagged by root, as with PCIDs that are never reused: loading another root drops
 * nothing; tlb_invlpg() and tlb_flush() apply to all tags.
 *
 * What a canonical address is stays the caller's business: an address outside the levels the tables
 * have is a fault here. Nothing is written to the tables: shadow entries have A and D set.
 *
 * Threads. A TLB belongs to its vCPU's thread; others call nothing here but tlb_table_event().
 * Read first: shadow/backend.h. Read next: tlb_internal.h, tlb_walk.c.
 */
#ifndef UMBRA_SOFT_TLB_H
#define UMBRA_SOFT_TLB_H

#include <stdatomic.h>

#include "shadow/backend.h"
#include "shadow/walk.h"
#include "vmm/cpu/direct.h"

enum tlb_kind { TLB_PLAIN, TLB_ADVERSARIAL };

/* The memory shadow tables live in, shared by the TLBs of a machine. */
struct tlb_tables {
	const uint64_t *mem;
	mfn_t mfn;
	uint32_t tables;
	unsigned levels;    /* 4 or 5 */
	uint64_t gate_slot; /* top-level index that never translates (the gate's), or ~0 */
	/* Adversarial only, made by tlb_tables_watch(): by table, what tlb_table_event() told last
	 * and how many lives are over; and the last events in words. */
	_Atomic uint32_t *generation;
	struct tlb_history *history;
	_Atomic uint64_t clock; /* of the machine: counts lookups and events */
};

/* Prepares tt for adversarial TLBs: until tlb_table_event() says otherwise no frame is a table.
 * 0 or -ENOMEM. A machine of plain TLBs needs neither. */
int tlb_tables_watch(struct tlb_tables *tt);
void tlb_tables_unwatch(struct tlb_tables *tt);

/* Something that must never happen, with both stories in words: when the entry was made and from
 * what, and what was done since to the table or frame it leads to. */
typedef void tlb_report_fn(void *ctx, const char *text);

struct tlb_config {
	enum tlb_kind kind;
	struct tlb_tables *tables;
	unsigned vcpu;
	uint64_t seed;
	unsigned evict;	    /* adversarial: one in so many lookups evicts; 0 never */
	unsigned speculate; /* adversarial: one in so many lookups fills something else too */
	tlb_report_fn *report;
	void *ctx;
};

/* What a hit needs to see; the rest of each kind lies behind it. */
struct tlb {
	struct tlb_entry
		*slot; /* direct-mapped; adversarial: a single one that never matches */
	uint64_t mask;
	uint64_t epoch; /* added to a root's number: its tag */
	const struct tlb_model *model;
};

/* 0, -ENOMEM, or -EINVAL for an adversarial TLB on tables that nobody watches. cfg->tables
 * must outlive the TLB. */
int tlb_create(const struct tlb_config *cfg, struct tlb **out);
void tlb_destroy(struct tlb *t);

/* The access (SH_WRITE, SH_FETCH or neither) at va with CR3 on root. NULL: the hardware raises #PF,
 * and has forgotten what it had for va (section 4.10.4.1). The entry stays valid until the next call
 * on t. */
struct tlb_entry *tlb_lookup(struct tlb *t, mfn_t root, gva_t va, unsigned flags);

/* The same for the short way: what a lookup before has found, for an access that needs these rights
 * (TLB_W, TLB_X). NULL says only that tlb_lookup() must be asked. Not counted. */
static inline struct tlb_entry *tlb_hit(const struct tlb *t, mfn_t root, gva_t va,
					unsigned need)
{
	const struct cpu_direct d = {t->slot, t->mask, root.v + t->epoch};

	return direct_hit(&d, va.v, need);
}

/* INVLPG as the hardware does it: va in every tag, and all paging-structure entries. */
void tlb_invlpg(struct tlb *t, gva_t va);
/* Everything. */
void tlb_flush(struct tlb *t);

/* The shadow MMU took a table into use, unhooked it or gave it back (backend.h, table_event). Any
 * thread. */
void tlb_table_event(struct tlb_tables *tt, mfn_t table, enum sh_table_event e);

/* A store through e, made by a lookup just now, goes into a frame that the shadow MMU tracks. Where
 * vCPUs share one thread this never happens unless a shootdown was lost (sh_track() ends with one):
 * reports the entry with its story. */
void tlb_tracked_store(struct tlb *t, const struct tlb_entry *e);

/* What the model has seen, for statistics. */
struct tlb_counts {
	uint64_t lookups, hits, walks, faults, evictions, speculative, psc_hits, reports;
};
void tlb_counts(const struct tlb *t, struct tlb_counts *out);

#endif
