/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns SWAPGS, INVLPG, INVPCID and XSETBV.
 *
 * Read after: system.h. Manual: SDM vol. 2, each instruction; vol. 3, sections 2.6 and 4.10.4.
 */
#include "vmm/cpu/desc.h"
#include "vmm/cpu/system.h"

enum cpu_result cpu_swapgs(struct cpu *c, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint64_t base = s->seg[CPU_GS].base;

	if (!cpu_64bit(s))
		return cpu_fault(f, VEC_UD);
	if (cpu_cpl(s) != 0)
		return cpu_gp0(f);
	s->seg[CPU_GS].base = s->msr_kernel_gs_base;
	s->msr_kernel_gs_base = base;
	return CPU_OK;
}

enum cpu_result cpu_invlpg(struct cpu *c, gva_t va, struct cpu_fault *f)
{
	enum cpu_result r = cpu_require_cpl0(c, f);

	if (r != CPU_OK || !cpu_canonical(&c->s, va.v))
		return r; /* an address that isn't canonical has no translations to drop */
	*f = (struct cpu_fault){0};
	return c->ops->invlpg(c->m, &c->s, va);
}

enum { INVPCID_ADDR, INVPCID_SINGLE, INVPCID_ALL_GLOBAL, INVPCID_ALL, INVPCID_TYPES };

static bool invpcid_allowed(const struct cpu_state *s, uint64_t type, const uint64_t desc[2])
{
	if (type >= INVPCID_TYPES || desc[0] >> 12)
		return false;
	if (type == INVPCID_ADDR && !cpu_canonical(s, desc[1]))
		return false;
	return type > INVPCID_SINGLE || desc[0] == 0 || (s->cr4 & CR4_PCIDE);
}

enum cpu_result cpu_invpcid(struct cpu *c, uint64_t type, const uint64_t desc[2],
			    struct cpu_fault *f)
{
	if (cpu_cpl(&c->s) != 0 || !invpcid_allowed(&c->s, type, desc))
		return cpu_gp0(f);
	return c->ops->invpcid(c->m, &c->s, (unsigned)type, desc[0], GVA(desc[1]), f);
}

enum cpu_result cpu_set_pkru(struct cpu *c, uint32_t val, struct cpu_fault *f)
{
	enum cpu_result r = c->ops->set_cr(c->m, &c->s, CPU_OP_PKRU, val, f);

	if (r == CPU_OK)
		c->s.pkru = val;
	return r;
}

#define XCR0_X87    (1ull << 0)
#define XCR0_SSE    (1ull << 1)
#define XCR0_AVX    (1ull << 2)
#define XCR0_MPX    (3ull << 3)
#define XCR0_AVX512 (7ull << 5)

/* State components that depend on one another (SDM vol. 1, section 13.3). */
static bool xcr0_consistent(uint64_t val)
{
	uint64_t mpx = val & XCR0_MPX, avx512 = val & XCR0_AVX512;

	if (!(val & XCR0_X87))
		return false;
	if ((val & XCR0_AVX) && !(val & XCR0_SSE))
		return false;
	if (mpx && mpx != XCR0_MPX)
		return false;
	return !avx512 || (avx512 == XCR0_AVX512 && (val & XCR0_AVX));
}

/* What CPUID leaf 0xd says this CPU has. */
static uint64_t xcr0_supported(const struct cpu *c)
{
	uint32_t out[4] = {0};

	c->ops->cpuid(c->m, &c->s, 0xd, 0, out);
	return (uint64_t)out[3] << 32 | out[0];
}

enum cpu_result cpu_xsetbv(struct cpu *c, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint64_t val = s->gpr[CPU_RDX] << 32 | (uint32_t)s->gpr[CPU_RAX];

	if (!(s->cr4 & CR4_OSXSAVE))
		return cpu_fault(f, VEC_UD);
	if (cpu_cpl(s) != 0 || (uint32_t)s->gpr[CPU_RCX] != 0)
		return cpu_gp0(f);
	if (!xcr0_consistent(val) || (val & ~xcr0_supported(c)))
		return cpu_gp0(f);
	s->xcr0 = val;
	return CPU_OK;
}
