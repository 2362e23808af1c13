/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Delivery of exceptions and interrupts through the guest's own IDT or real-mode vector table.
 *
 * Read first: ops.h. Manual: SDM vol. 3, chapter 6; APM vol. 2, chapter 8.
 */
#ifndef UMBRA_CPU_DELIVER_H
#define UMBRA_CPU_DELIVER_H

#include "vmm/cpu/ops.h"

enum cpu_event_kind {
	EVENT_EXCEPTION, /* a fault or trap; RIP already says where to return to */
	EVENT_EXTERNAL,	 /* an interrupt of the local APIC */
	EVENT_NMI,
	EVENT_SOFT_INT, /* INT n: gate DPL is checked, EXT is 0 */
	EVENT_SOFT_EXC, /* INT3, INTO: gate DPL is checked */
	EVENT_ICEBP,	/* INT1: no DPL check */
};

struct cpu_event {
	enum cpu_event_kind kind;
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t cr2; /* #PF: loaded into CR2 before delivery */
};

/* Delivers e to cpu, with whatever nested faults, double fault and triple fault come of it (SDM
 * vol. 3, table 6-5). CPU_OK: state is at the first instruction of some handler, pushes are in
 * guest memory. CPU_BROKEN: triple fault; state is as before e, or at the start of the task that a
 * task gate led to, and activity is CPU_SHUTDOWN.
 * CPU_HOST, CPU_RETRY: nothing changed but guest memory above the stack pointer; call again.
 * For EVENT_SOFT_*, s.rip must already be behind the instruction, and insn_start is the RIP that
 * a fault in the delivery itself reports; for others it is ignored.
 * Pushed RFLAGS have RF=1 for faults (SDM vol. 3, section 17.3.1.1). */
enum cpu_result cpu_deliver(struct cpu *cpu, const struct cpu_event *e, uint64_t insn_start,
			    struct cpu_fault *f);

#endif
