/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The second half of a task switch. Private to vmm/cpu.
 *
 * Read first: task.h, tss.h.
 */
#ifndef UMBRA_CPU_TASK_LOAD_H
#define UMBRA_CPU_TASK_LOAD_H

#include "vmm/cpu/tss.h"

/* Takes the state of t, which TR already names, in the order of the manual: registers, then CR3,
 * LDTR and the segments with their checks. A fault is the new task's. */
enum cpu_result cpu_task_load(struct cpu *c, const struct cpu_tss *t, struct cpu_fault *f);

#endif
