/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The register file of x87, MMX and SSE: laid out as FXSAVE64 writes it, so that FXSAVE is a copy
 * and the host's own FXRSTOR can load it.
 *
 * Invariants, which make it loadable on any host: no bit of mxcsr outside FPU_MXCSR_MASK is set;
 * FSW.ES says whether FSW has an exception that FCW does not mask. st[i] is ST(i), not physical
 * register i; bit i of ftw belongs to physical register i and is 1 if it is not empty.
 *
 * Read first: state.h. Manual: SDM vol. 1, sections 8.1, 10.5 and 11.6; vol. 2, FXSAVE.
 */
#ifndef UMBRA_CPU_FPU_H
#define UMBRA_CPU_FPU_H

#include <stdint.h>

struct cpu_fpu {
	_Alignas(16) uint16_t fcw;
	uint16_t fsw;
	uint8_t ftw;
	uint8_t reserved1;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	uint8_t xmm[16][16];
	uint8_t reserved2[96];
};
_Static_assert(sizeof(struct cpu_fpu) == 512, "the FXSAVE image");

#define FPU_EXCEPTIONS 0x3fu /* of FSW, FCW and MXCSR alike: IE DE ZE OE UE PE */
#define FPU_IE	       0x01u
#define FPU_DE	       0x02u
#define FPU_ZE	       0x04u
#define FPU_OE	       0x08u
#define FPU_UE	       0x10u
#define FPU_PE	       0x20u
#define FPU_FSW_ES     0x80u
#define FPU_FSW_TOP(w) ((w) >> 11 & 7u)
#define FPU_TOP_MASK   0x3800u

#define FPU_MXCSR_MASK	0xffffu
#define FPU_MXCSR_RESET 0x1f80u
#define FPU_MXCSR_FTZ	0x8000u
#define FPU_MASKS_SHIFT 7 /* masks in MXCSR, above the flags */

/* RESET (SDM vol. 3, table 9-1): x87 with all exceptions unmasked, +0.0 in every register. INIT
 * changes nothing here. */
void cpu_fpu_reset(struct cpu_fpu *f);
/* Changes TOP alone: physical registers keep their contents, so the image turns under it. */
void cpu_fpu_set_top(struct cpu_fpu *f, unsigned top);
/* FNINIT; the contents of the registers stay. */
void cpu_fpu_init(struct cpu_fpu *f);
/* The tag word with two bits for each physical register (vol. 1, section 8.1.7), and back. */
uint16_t cpu_fpu_tags(const struct cpu_fpu *f);
void cpu_fpu_set_tags(struct cpu_fpu *f, uint16_t tags);

#endif
