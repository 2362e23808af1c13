/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The segment check alone, on any segment's hidden part. Private to vmm/cpu.
 *
 * Read first: desc.h.
 */
#ifndef UMBRA_CPU_LINEAR_H
#define UMBRA_CPU_LINEAR_H

#include "vmm/cpu/desc.h"

/* Linear address of len bytes at offset in g; false where the CPU raises #SS or #GP. flat: a
 * 64-bit access, for which only the address's canonical form counts (base is g->base then too:
 * callers pass 0 for all but FS and GS). flags: MEM_READ, MEM_WRITE. */
bool cpu_segment_linear(const struct cpu_state *s, const struct cpu_segment *g, bool flat,
			uint64_t offset, unsigned len, unsigned flags, gva_t *va);

#endif
