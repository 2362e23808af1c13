/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The software engine, inside: guest code is interpreted, and each of its loads, stores and
 * fetches goes through a model TLB that walks the shadow tables as hardware would.
 *
 * "In the guest" means that translations may be used: between soft_in() and soft_out(). What was
 * looked up in the TLB is good until soft_out(). A vCPU leaves the guest around every call that
 * may wait (the shadow MMU, devices), so that a shootdown, which waits for every vCPU to leave or
 * to forget, never waits for one that waits for the MMU's lock.
 * Threads. Each vCPU has its own, or (cfg.one_thread) one thread runs them all in turns: then
 * nothing ever waits for another vCPU, and a shootdown is done on the spot.
 *
 * Read first: ../engine.h, tlb.h. Read next: engine.c, memory.c, backend.c, schedule.c.
 */
#ifndef UMBRA_SOFT_H
#define UMBRA_SOFT_H

#include "vmm/machine.h"
#include "vmm/soft/tlb.h"

/* Machine time of one instruction where time is counted in instructions, ns. */
#define SOFT_INSN_NS 10u

struct soft {
	struct machine *m;
	struct tlb_tables tables;
	uint64_t *mem;
	uint64_t rng;	/* one_thread: what the order follows from */
	unsigned slice; /* one_thread: instructions of this turn */
	pthread_mutex_t lock;
	struct tlb_counts counts; /* of the vCPUs that have ended; lock */
};

struct soft_vcpu {
	struct soft *soft;
	struct tlb *tlb;
	mfn_t root[SH_VIEWS]; /* valid where v->roots says so */
	/* Whether a store to a frame that is tracked by now is reported. */
	bool watch_stores;
};

static inline struct soft_vcpu *soft_vcpu(const struct vcpu *v)
{
	return v->eng;
}

/* Forgets what a shootdown asked to forget. In the guest, between two uses of translations. */
void soft_forget(struct vcpu *v);

static inline void soft_in(struct vcpu *v)
{
	atomic_store(&v->mode, VCPU_IN_GUEST);
	if (atomic_load(&v->requests) & (REQ_FLUSH | REQ_CATCH_UP))
		soft_forget(v);
}

static inline void soft_out(struct vcpu *v)
{
	atomic_store(&v->mode, VCPU_OUTSIDE);
	atomic_fetch_add(&v->runs, 1);
}

/* memory.c, ops.c */
enum cpu_result soft_read(void *arg, struct cpu_state *s, gva_t va, void *buf, unsigned len,
			  unsigned flags, struct cpu_fault *f);
enum cpu_result soft_write(void *arg, struct cpu_state *s, gva_t va, const void *buf,
			   unsigned len, unsigned flags, struct cpu_fault *f);
enum cpu_result soft_cmpxchg(void *arg, struct cpu_state *s, gva_t va, void *expect,
			     const void *desired, unsigned len, bool *done,
			     struct cpu_fault *f);
enum cpu_result soft_fetch(void *arg, struct cpu_state *s, gva_t va, uint8_t buf[15],
			   unsigned *got, struct cpu_fault *f);
bool soft_direct(void *arg, const struct cpu_state *s, struct cpu_direct *d);
extern const struct cpu_ops soft_ops;

/* backend.c */
void soft_backend_fill(struct machine *m, struct sh_backend *be);

/* schedule.c */
void *soft_one_thread(void *machine);

#endif
