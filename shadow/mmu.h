/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shadow MMU: the library's front door.
 *
 * An engine creates one struct sh_mmu per machine and one struct sh_vcpu per virtual CPU, tells it
 * of every event that concerns paging (register loads, INVLPG, page faults, emulated writes), and
 * runs the hardware on the root that sh_root() names.
 *
 * Errors. Functions return 0 or a negative errno for the host's trouble; the guest's own faults
 * come back as results, never as errors. The library does not print, exit or abort.
 *
 * Threads. A vCPU's functions are called by its thread only, registered with liburcu (memb).
 * sh_write() with a NULL vCPU is for anybody else. Locks and their order: locks.h.
 *
 * Read first: walk.h, backend.h. Read next: page.h, fault.c.
 */
#ifndef UMBRA_SHADOW_MMU_H
#define UMBRA_SHADOW_MMU_H

#include "shadow/backend.h"
#include "shadow/flush.h"
#include "shadow/option.h"
#include "shadow/stats.h"
#include "shadow/walk.h"

struct sh_mmu;
struct sh_page;

/* The direct map (dmap.h); all zeroes for what a guest without paging runs on. */
struct sh_dmap_config {
	unsigned
		attr; /* SH_DM_* of every page to begin with; 0: all rights. Less than that, and
			   * no guest runs on it; without W or X at first, none may ever have both */
	unsigned largest; /* level of the largest pages: 1, 2, 3; 0: what the hardware has */
	bool pagealloc;	  /* what is free is not mapped */
};

struct sh_mmu_config {
	struct gmem *gm;
	struct sh_backend backend;
	struct sh_cpu_model model;
	struct sh_options options;
	struct sh_dmap_config dmap;
	uint32_t limit; /* most shadow tables in use; 0: all the backend has */
	/* The library makes no thread of its own and looks at no clock, so that what it does follows from
	 * the calls alone: whoever takes tables out of use waits for readers itself. */
	bool no_thread;
};

/* Fewest tables an MMU works with: two trees of five levels, and one fault's worth. */
#define SH_MIN_TABLES 16

int sh_mmu_create(const struct sh_mmu_config *cfg, struct sh_mmu **out);
/* All vCPUs must be gone. Returns the number of tables that were still referenced (0 unless there
 * is a bug). */
unsigned sh_mmu_destroy(struct sh_mmu *mmu);

int sh_vcpu_create(struct sh_mmu *mmu, unsigned index, struct sh_vcpu **out);
void sh_vcpu_destroy(struct sh_vcpu *v);
unsigned sh_vcpu_index(const struct sh_vcpu *v);
const struct sh_mode *sh_vcpu_mode(const struct sh_vcpu *v);
const struct sh_regs *sh_vcpu_regs(const struct sh_vcpu *v);

/* MOV CR3, or any change of CR0, CR4, EFER, the PDPTEs, PKRU or PKRS: r holds all the new values
 * (bit 63 of CR3 clear), and drops what the architecture drops at it: sh_flush_of(). Loading and
 * checking the PDPTEs is the engine's; a change of theirs in memory is not looked for. */
void sh_set_regs(struct sh_vcpu *v, const struct sh_regs *r, enum sh_flush drops);

/* INVLPG. */
void sh_invlpg(struct sh_vcpu *v, gva_t gva);
/* INVPCID with a valid type (0 to 3) and descriptor. */
void sh_invpcid(struct sh_vcpu *v, unsigned type, uint16_t pcid, gva_t gva);
/* Any other event that drops translations. */
void sh_flush(struct sh_vcpu *v, enum sh_flush drops);
static inline void sh_flush_all(struct sh_vcpu *v)
{
	sh_flush(v, SH_FLUSH_ALL);
}

/* Top-level table the hardware must run on for a view; pinned until another one is asked for with
 * the same view and the engine has said sh_root_loaded(). -EOPNOTSUPP for a guest with more levels
 * than the hardware. */
int sh_root(struct sh_vcpu *v, enum sh_view view, mfn_t *root);
/* The same without making one; from any thread while the vCPU is at rest. */
bool sh_root_peek(const struct sh_vcpu *v, enum sh_view view, mfn_t *root);
/* The same from registers of the vCPU with this index, from any thread at any time. */
bool sh_root_of(struct sh_mmu *mmu, unsigned index, const struct sh_regs *r, enum sh_view view,
		mfn_t *root);
/* The hardware's CR3 now points at root: whatever it pointed at before may be let go. */
void sh_root_loaded(struct sh_vcpu *v, mfn_t root);

/* Forgets what shootdowns have asked of v since it was last called. To be called on v's thread before
 * each entry into the guest, after the last look at requests but one (backend.h, shootdown_some). */
void sh_catch_up(struct sh_vcpu *v);

/* A backend that waits for a vCPU to leave the guest says so by sh_late() once it has waited
 * SH_LATE_SECONDS, and after as long again each time; it goes on waiting, because nothing may be freed
 * before. fn hears of it on the waiting thread, the MMU's lock held: it must not call back. */
#define SH_LATE_SECONDS 5u
typedef void sh_late_fn(void *ctx, unsigned vcpu, unsigned seconds);
void sh_on_late(struct sh_mmu *mmu, sh_late_fn *fn, void *ctx);
void sh_late(struct sh_mmu *mmu, unsigned vcpu, unsigned seconds);

/* State of a vCPU's shootdowns, without a lock. False: no such vCPU. */
struct sh_shootdown_info {
	uint64_t want, done;	 /* generations asked for, and caught up with */
	uint64_t held;		 /* roots it may hold translations of, hashed */
	uint64_t partial, full;	 /* times it caught up by addresses, by everything */
	uint64_t requests, late; /* of the whole MMU */
	unsigned ceiling;	 /* single addresses of a request, at most */
};
bool sh_shootdown_info(struct sh_mmu *mmu, unsigned vcpu, struct sh_shootdown_info *out);

/* State of the deferral: tables that wait for readers. Takes mmu->lock for a moment. */
struct sh_rcu_info {
	uint32_t queued, in_grace,
		kept;		      /* waiting to begin, for a grace period, for a walker */
	uint64_t graces, by_producer; /* periods; of those, waited for by who wanted tables */
	uint64_t freed, refused, max_backlog;
	uint64_t median_us, p99_us, oldest_us; /* from queue to free; of what waits now */
};
/* Takes no lock; what it says may be of more than one moment. */
void sh_rcu_info(struct sh_mmu *mmu, struct sh_rcu_info *out);

enum sh_fault_result {
	SH_FAULT_RESUME,   /* shadow entry made: run the instruction again */
	SH_FAULT_SPURIOUS, /* the shadow already permits it: run again; the engine counts these */
	SH_FAULT_INJECT,   /* true fault: w->error */
	SH_FAULT_NOT_CANON, /* not canonical */
	SH_FAULT_TRACKED,   /* write to a guest page table: emulate through sh_write() */
	SH_FAULT_NO_RAM,    /* no RAM, or no entry can express it (fetch only): emulate */
	SH_FAULT_GATE,	    /* an address the gate's slot hides: emulate */
	SH_FAULT_HOST,	    /* out of tables or memory: w->error holds errno */
};

/* A page fault of the hardware on an access of kind flags (walk.h). Fills w. */
enum sh_fault_result sh_fault(struct sh_vcpu *v, gva_t gva, unsigned flags, struct sh_walk *w);

/* Translates without a fault of the hardware (for emulation); sets A and D as an access does.
 * SH_WALK_HOST: the host refused a window, nothing is known. */
enum sh_walk_result sh_translate(struct sh_vcpu *v, gva_t gva, unsigned flags,
				 struct sh_walk *w);

/* The door for writes to guest RAM by anybody but the guest's own native stores: emulated
 * instructions, devices, the monitor. len bytes at gpa, within one frame for atomic forms. Shadow
 * entries made from what was written are brought in step before it returns. v is NULL on a thread
 * that is no vCPU. 0; -EFAULT outside RAM, -ENOMEM when the host has no memory or window for it:
 * nothing was written then, but of a write to more than two frames perhaps the first ones. */
int sh_write(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, const void *buf, unsigned len);
/* Likewise a compare-and-exchange of 1, 2, 4, 8 naturally aligned bytes: 1, 0, or an
 * error as above, with nothing written. */
int sh_cmpxchg(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, uint64_t *expect,
	       uint64_t desired, unsigned size);

/* Checks everything that must hold (audit.c says what). No vCPU may be executing guest code or in
 * another call. Returns the number of violations; the first few are described in buf. */
unsigned sh_audit(struct sh_mmu *mmu, char *buf, size_t n);

/* A lockless look at the shadow path of gva from a root (RCU read-side section of its own). */
struct sh_path {
	unsigned top, level; /* level: of the last entry read */
	uint64_t spte[SH_MAX_LEVEL + 1];
	mfn_t table[SH_MAX_LEVEL + 1];
	struct sh_role role[SH_MAX_LEVEL + 1];
	gfn_t gfn[SH_MAX_LEVEL + 1];
};
bool sh_path(struct sh_mmu *mmu, mfn_t root, gva_t gva, struct sh_path *p);

struct sh_root_info {
	gfn_t gfn; /* of the guest's top table; PAE: index of the vCPU whose PDPTEs it is */
	struct sh_role role;
	mfn_t mfn;
	uint32_t pins;
};
/* Lists live top-level tables; returns how many there are (at most n are written). */
unsigned sh_roots(struct sh_mmu *mmu, struct sh_root_info *r, unsigned n);

void sh_mmu_stats(struct sh_mmu *mmu, struct sh_stats *out);
struct gmem *sh_mmu_gmem(struct sh_mmu *mmu);
bool sh_is_tracked(struct sh_mmu *mmu, gfn_t gfn);

#endif
