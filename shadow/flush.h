/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Architectural flush events: which translations a processor drops, and when (SDM vol. 3,
 * section 4.10.4.1; APM vol. 2, section 5.5.3).
 *
 * Read first: role.h. Locks: none, pure functions.
 */
#ifndef UMBRA_SHADOW_FLUSH_H
#define UMBRA_SHADOW_FLUSH_H

#include "shadow/role.h"

/* Sets of translations, or-ed. A paging-structure cache entry goes with the non-global
 * translations of its PCID. */
enum sh_flush {
	SH_FLUSH_NONE = 0,
	SH_FLUSH_CURRENT =
		1, /* non-global ones of the PCID in CR3 (the new one, if it changes) */
	SH_FLUSH_GLOBAL = 2, /* global ones, of whatever PCID */
	SH_FLUSH_OTHERS = 4, /* non-global ones of all other PCIDs */
	SH_FLUSH_ALL = 7,
};

/* Registers as sh_flush_of() counts them. */
enum sh_flush_reg { SH_REG_CR0, SH_REG_CR3, SH_REG_CR4, SH_REG_EFER };

/* What a valid write of reg drops. For CR3 val is the operand of MOV, bit 63 included; old holds
 * the registers before the write. */
enum sh_flush sh_flush_of(const struct sh_regs *old, enum sh_flush_reg reg, uint64_t val);

/* What INVPCID of types 1 to 3 drops, for a processor whose CR3 holds the PCID current. Type 0
 * names a page and is not for this. */
enum sh_flush sh_flush_of_invpcid(unsigned type, uint16_t pcid, uint16_t current);

/* The current PCID: 0 with CR4.PCIDE off. */
uint16_t sh_pcid(const struct sh_regs *r);

#endif
