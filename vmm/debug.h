/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine under a debugger: stopping all vCPUs at once, wherever the reason lies, and letting each
 * run, take one step, or stay.
 *
 * Breakpoints are addresses that the interpreter compares (cpu/debugger.h): as long as there are any,
 * no guest code runs natively. docs/architecture.md says why.
 *
 * Locks: m->lock for stopped and event. The rest of struct machine_debug, and held and stepping of each
 * vCPU, change only while the debugger keeps all vCPUs at rest.
 * Read first: machine.h, cpu/debugger.h. Read next: gdb/gdb.h.
 */
#ifndef UMBRA_DEBUG_H
#define UMBRA_DEBUG_H

#include "vmm/cpu/debugger.h"

struct machine;
struct vcpu;

enum debug_why {
	DEBUG_ASKED,   /* by the debugger itself */
	DEBUG_STEPPED, /* one instruction, or the entry of what it raised */
	DEBUG_POINT,   /* the instruction at a breakpoint is next */
	DEBUG_WATCH,   /* an access was made; the instruction after it is next */
};

struct debug_event {
	enum debug_why why;
	unsigned vcpu;
	uint64_t at;	 /* POINT, WATCH */
	unsigned access; /* of the watch: MEM_READ, MEM_WRITE or both */
};

enum debug_act { DEBUG_HOLD, DEBUG_RUN, DEBUG_STEP };

enum debug_kind { DEBUG_KIND_POINT, DEBUG_KIND_WATCH };

struct machine_debug {
	bool on;      /* a debugger may come: set before the vCPUs start */
	bool stopped; /* by the debugger: one of m->pausers */
	bool devices; /* they rest for this stop; the debugger's thread alone looks */
	struct debug_event event;
	struct cpu_debug set;
	void (*notify)(void *ctx); /* it stopped; any thread, must not wait */
	void *ctx;
};

/* Before the vCPUs start. */
void machine_debug_init(struct machine *m);
/* Who is told of stops; NULL: nobody. */
void machine_debug_listen(struct machine *m, void (*notify)(void *ctx), void *ctx);
/* Asks all vCPUs to rest, and does not wait for it. Any thread. The first reason counts. */
void machine_debug_stop(struct machine *m, const struct debug_event *e);
/* If it was stopped, waits until all vCPUs rest and says why. False: it runs. Not from a vCPU's
 * thread. */
bool machine_debug_settle(struct machine *m, struct debug_event *e);
/* Lets each vCPU do its act. While stopped. */
void machine_debug_go(struct machine *m, const enum debug_act *act);
/* Sets or clears a point, or a watch on len bytes. While stopped. 0; -ENOSPC, or -EINVAL for a watch
 * on nothing. Setting twice is setting once; what is not set may be cleared. */
int machine_debug_set(struct machine *m, enum debug_kind kind, uint64_t at, uint64_t len,
		      unsigned access);
void machine_debug_clear(struct machine *m, enum debug_kind kind, uint64_t at, uint64_t len,
			 unsigned access);
void machine_debug_clear_all(struct machine *m);

/* On v's own thread, if v->stepping. */
void vcpu_debug_step(struct vcpu *v);

#endif
