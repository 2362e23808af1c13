/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interpreter: executes guest instructions one at a time on struct cpu, decoded by Zydis.
 *
 * Exceptions are precise: an instruction that faults has changed nothing but what the manuals
 * allow (string instructions keep the iterations they finished, A and D bits may be set).
 *
 * Read first: ../cpu/ops.h, ../cpu/segment.h, ../cpu/system.h.
 */
#ifndef UMBRA_INTERP_H
#define UMBRA_INTERP_H

#include "vmm/cpu/ops.h"

/* What an instruction was, for whoever wants to know after interp_step(). */
struct interp_info {
	uint64_t rip; /* where it stood */
	uint8_t bytes[15];
	uint8_t len;
	uint16_t mnemonic; /* ZydisMnemonic */
	bool returned;	   /* an IRET of any size was done */
	bool not_emulated; /* with CPU_BROKEN: legal, but not known to us; f->why says it */
	char text[96];	   /* "not emulated: <bytes> <mnemonic>", only when not_emulated */
};

struct interp; /* decoder state; one per vCPU, not shared */

/* Returns NULL with errno set when out of memory. */
struct interp *interp_create(void);
void interp_destroy(struct interp *in);

/* Executes instructions that need nothing out of the ordinary (fast.h), at most budget of them, until
 * the next one is not such or *stop is not 0, and returns how many. Where cpu_ops.direct is NULL there
 * are none. If they are fewer than budget, the next call must be one of the steps below. */
unsigned interp_ahead(struct interp *in, struct cpu *c, unsigned budget,
		      const _Atomic uint32_t *stop);

/* Executes one instruction at s.rip (a REP string instruction: up to max_rep iterations, then
 * returns CPU_OK with RIP still on it).
 * CPU_OK: done, RIP moved on. CPU_FAULT: *f is the exception; the state is as before the
 * instruction, RIP on it (for traps like INT3: RIP behind it, and f is delivered by the step
 * itself, so the caller sees CPU_OK). CPU_RETRY: nothing happened. CPU_BROKEN with
 * info->not_emulated: the manuals define it, we don't know it. HLT sets s.activity. */
enum cpu_result interp_step(struct interp *in, struct cpu *c, unsigned max_rep,
			    struct interp_info *info, struct cpu_fault *f);

/* interp_step() plus delivery of the traps that follow a completed instruction (single step, data
 * breakpoints, T of a TSS), but not of its faults. */
enum cpu_result interp_step_traps(struct interp *in, struct cpu *c, unsigned max_rep,
				  struct interp_info *info, struct cpu_fault *f);

/* The same plus delivery of the exception it may raise. CPU_OK: one instruction or one
 * exception happened. Clears int_shadow and RF as a completed instruction does. */
enum cpu_result interp_step_deliver(struct interp *in, struct cpu *c, unsigned max_rep,
				    struct interp_info *info, struct cpu_fault *f);

#endif
