/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The task state segment as it lies in memory, in its 16-bit and its 32-bit form. Private to
 * vmm/cpu.
 *
 * Read first: desc.h. Manual: SDM vol. 3, sections 7.2.1 and 7.6, figures 7-2 and 7-10.
 */
#ifndef UMBRA_CPU_TSS_H
#define UMBRA_CPU_TSS_H

#include "vmm/cpu/desc.h"

/* The part of a task's state that a TSS holds. */
struct cpu_tss {
	uint32_t cr3, eip, eflags;
	uint32_t gpr[8];
	uint16_t seg[CPU_SEGS];
	uint16_t ldt;
	uint16_t link; /* selector of the TSS of the task that called */
	bool trap;     /* T: #DB on entry */
};

/* Whether the TSS that tr or a descriptor with these attributes names is a 32-bit one. */
static inline bool cpu_tss_wide(unsigned attr)
{
	return SEG_TYPE(attr) & 8;
}

/* The lowest limit that holds all of it. */
static inline uint32_t cpu_tss_min_limit(bool wide)
{
	return wide ? 0x67 : 0x2b;
}

/* Reads all of it. A 16-bit TSS leaves the upper halves of the registers set, as CPUs do, has no
 * CR3 and gives null selectors for FS and GS. */
enum cpu_result cpu_tss_read(struct cpu *c, const struct cpu_segment *tss, struct cpu_tss *t,
			     struct cpu_fault *f);

/* Writes the fields that belong to a task when it goes: EIP, EFLAGS, registers, segments. */
enum cpu_result cpu_tss_save(struct cpu *c, const struct cpu_segment *tss,
			     const struct cpu_tss *t, struct cpu_fault *f);

/* Reads and writes the link alone. */
enum cpu_result cpu_tss_read_link(struct cpu *c, const struct cpu_segment *tss, uint16_t *link,
				  struct cpu_fault *f);
enum cpu_result cpu_tss_write_link(struct cpu *c, const struct cpu_segment *tss, uint16_t link,
				   struct cpu_fault *f);

#endif
