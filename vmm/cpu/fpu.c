/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the states the vector and x87 registers start from, and the two forms of the tag word.
 *
 * Read first: fpu.h. Manual: SDM vol. 1, section 8.1.7; vol. 3, table 9-1.
 */
#include "vmm/cpu/fpu.h"

#include <string.h>

void cpu_fpu_reset(struct cpu_fpu *f)
{
	*f = (struct cpu_fpu){.fcw = 0x40,
			      .ftw = 0xff,
			      .mxcsr = FPU_MXCSR_RESET,
			      .mxcsr_mask = FPU_MXCSR_MASK};
}

void cpu_fpu_set_top(struct cpu_fpu *f, unsigned top)
{
	const unsigned turn = top - FPU_FSW_TOP(f->fsw);
	uint8_t st[8][16];

	memcpy(st, f->st, sizeof(st));
	for (unsigned k = 0; k < 8; k++)
		memcpy(f->st[k], st[(k + turn) & 7], 16);
	f->fsw = (uint16_t)((f->fsw & ~FPU_TOP_MASK) | top << 11);
}

void cpu_fpu_init(struct cpu_fpu *f)
{
	cpu_fpu_set_top(f, 0);
	f->fcw = 0x37f;
	f->fsw = f->fop = 0;
	f->ftw = 0;
	f->fip = f->fdp = 0;
}

enum tag { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static enum tag tag_of(const uint8_t st[16])
{
	uint64_t mantissa;
	uint16_t exponent;

	memcpy(&mantissa, st, 8);
	memcpy(&exponent, st + 8, 2);
	exponent &= 0x7fff;
	if (!exponent && !mantissa)
		return TAG_ZERO;
	if (!exponent || exponent == 0x7fff || !(mantissa >> 63))
		return TAG_SPECIAL;
	return TAG_VALID;
}

uint16_t cpu_fpu_tags(const struct cpu_fpu *f)
{
	unsigned top = FPU_FSW_TOP(f->fsw), tags = 0;

	for (unsigned phys = 0; phys < 8; phys++) {
		enum tag t = f->ftw >> phys & 1 ? tag_of(f->st[(phys - top) & 7]) : TAG_EMPTY;

		tags |= (unsigned)t << (2 * phys);
	}
	return (uint16_t)tags;
}

void cpu_fpu_set_tags(struct cpu_fpu *f, uint16_t tags)
{
	f->ftw = 0;
	for (unsigned phys = 0; phys < 8; phys++)
		if ((tags >> (2 * phys) & 3) != TAG_EMPTY)
			f->ftw |= (uint8_t)(1u << phys);
}
