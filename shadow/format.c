/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables behind format.h. Source: SDM vol. 3, sections 4.3 (32-bit), 4.4 (PAE), 4.5 (4 and
 * 5 level), 4.1.4 (CPUID). Read first: format.h.
 */
#include "shadow/format.h"

#define LEAF(sh, b)                                                      \
	{                                                                \
		.shift = (sh), .bits = (b), .perms = true, .has_a = true \
	}
#define INNER(sh, b)                                                     \
	{                                                                \
		.shift = (sh), .bits = (b), .perms = true, .has_a = true \
	}
#define LARGE(sh, b)                                                                 \
	{                                                                            \
		.shift = (sh), .bits = (b), .ps = true, .perms = true, .has_a = true \
	}

const struct sh_format sh_formats[SH_FORMATS] = {
	[SH_FMT_NONE] = {.name = "none", .levels = 0, .entry_bytes = 8, .va_bits = 32},
	[SH_FMT_32] = {.name = "32-bit",
		       .levels = 2,
		       .entry_bytes = 4,
		       .va_bits = 32,
		       .cr3_mask = 0xfffff000ull,
		       .level = {{0}, LEAF(12, 10), LARGE(22, 10)}},
	/* PDPTEs carry neither permissions nor A: they are registers (SDM 4.4.1). */
	[SH_FMT_PAE] = {.name = "PAE",
			.levels = 3,
			.entry_bytes = 8,
			.va_bits = 32,
			.cr3_mask = 0xffffffe0ull,
			.level = {{0}, LEAF(12, 9), LARGE(21, 9), {.shift = 30, .bits = 2}}},
	[SH_FMT_4LVL] = {.name = "4-level",
			 .levels = 4,
			 .entry_bytes = 8,
			 .va_bits = 48,
			 .canonical = true,
			 .cr3_mask = 0x000ffffffffff000ull,
			 .level = {{0}, LEAF(12, 9), LARGE(21, 9), LARGE(30, 9), INNER(39, 9)}},
	[SH_FMT_5LVL] = {.name = "5-level",
			 .levels = 5,
			 .entry_bytes = 8,
			 .va_bits = 57,
			 .canonical = true,
			 .cr3_mask = 0x000ffffffffff000ull,
			 .level = {{0},
				   LEAF(12, 9),
				   LARGE(21, 9),
				   LARGE(30, 9),
				   INNER(39, 9),
				   INNER(48, 9)}},
};

bool sh_canonical(const struct sh_format *f, gva_t va)
{
	unsigned unused = 64u - f->va_bits;

	if (!f->canonical)
		return true;
	return (uint64_t)((int64_t)(va.v << unused) >> unused) == va.v;
}

static uint64_t bits(unsigned high, unsigned low)
{
	return high < low ? 0 : ((~0ull) >> (63 - high)) & ((~0ull) << low);
}

static uint64_t rsvd_32(unsigned level, bool large, unsigned maxphyaddr)
{
	/* PSE-36: bits 13..20 hold address bits 32..39; above what the CPU has, and bit 21, are
	 * reserved (SDM table 4-4). */
	unsigned top = maxphyaddr < 40 ? maxphyaddr : 40;

	if (level != 2 || !large)
		return 0;
	return bits(21, 13 + top - 32);
}

uint64_t sh_rsvd_bits(const struct sh_format *f, unsigned level, bool large,
		      unsigned maxphyaddr, bool nxe, bool gb_pages)
{
	uint64_t r;

	if (f->entry_bytes == 4)
		return rsvd_32(level, large, maxphyaddr);
	r = bits(51, maxphyaddr);
	if (f->va_bits == 32) /* PAE: 52..62 are reserved, not ignored */
		r |= bits(62, 52);
	if (!nxe)
		r |= PTE_NX;
	if (!f->level[level].perms) /* a PDPTE of PAE (SDM table 4-8) */
		return r | bits(2, 1) | bits(8, 5) | PTE_NX;
	if (large)
		r |= bits(f->level[level].shift - 1u, 13);
	if (level >= 4 || (level == 3 && !gb_pages))
		r |= PTE_PS;
	return r;
}

gpa_t sh_entry_addr(const struct sh_format *f, unsigned level, bool large, uint64_t entry)
{
	uint64_t addr;

	if (f->entry_bytes == 4 && large)
		return GPA((entry & 0xffc00000ull) | ((entry >> 13 & 0xff) << 32));
	addr = entry & (f->entry_bytes == 4 ? 0xfffff000ull : 0x000ffffffffff000ull);
	if (large)
		addr &= ~(sh_span(f, level) - 1);
	return GPA(addr);
}
