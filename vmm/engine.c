/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What engines have in common. Read first: engine.h.
 */
#include "vmm/machine.h"

/* One shadow table for every 64 guest pages, within reason: two views of everything densely mapped
 * need 1 for 256. */
uint32_t engine_default_tables(const struct machine *m)
{
	uint64_t n = m->cfg.memory / SH_PAGE_SIZE / 64;

	if (m->cfg.shadow_limit)
		return m->cfg.shadow_limit;
	if (n < 1024)
		n = 1024;
	return n > 1u << 20 ? 1u << 20 : (uint32_t)n;
}

mpa_t engine_own_mpa(const struct gmem *gm)
{
	uint64_t end = gmem_end(gm).v << SH_PAGE_SHIFT, gib = 1ull << 30;

	return MPA(end <= 4 * gib ? 4 * gib : (end + gib - 1) & ~(gib - 1));
}
