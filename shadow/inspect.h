/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looks at the tables of a machine that runs, for people and tools. None of them takes a lock that a
 * vCPU waits for, and none changes anything: they read entries one by one, each whole, in RCU read-side
 * sections (the thread must be registered with liburcu, memb flavour).
 *
 * What was read may be of more than one moment. A struct sh_look tells: begin one, read, and ask at the
 * end whether anything changed meanwhile. Changes are counted per vCPU, before and after each, so that
 * nobody shares a cache line for this: a look is of one moment if by its beginning every change that
 * has begun by its end was over.
 *
 * Read first: mmu.h. Read next: diff.h, explain.h.
 */
#ifndef UMBRA_SHADOW_INSPECT_H
#define UMBRA_SHADOW_INSPECT_H

#include "shadow/mmu.h"

#define SH_TABLE_ENTRIES 512u

struct sh_look {
	uint64_t ended;
};
void sh_look_begin(struct sh_mmu *mmu, struct sh_look *l);
/* Whether no shadow entry, and no guest entry by a tracked write, has changed since the beginning. */
bool sh_look_end(struct sh_mmu *mmu, const struct sh_look *l);
/* Level of the top tables that the hardware walks. */
unsigned sh_top_level(const struct sh_mmu *mmu);
/* Changes so far. */
uint64_t sh_generation(struct sh_mmu *mmu);

/* The paging registers the vCPU with this index has now, and the mode they make. False: there is no such
 * vCPU. */
bool sh_vcpu_peek(struct sh_mmu *mmu, unsigned index, struct sh_regs *r, struct sh_mode *mode);

/* One vCPU's share of the counters; index SH_VCPU_NONE is of threads that are none. */
#define SH_VCPU_NONE 64u
void sh_vcpu_stats(struct sh_mmu *mmu, unsigned index, uint64_t v[SH_STATS]);

/* Translations dropped or narrowed so far, and those that no shootdown has covered yet. What tables out of
 * use wait for: sh_rcu_info(). */
struct sh_waiting {
	uint64_t drops, pending;
};
void sh_waiting(struct sh_mmu *mmu, struct sh_waiting *w);

/* A live shadow table. */
struct sh_table {
	mfn_t mfn;
	gfn_t gfn;
	struct sh_role role;
	uint32_t pins, present, flood;
	enum { SH_PARENTS_NONE, SH_PARENTS_ONE, SH_PARENTS_SEVERAL } parents;
	bool copy;	      /* share.h: one parent entry's own */
	bool tracked, unsync; /* its guest table */
};
/* False: no live table there. */
bool sh_table_find(struct sh_mmu *mmu, mfn_t mfn, struct sh_table *t);
/* Live tables made from guest frame gfn; at most n are written. Returns how many there are. */
unsigned sh_tables_of(struct sh_mmu *mmu, gfn_t gfn, struct sh_table *t, unsigned n);

/* What is known of a guest frame. */
struct sh_frame {
	mfn_t mfn; /* MFN_NONE: no RAM */
	bool tracked, unsync;
};
void sh_frame_look(struct sh_mmu *mmu, gfn_t gfn, struct sh_frame *f);

/* Leaves in order of address, of a shadow tree or of the guest's tables. Set at to the first address
 * wanted and call until it returns false. An address beyond the last one of the hardware's tables is
 * canonical, as the tree's are. */
struct sh_scan {
	gva_t at;   /* in: where to go on; out: the next address to look at */
	gva_t last; /* inclusive */
	uint64_t
		steps; /* entries it may still look at; at 0 it stops, and may be called again */
	bool done;     /* there is nothing more up to last */
	/* Of the leaf found: */
	gva_t gva;
	uint64_t size;
	unsigned level;
	uint64_t entry;
	unsigned access; /* SH_ACC_*, accumulated; of a shadow leaf what the hardware permits */
	bool malformed;	 /* guest: reserved bits are set; there is no address */
	gpa_t gpa;	 /* guest physical; shadow: the same, by the frame it maps */
};
bool sh_scan_shadow(struct sh_mmu *mmu, mfn_t root, struct sh_scan *s);
bool sh_scan_guest(struct sh_mmu *mmu, const struct sh_mode *mode, const struct sh_regs *regs,
		   struct sh_scan *s);

/* Drops all shadow entries; what the guest uses is made anew. Takes the MMU's lock. v is NULL on a thread
 * that is no vCPU. Returns the number of tables that went out of use. */
unsigned sh_drop_all(struct sh_mmu *mmu, struct sh_vcpu *v);

/* Switches a technique while all vCPUs are at rest. Off drops what it has made. -EBUSY: it is fixed when
 * the MMU is created. */
int sh_option_switch(struct sh_mmu *mmu, enum sh_option o, bool on);
bool sh_option_on(const struct sh_mmu *mmu, enum sh_option o);
bool sh_option_fixed(enum sh_option o);

#endif
