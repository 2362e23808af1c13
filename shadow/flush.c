/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which events drop what: the table. Read first: flush.h.
 */
#include "shadow/flush.h"

#define PCIDE	(1ull << 17)
#define NOFLUSH (1ull << 63)

/* A change of a bit in one direction or in both. The two manuals differ in CR4.PSE, which only
 * the APM lists; it drops everything here. */
static const struct {
	enum sh_flush_reg reg;
	uint64_t bit;
	bool rising, falling;
	enum sh_flush drops;
} toggles[] = {
	{SH_REG_CR0, 1ull << 31, false, true, SH_FLUSH_ALL},			 /* PG */
	{SH_REG_CR4, 1ull << 4, true, true, SH_FLUSH_ALL},			 /* PSE */
	{SH_REG_CR4, 1ull << 5, true, true, SH_FLUSH_CURRENT | SH_FLUSH_GLOBAL}, /* PAE */
	{SH_REG_CR4, 1ull << 7, true, true, SH_FLUSH_ALL},			 /* PGE */
	{SH_REG_CR4, PCIDE, false, true, SH_FLUSH_ALL},
	{SH_REG_CR4, 1ull << 20, true, false, SH_FLUSH_CURRENT | SH_FLUSH_GLOBAL}, /* SMEP */
};

static uint64_t value_of(const struct sh_regs *r, enum sh_flush_reg reg)
{
	const uint64_t now[] = {[SH_REG_CR0] = r->cr0,
				[SH_REG_CR3] = r->cr3,
				[SH_REG_CR4] = r->cr4,
				[SH_REG_EFER] = r->efer};

	return now[reg];
}

enum sh_flush sh_flush_of(const struct sh_regs *old, enum sh_flush_reg reg, uint64_t val)
{
	uint64_t before = value_of(old, reg);
	unsigned drops = SH_FLUSH_NONE;

	if (reg == SH_REG_CR3)
		return old->cr4 & PCIDE && val & NOFLUSH ? SH_FLUSH_NONE : SH_FLUSH_CURRENT;
	for (unsigned i = 0; i < sizeof(toggles) / sizeof(toggles[0]); i++) {
		bool rises = ~before & val & toggles[i].bit;
		bool falls = before & ~val & toggles[i].bit;

		if (toggles[i].reg == reg &&
		    ((rises && toggles[i].rising) || (falls && toggles[i].falling)))
			drops |= toggles[i].drops;
	}
	return (enum sh_flush)drops;
}

enum sh_flush sh_flush_of_invpcid(unsigned type, uint16_t pcid, uint16_t current)
{
	switch (type) {
	case 1:
		return pcid == current ? SH_FLUSH_CURRENT : SH_FLUSH_NONE;
	case 2:
		return SH_FLUSH_ALL;
	default:
		return (enum sh_flush)(SH_FLUSH_CURRENT | SH_FLUSH_OTHERS);
	}
}

uint16_t sh_pcid(const struct sh_regs *r)
{
	return r->cr4 & PCIDE ? r->cr3 & 0xfff : 0;
}
