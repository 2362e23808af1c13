/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hardware task switches. Private to vmm/cpu.
 *
 * Read first: desc.h. Manual: SDM vol. 3, chapter 7.
 */
#ifndef UMBRA_CPU_TASK_H
#define UMBRA_CPU_TASK_H

#include "vmm/cpu/desc.h"

enum cpu_task_how {
	TASK_JMP,
	TASK_CALL,
	TASK_EVENT, /* exception or interrupt through a task gate of the IDT */
	TASK_IRET,
};

struct cpu_task {
	enum cpu_task_how how;
	uint16_t tss;	 /* selector */
	uint64_t rip;	 /* saved as the old task's */
	uint64_t rflags; /* likewise */
	bool has_error;	 /* TASK_EVENT: goes on the new task's stack */
	uint32_t error;
};

/* JMP or CALL to the TSS or task gate that d, of either type, describes. */
enum cpu_result cpu_task_far(struct cpu *c, const struct cpu_desc *d, bool call,
			     uint64_t next_rip, struct cpu_fault *f);

/* IRET with NT set: back to the task the current one is linked to. */
enum cpu_result cpu_task_return(struct cpu *c, uint64_t next_rip, struct cpu_fault *f);

/* The switch itself; privilege was checked. Faults found before the new task is entered change
 * nothing; later ones are the new task's, with f->in_new_task. A set T flag is such a "fault":
 * the #DB that it raises before the new task's first instruction. */
enum cpu_result cpu_task_switch(struct cpu *c, const struct cpu_task *t, struct cpu_fault *f);

#endif
