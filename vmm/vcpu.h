/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One virtual CPU: its thread, its state, and how others get its attention.
 *
 * Threads and ordering. Everything not marked _Atomic belongs to the vCPU's thread. Others set a bit
 * in `requests` and call vcpu_kick(). The vCPU sets `mode` to VCPU_IN_GUEST, and only then looks
 * at `requests` a last time (both sequentially consistent), so a requester either is seen, or sees
 * IN_GUEST and kicks; vcpu_wait_out() then waits for `runs` to move on. Interpreted code that uses
 * translations (soft/soft.h) does the same with VCPU_INTERPRETS; it looks at `requests` between
 * instructions and needs no kick.
 * Locks: m->lock (machine.h) for pausing and for sleep in HLT.
 * Read first: engine.h. Read next: vcpu_call.c, vcpu.c.
 */
#ifndef UMBRA_VCPU_H
#define UMBRA_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "vmm/cpu/ops.h"
#include "vmm/engine.h"
#include "vmm/exitstat.h"
#include "vmm/interp/interp.h"

#define REQ_FLUSH    (1u << 0) /* the hardware forgets all translations before entering */
#define REQ_CATCH_UP (1u << 1) /* sh_catch_up() before entering */
#define REQ_EVENT    (1u << 2) /* the local APIC has something */
#define REQ_PAUSE    (1u << 3)
#define REQ_QUIT     (1u << 4)
#define REQ_INIT     (1u << 5)
#define REQ_SIPI     (1u << 6)
#define REQ_NMI	     (1u << 7)
#define REQ_TICK     (1u << 8)	/* the deadline has passed */
#define REQ_FORGET   (1u << 9)	/* likewise what interpreted code has looked up */
#define REQ_RESET    (1u << 10) /* taken while at rest */

/* Are of translations alone, and no reason to stop interpreting. */
#define REQ_DROPS (REQ_FLUSH | REQ_FORGET | REQ_CATCH_UP)

enum vcpu_mode { VCPU_OUTSIDE, VCPU_IN_GUEST, VCPU_INTERPRETS };

struct hybrid;
struct soft_vcpu;

/* Detects a guest that takes the same exception for ever. */
struct livelock {
	uint64_t rip, rsp, cr2;
	uint32_t vector, count;
};

struct vcpu {
	struct machine *m;
	unsigned index;
	struct cpu cpu;
	struct sh_vcpu *sh;
	struct interp *in;
	void *eng; /* the engine's */

	pthread_t thread;
	bool started; /* the thread that starts and joins it */
	_Atomic long tid;
	_Atomic uint32_t requests;
	_Atomic int mode;
	_Atomic bool sleeping; /* in HLT: woken by a futex on requests */
	_Atomic uint64_t runs; /* times the guest was left */
	_Atomic uint8_t sipi_vector;
	/* Views whose root the engine still has from sh_root(); none after a change of registers. */
	unsigned roots;
	bool regs_stale;     /* the shadow MMU has yet to hear of CR or EFER changes */
	unsigned regs_drops; /* and these (enum sh_flush) they drop */

	timer_t timer;
	bool have_timer;
	_Atomic uint64_t deadline; /* machine time, ns */

	uint64_t spurious_rip, spurious_cr2;
	uint64_t short_at; /* when vcpu_host_again() was last asked */
	unsigned short_times;
	struct livelock livelock;
	bool held, stepping; /* by a debugger: debug.h */
	struct exit_stats stats;
	struct soft_vcpu *soft; /* soft and hybrid: translations of interpreted code */
	struct hybrid *ahead;	/* hybrid only */
};

/* Sets a request and makes the vCPU look at it. Any thread. */
void vcpu_request(struct vcpu *v, uint32_t req);
/* Asked by the engine when everything is ready: marks the vCPU as in the guest and returns true,
 * unless a request or a deadline came up. */
bool vcpu_may_enter(struct vcpu *v);
/* After a request: returns when the vCPU has left the guest, if it was in it. Returns true if it was
 * in it and had to be kicked. */
bool vcpu_wait_out(struct vcpu *v);
/* The host was out of memory or tables for v: waits a moment and returns true, or false if that has been
 * so for too long. */
bool vcpu_host_again(struct vcpu *v);
/* sh_write() of at most two frames, tried again like that: nothing was written before. */
int vcpu_write(struct vcpu *v, gpa_t gpa, const void *buf, unsigned len);
/* The same for a vCPU that interprets, after REQ_FORGET: it has left the guest or has forgotten. */
bool vcpu_wait_forgotten(struct vcpu *v);

/* Rests until called if a pause was asked for, which is what it returns. Not while it interprets. */
bool vcpu_rest(struct vcpu *v);

/* Thread entry: runs until REQ_QUIT. */
void *vcpu_main(void *arg);

/* What vcpu_main() is made of, for an engine that runs all vCPUs in one thread: what a vCPU has on
 * its thread, one look at requests and interrupts with one stretch of guest code, and whether there
 * is anything to do but wait. */
int vcpu_setup(struct vcpu *v);
void vcpu_teardown(struct vcpu *v);
void vcpu_turn(struct vcpu *v);
bool vcpu_idle(struct vcpu *v);
/* Whether an interrupt, or the NMI that waits, could be delivered now. */
bool vcpu_interruptible(const struct cpu_state *s);
bool vcpu_nmi_ready(const struct cpu_state *s);
/* Whether the vCPU's deadline has passed. */
bool vcpu_due(struct vcpu *v);
/* Waits for a request or the vCPU's deadline. */
void vcpu_sleep(struct vcpu *v);
/* The last thing a thread of vCPUs does with the machine. */
void vcpu_thread_ends(struct machine *m);

#endif
