/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the comparison of accesses with the debug registers.
 *
 * Known limits: accesses that a transfer makes by itself (descriptor tables, the TSS, the frames
 * of interrupts) are not compared, nor are vector and x87 operands read around exec_mem_read().
 * Read after: watch.h. Manual: SDM vol. 3, sections 17.2.4, 17.2.5 and table 17-1.
 */
#include "vmm/interp/watch.h"

enum { ON_CODE, ON_WRITE, ON_PORT, ON_ACCESS }; /* DR7.R/Wn */

static bool enabled(const struct cpu_state *s, unsigned n)
{
	return s->dr[7] >> (2 * n) & 3;
}

/* R/W 2 means ports only with CR4.DE; without, it is undefined, and here matches nothing. */
static unsigned condition(const struct cpu_state *s, unsigned n)
{
	return s->dr[7] >> (16 + 4 * n) & 3;
}

static unsigned length(const struct cpu_state *s, unsigned n)
{
	static const uint8_t by_len[] = {1, 2, 8, 4};

	return by_len[s->dr[7] >> (18 + 4 * n) & 3];
}

/* The low bits of the address are ignored as the length says. */
static bool overlaps(const struct cpu_state *s, unsigned n, uint64_t at, unsigned len)
{
	uint64_t size = length(s, n), from = s->dr[n] & ~(size - 1);

	return at < from + size && from < at + len;
}

uint8_t watch_armed(const struct cpu_state *s)
{
	uint8_t set = 0;

	for (unsigned n = 0; n < 4; n++)
		if (enabled(s, n) && condition(s, n) != ON_CODE)
			set |= (uint8_t)(1u << n);
	return set;
}

uint8_t watch_code(const struct cpu_state *s, uint64_t linear)
{
	uint8_t set = 0;

	for (unsigned n = 0; n < 4; n++)
		if (enabled(s, n) && condition(s, n) == ON_CODE && s->dr[n] == linear)
			set |= (uint8_t)(1u << n);
	return set;
}

static uint8_t hits(const struct cpu_state *s, unsigned conditions, uint64_t at, unsigned len)
{
	uint8_t set = 0;

	for (unsigned n = 0; n < 4; n++)
		if (enabled(s, n) && conditions >> condition(s, n) & 1 &&
		    overlaps(s, n, at, len))
			set |= (uint8_t)(1u << n);
	return set;
}

uint8_t watch_data(const struct cpu_state *s, uint64_t linear, unsigned len, unsigned flags)
{
	unsigned conditions = 1u << ON_ACCESS | (flags & MEM_WRITE ? 1u << ON_WRITE : 0);

	return hits(s, conditions, linear, len);
}

uint8_t watch_port(const struct cpu_state *s, uint16_t port, unsigned size)
{
	return s->cr4 & CR4_DE ? hits(s, 1u << ON_PORT, port, size) : 0;
}
