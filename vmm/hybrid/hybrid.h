/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hybrid engine: KVM, and after an exit the interpreter goes ahead while the coming
 * instructions are likely to exit again.
 *
 * A stretch begins when an exit has been handled or an event delivered. An instruction that would
 * have exited natively (privileged, a write to a tracked page, a device access, a fault) begins
 * it anew; it ends when `limit` others have run since. How many those may be is the policy: for
 * `auto` what an exit costs on this host in instructions of the interpreter, and what was learned
 * of the address; else what the user said. Any limit from 0 to for ever gives the same results:
 * each instruction runs completely by one of the two, on one state.
 *
 * Interpreted code runs in blocks (../interp/fast.h) on the shadow tables that the hardware walks, with a
 * TLB of its own (../soft/soft.h), so it is never nearer to the guest's tables than the hardware is.
 *
 * Pages that the guest's own handler mapped during a stretch would be hidden faults for the
 * hardware; before it is entered, the shadow MMU is told of them as of reads, which may set
 * nothing but A (SDM vol. 3, section 4.8: a processor may do so ahead).
 *
 * Owned by the vCPU's thread. Read first: ../engine.h, learn.h. Read next: policy.c, ahead.c.
 */
#ifndef UMBRA_HYBRID_H
#define UMBRA_HYBRID_H

#include "vmm/hybrid/learn.h"
#include "vmm/machine.h"

#define HYBRID_FAULTS 8u
/* What an exit must cost for this engine to be the fastest: where the hardware walks our tables it
 * is 1 to 2 us, the price of a few instructions. */
#define HYBRID_DEAR_NS 4000u

struct hybrid_counts {
	uint64_t stretches; /* begun and not empty */
	uint64_t saved;	    /* instructions that would have exited */
	uint64_t ahead;	    /* instructions interpreted that the hardware could have run */
	uint64_t declined;  /* exits after which the hardware went on at once */
	uint64_t prefills;
	uint64_t entries;
};

/* A page fault that the guest was given. */
struct hybrid_fault {
	uint64_t va, cr3, rip;
	unsigned flags; /* walk.h */
};

/* Of a machine. */
struct hybrid_machine {
	struct hybrid_counts n; /* of vCPUs that ended */
	struct sh_backend kvm;
};

struct hybrid {
	uint32_t budget; /* HYBRID_AUTO, HYBRID_FOREVER or the limit of each stretch */
	uint32_t exit_ns, insn_ps; /* insn_ps: of one in a block */
	bool on;
	uint16_t entered_for; /* why the kernel was last entered, in some numbering */
	uint64_t from;	      /* the place where the stretch began, or was begun anew */
	unsigned cheap, limit;
	int64_t credit; /* in cheap instructions: what was gained and may be spent (policy.c) */
	unsigned runs;	/* of blocks */
	bool paused;	/* the last instruction was PAUSE */
	bool fpu_moved; /* vector registers were fetched from KVM: as dear as an exit */
	enum exit_class kind; /* of the exit that the stretch belongs to */
	bool kind_kept;
	struct hybrid_fault fault[HYBRID_FAULTS];
	unsigned faults;
	struct hybrid_counts n;
	struct learn learn;
};

/* policy.c. What an exit is worth in cheap instructions. */
unsigned hybrid_most(const struct hybrid *h);
/* A stretch begins at rip, with that stack pointer. eager: also at a place not seen before. */
void hybrid_begin(struct hybrid *h, uint64_t rip, uint64_t rsp, bool eager);
/* How many more instructions of blocks the stretch may have, at most `most`. */
unsigned hybrid_room(const struct hybrid *h, unsigned most);
/* insns instructions were interpreted that the hardware could have run without an exit. cost: in
 * instructions of blocks. */
void hybrid_ran(struct hybrid *h, unsigned insns, unsigned cost);
/* One that would have been an exit. RIP and RSP after it. */
void hybrid_saved(struct hybrid *h, uint64_t rip, uint64_t rsp);
void hybrid_stop(struct hybrid *h);
/* One sample of what an instruction of a block takes. */
void hybrid_timed(struct hybrid *h, uint64_t ns, uint64_t insns);

/* traps.c. Whether CPL 3 can't run it, so that it comes out. bytes: 15. */
bool hybrid_traps(unsigned mnemonic, const uint8_t *bytes);

/* backend.c. be: as KVM filled it in. */
void hybrid_backend_wrap(struct machine *m, struct sh_backend *be);

/* ahead.c */
void hybrid_left(struct vcpu *v, const struct engine_exit *x);
void hybrid_handled(struct vcpu *v, const struct engine_exit *x);
void hybrid_delivered(struct vcpu *v);
/* Interprets until the stretch ends or something else is due. */
void hybrid_interpret(struct vcpu *v);
void hybrid_prefill(struct vcpu *v);

#endif
