/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns SYSCALL, SYSRET, SYSENTER and SYSEXIT, which load flat segments without any table.
 *
 * Where makers differ this is Intel's behaviour: SYSCALL and SYSRET are #UD outside 64-bit
 * mode, and SYSRET to an address that is not canonical is #GP while still at CPL 0. Read after:
 * desc.h. Manual: SDM vol. 2, SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 */
#include "vmm/cpu/desc.h"
#include "vmm/cpu/segment.h"

#define SYSRET_FLAGS 0x3c7fd7ull /* all but RF and VM; reserved bits are cleared */

enum width { WIDTH_32, WIDTH_64 };

/* CS and SS as these instructions load them, at level dpl. */
static void load_flat(struct cpu_state *s, uint16_t cs, uint16_t ss, unsigned dpl, enum width w)
{
	uint16_t level = (uint16_t)(dpl << SEG_DPL_SHIFT);

	s->seg[CPU_CS] = (struct cpu_segment){
		.selector = cs,
		.limit = UINT32_MAX,
		.attr = (uint16_t)(ATTR_FLAT_CODE | level | (w == WIDTH_64 ? SEG_L : SEG_DB)),
	};
	s->seg[CPU_SS] = (struct cpu_segment){
		.selector = ss,
		.limit = UINT32_MAX,
		.attr = (uint16_t)(ATTR_FLAT_DATA | level),
	};
}

static bool syscall_enabled(const struct cpu_state *s)
{
	return cpu_64bit(s) && (s->efer & EFER_SCE);
}

enum cpu_result cpu_syscall(struct cpu *c, uint64_t next_rip, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint16_t base = (s->msr_star >> 32) & 0xfffc;

	if (!syscall_enabled(s))
		return cpu_fault(f, VEC_UD);
	s->gpr[CPU_RCX] = next_rip;
	s->gpr[CPU_R11] = s->rflags & ~RFL_RF;
	s->rip = s->msr_lstar;
	s->rflags = (s->rflags & ~s->msr_sfmask & ~RFL_RF) | RFL_FIXED;
	load_flat(s, base, (uint16_t)(base + 8), 0, WIDTH_64);
	return CPU_OK;
}

enum cpu_result cpu_sysret(struct cpu *c, unsigned opsize, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint16_t base = (uint16_t)(s->msr_star >> 48);
	enum width w = opsize == 8 ? WIDTH_64 : WIDTH_32;

	if (!syscall_enabled(s))
		return cpu_fault(f, VEC_UD);
	if (cpu_cpl(s) != 0 || (w == WIDTH_64 && !cpu_canonical(s, s->gpr[CPU_RCX])))
		return cpu_gp0(f);
	s->rip = w == WIDTH_64 ? s->gpr[CPU_RCX] : (uint32_t)s->gpr[CPU_RCX];
	s->rflags = (s->gpr[CPU_R11] & SYSRET_FLAGS) | RFL_FIXED;
	load_flat(s, (uint16_t)((base + (w == WIDTH_64 ? 16 : 0)) | 3),
		  (uint16_t)((base + 8) | 3), 3, w);
	return CPU_OK;
}

enum cpu_result cpu_sysenter(struct cpu *c, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint16_t base = s->msr_sysenter_cs & 0xfffc;
	bool lm = cpu_long_mode(s);

	if (cpu_real_mode(s) || !base)
		return cpu_gp0(f);
	s->rflags &= ~(RFL_VM | RFL_IF | RFL_RF);
	s->gpr[CPU_RSP] = lm ? s->msr_sysenter_esp : (uint32_t)s->msr_sysenter_esp;
	s->rip = lm ? s->msr_sysenter_eip : (uint32_t)s->msr_sysenter_eip;
	load_flat(s, base, (uint16_t)(base + 8), 0, lm ? WIDTH_64 : WIDTH_32);
	return CPU_OK;
}

enum cpu_result cpu_sysexit(struct cpu *c, unsigned opsize, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint16_t base = s->msr_sysenter_cs & 0xfffc;
	enum width w = opsize == 8 ? WIDTH_64 : WIDTH_32;
	uint64_t rip = s->gpr[CPU_RDX], rsp = s->gpr[CPU_RCX];
	unsigned skip = w == WIDTH_64 ? 32 : 16;

	if (cpu_real_mode(s) || !base || cpu_cpl(s) != 0)
		return cpu_gp0(f);
	if (w == WIDTH_64 && (!cpu_canonical(s, rip) || !cpu_canonical(s, rsp)))
		return cpu_gp0(f);
	s->rip = w == WIDTH_64 ? rip : (uint32_t)rip;
	s->gpr[CPU_RSP] = w == WIDTH_64 ? rsp : (uint32_t)rsp;
	load_flat(s, (uint16_t)((base + skip) | 3), (uint16_t)((base + skip + 8) | 3), 3, w);
	return CPU_OK;
}
