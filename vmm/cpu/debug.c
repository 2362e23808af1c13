/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns moves to and from the debug registers.
 *
 * Limit: breakpoints themselves are the engines' affair.
 * Read after: system.h. Manual: SDM vol. 3, section 17.2; vol. 2, MOV (debug registers).
 */
#include "vmm/cpu/desc.h"
#include "vmm/cpu/system.h"

#define DR6_BD	  (1ull << 13)
#define DR6_FIXED 0xffff0ff0ull /* read as ones, RTM among them */
#define DR6_ZERO  (1ull << 12)
#define DR7_FIXED (1ull << 10)
#define DR7_GD	  (1ull << 13)
#define DR7_ZERO  0xd800ull /* bits 11, 12, 14, 15 */

/* Checks that reads and writes share; DR4 and DR5 are names of DR6 and DR7 unless CR4.DE. */
static enum cpu_result check(struct cpu *c, int *reg, struct cpu_fault *f)
{
	enum cpu_result r;

	if (*reg < 0 || *reg > 7)
		return cpu_fault(f, VEC_UD);
	if (*reg == 4 || *reg == 5) {
		if (c->s.cr4 & CR4_DE)
			return cpu_fault(f, VEC_UD);
		*reg += 2;
	}
	r = cpu_require_cpl0(c, f);
	if (r != CPU_OK)
		return r;
	if (c->s.dr[7] & DR7_GD) {
		/* The one fault that leaves a trace in a register: the handler looks for it. */
		c->s.dr[6] |= DR6_BD;
		return cpu_fault(f, VEC_DB);
	}
	return CPU_OK;
}

enum cpu_result cpu_read_dr(struct cpu *c, int reg, uint64_t *val, struct cpu_fault *f)
{
	enum cpu_result r = check(c, &reg, f);

	if (r == CPU_OK)
		*val = c->s.dr[reg];
	return r;
}

enum cpu_result cpu_write_dr(struct cpu *c, int reg, uint64_t val, struct cpu_fault *f)
{
	enum cpu_result r = check(c, &reg, f);

	if (r != CPU_OK)
		return r;
	if (reg >= 6 && val >> 32)
		return cpu_gp0(f);
	if (reg == 6)
		val = (val & ~DR6_ZERO) | DR6_FIXED;
	if (reg == 7)
		val = (val & ~DR7_ZERO) | DR7_FIXED;
	c->s.dr[reg] = val;
	return CPU_OK;
}
