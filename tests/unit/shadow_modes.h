/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest tables in every paging format side by side in one memory, for the suites of modes.
 * Read first: shadow_fixture.h.
 */
#ifndef UMBRA_TESTS_SHADOW_MODES_H
#define UMBRA_TESTS_SHADOW_MODES_H

#include "tests/unit/shadow_fixture.h"

#define MiB (1ull << 20)
#define GiB (1ull << 30)

/* Frames, besides those of the 4-level tables of shadow_fixture.h. */
enum {
	M_PD32 = 16,
	M_PT32 = 17,
	M_PT32_B = 18,
	M_PD32_B = 19,
	M_PDPT = 20,
	M_PD = 21,
	M_PD_B = 22,
	M_PT = 23,
	M_PML5 = 24,
};

/* The machine of fx_start() with the tables: 32-bit M_PD32[0] -> M_PT32, PAE M_PDPT[0] -> M_PD[0] ->
 * M_PT, and M_PML5[0] -> G_PML4. Each page table maps 0x1000 * i to frame G_DATA + i, i below 32. */
void modes_start(struct fake *f, unsigned levels);
/* Puts vCPU 0 into a format, on those tables; PAE loads the PDPTEs from memory. */
void modes_set(struct fake *f, unsigned vcpu, enum sh_format_id format);
/* The same with another top-level table. */
void modes_set_cr3(struct fake *f, unsigned vcpu, enum sh_format_id format, uint64_t cr3);
/* Writes a 4-byte entry as the kernel does by emulation. */
void modes_put32(struct fake *f, unsigned table, unsigned index, uint32_t entry);

#endif
