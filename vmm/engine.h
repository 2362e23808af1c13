/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What executes guest instructions. A machine has one engine; each vCPU runs on it until something
 * happens that the monitor has to look at.
 *
 * Read first: cpu/ops.h, shadow/backend.h. Read next: vcpu.h, exits.c.
 */
#ifndef UMBRA_ENGINE_H
#define UMBRA_ENGINE_H

#include "shadow/mmu.h"
#include "vmm/cpu/ops.h"

struct json_object;
struct machine;
struct vcpu;

enum exit_kind {
	EXIT_NONE,	 /* nothing ran: requests were waiting */
	EXIT_EXCEPTION,	 /* vector, error, cr2; RIP on the instruction for faults */
	EXIT_SYSCALL,	 /* SYSCALL was executed; RCX and R11 are already set */
	EXIT_KICKED,	 /* somebody wanted this vCPU's attention */
	EXIT_HOST_ERROR, /* err, why */
	EXIT_DONE,	 /* the engine has seen to everything itself */
};

struct engine_exit {
	enum exit_kind kind;
	uint8_t vector;
	uint32_t error;
	uint64_t cr2;
	int err;
	const char *why;
};

/* Features of the virtual CPU that only some engines can give it. */
#define CAN_PKU	 (1u << 0) /* RDPKRU and WRPKRU trap, or are interpreted */
#define CAN_LA57 (1u << 1) /* code under 5-level paging need not run at CPL 3 */
#define CAN_AVX	 (1u << 2) /* the host has AVX; XCR0 and CR4.OSXSAVE are the guest's own */

struct engine {
	const char *name;
	/* The CAN_ bits of this host. May be asked before anything else. */
	unsigned (*can)(void);
	/* How emulated instructions and event delivery reach memory. */
	const struct cpu_ops *ops;
	/* Its vCPUs need a signal at their deadline; others look at the clock often enough. */
	bool needs_timer;
	/* Prepares the machine: m->gm exists. Fills *be for the shadow MMU. msg gets one line on
	 * failure. Returns 0 or -errno. */
	int (*machine_create)(struct machine *m, struct sh_backend *be, char *msg, size_t n);
	void (*machine_destroy)(struct machine *m);
	/* On the vCPU's own thread. */
	int (*vcpu_create)(struct vcpu *v);
	void (*vcpu_destroy)(struct vcpu *v);
	/* Whether run() executes what the vCPU is about to; else it is interpreted. */
	bool (*can_run)(const struct vcpu *v);
	/* Runs v->cpu.s on the shadow tree at root until an exit. */
	void (*run)(struct vcpu *v, mfn_t root, struct engine_exit *x);
	/* Makes v leave run() soon; from any thread. */
	void (*kick)(struct vcpu *v);
	/* Brings the vector and x87 registers into v->cpu.s.fpu; write: they are about to change, and
	 * run() takes them from there. On the vCPU's own thread, outside run(). NULL if they are always
	 * there. 0 or -errno. */
	int (*fpu)(struct vcpu *v, bool write);
	/* Around whatever uses ops outside run(). NULL: nothing to do. */
	void (*begin)(struct vcpu *v);
	void (*end)(struct vcpu *v);
	/* The thread that runs all vCPUs of a machine with cfg.one_thread. NULL: can't. */
	void *(*one_thread)(void *machine);
	/* Adds the engine's own counters, once no vCPU runs. NULL: none. */
	void (*stats)(struct machine *m, struct json_object *o);
	/* Whether this host has what it takes; if not, msg says why. NULL: always. */
	bool (*usable)(char *msg, size_t n);
};

extern const struct engine engine_kvm, engine_hybrid, engine_soft;

/* Shadow tables for a machine that was not told how many. */
uint32_t engine_default_tables(const struct machine *m);
/* The first machine address above RAM that may be an engine's own. */
mpa_t engine_own_mpa(const struct gmem *gm);

#endif
