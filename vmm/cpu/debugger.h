/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a debugger outside the machine wants the virtual CPUs to stop: linear addresses that the
 * interpreter compares. Nothing in the guest changes for it: no byte of its memory, no register.
 *
 * One set for all CPUs, changed only while all are at rest.
 * Read after: ops.h. Read next: ../debug.h.
 */
#ifndef UMBRA_CPU_DEBUGGER_H
#define UMBRA_CPU_DEBUGGER_H

#include "vmm/cpu/ops.h"

#define CPU_DEBUG_POINTS  256u
#define CPU_DEBUG_WATCHES 32u

struct cpu_debug_watch {
	uint64_t at, len;
	unsigned access; /* MEM_READ, MEM_WRITE or both */
};

struct cpu_debug {
	unsigned points, watches;
	uint64_t point[CPU_DEBUG_POINTS];
	struct cpu_debug_watch watch[CPU_DEBUG_WATCHES];
	/* The instruction at a point was not begun, and will be tried again: whoever is called has to
	 * bring the CPU to rest. */
	void (*reached)(void *m, uint64_t at);
	/* The instruction accesses memory under w, and goes on. */
	void (*touched)(void *m, const struct cpu_debug_watch *w);
};

static inline bool cpu_debug_point(const struct cpu_debug *d, uint64_t linear)
{
	for (unsigned i = 0; i < d->points; i++)
		if (d->point[i] == linear)
			return true;
	return false;
}

/* Whether there is a point in the page of linear. */
static inline bool cpu_debug_page(const struct cpu_debug *d, uint64_t linear)
{
	for (unsigned i = 0; i < d->points; i++)
		if (!((d->point[i] ^ linear) >> SH_PAGE_SHIFT))
			return true;
	return false;
}

/* The first watch that an access meets; NULL: none. */
static inline const struct cpu_debug_watch *cpu_debug_watch(const struct cpu_debug *d,
							    uint64_t at, unsigned len,
							    unsigned access)
{
	for (unsigned i = 0; i < d->watches; i++) {
		const struct cpu_debug_watch *w = &d->watch[i];

		/* As distances: ranges may end at the end of the address space. */
		if (w->access & access && (at - w->at < w->len || w->at - at < len))
			return w;
	}
	return NULL;
}

#endif
