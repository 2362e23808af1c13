/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One entry into a handler, without what follows if it fails. Private to vmm/cpu.
 *
 * Read first: deliver.h, stack.h.
 */
#ifndef UMBRA_CPU_ENTRY_H
#define UMBRA_CPU_ENTRY_H

#include "vmm/cpu/deliver.h"
#include "vmm/cpu/transfer.h"

struct cpu_entry {
	const struct cpu_event *e;
	uint64_t rflags; /* as pushed */
	bool check_dpl;	 /* INT n, INT3, INTO */
};

/* Error codes of the faults lack the EXT bit, which the caller adds. */
enum cpu_result cpu_enter_gate(struct cpu *c, const struct cpu_entry *en, struct cpu_fault *f);
enum cpu_result cpu_enter_real(struct cpu *c, const struct cpu_entry *en, struct cpu_fault *f);

#endif
