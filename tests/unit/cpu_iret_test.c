/* SPDX-License-Identifier: BSD-2-Clause
 *
 * IRET. SDM vol. 2, IRET/IRETD/IRETQ.
 */
#include "tests/unit/cpu_bench.h"

/* A 64-bit frame on the kernel's stack. */
static void frame64(struct bench *b, uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp,
		    uint64_t ss)
{
	uint64_t vals[] = {rip, cs, flags, rsp, ss};

	b->c.s.gpr[CPU_RSP] = RUNSTACK - 40;
	for (unsigned i = 0; i < 5; i++)
		poke64(b, RUNSTACK - 40 + 8 * i, vals[i]);
}

static void real_16(void)
{
	struct bench *b = bench_real();

	b->c.s.rflags = RFL_FIXED | RFL_AC;
	b->c.s.gpr[CPU_RSP] = 0x7ffa;
	poke16(b, 0x7ffa, 0x4444);
	poke16(b, 0x7ffc, 0x3000);
	poke16(b, 0x7ffe, 0x7201); /* NT, IOPL 3, IF, CF */
	OK(b, cpu_iret(&b->c, 2, 0, &b->f));
	EQ(b->c.s.rip, 0x4444);
	EQ(b->c.s.seg[CPU_CS].base, 0x30000);
	EQ(b->c.s.rflags, 0x47203);
	EQ(b->c.s.gpr[CPU_RSP], 0x8000);
}

static void real_32_flags(void)
{
	struct bench *b = bench_real();

	b->c.s.rflags = RFL_FIXED | RFL_VIF;
	b->c.s.gpr[CPU_RSP] = 0x7ff4;
	poke32(b, 0x7ff4, 0x4444);
	poke32(b, 0x7ff8, 0x3000);
	poke32(b, 0x7ffc, 0xffffffff);
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(b->c.s.rflags, 0x257fd5 | 2 | RFL_VIF); /* VM, VIP not taken, VIF kept */
	b->c.s.gpr[CPU_RSP] = 0x7ff4;
	poke32(b, 0x7ff4, 0x10000); /* beyond the limit */
	FAULTS(b, cpu_iret(&b->c, 4, 0, &b->f), VEC_GP, 0);
}

static void long_same_level_pops_stack(void)
{
	struct bench *b = bench_long();

	frame64(b, 0x1234, K_CODE, RFL_FIXED | RFL_CF, 0x6660, 0);
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.rip, 0x1234);
	EQ(b->c.s.gpr[CPU_RSP], 0x6660);
	EQ(b->c.s.seg[CPU_SS].selector, 0); /* null is allowed */
	EQ(b->c.s.rflags, 3);
	EQ(cpu_cpl(&b->c.s), 0);
}

static void long_to_user_and_segments(void)
{
	struct bench *b = bench_long();

	b->c.s.seg[CPU_DS] = (struct cpu_segment){.selector = U_DATA | 3, .attr = 0xc0f3};
	b->c.s.seg[CPU_FS] = (struct cpu_segment){.selector = 0, .base = 0x7f0000001000};
	b->c.s.seg[CPU_GS].base = 0x5000;
	frame64(b, 0x7fff00000000, U_CODE | 3, 0x202, 0x7ffffff0, U_DATA | 3);
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.rip, 0x7fff00000000);
	EQ(b->c.s.seg[CPU_CS].selector, U_CODE | 3);
	EQ(b->c.s.seg[CPU_DS].selector, U_DATA | 3); /* the user's own: stays */
	EQ(b->c.s.seg[CPU_ES].selector, 0);	     /* held K_DATA: nulled */
	EQ(b->c.s.seg[CPU_ES].attr & SEG_P, 0);
	EQ(b->c.s.seg[CPU_GS].selector, 0);
	EQ(b->c.s.seg[CPU_GS].base, 0x5000);
	EQ(b->c.s.seg[CPU_FS].base, 0x7f0000001000);
}

static void long_to_compat(void)
{
	struct bench *b = bench_long();

	frame64(b, 0x8048000, U_CODE32 | 3, 0x202, 0x1ffff0000, U_DATA | 3);
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	CU_ASSERT(!cpu_64bit(&b->c.s));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.gpr[CPU_RSP], 0xffff0000); /* a 32-bit stack */
}

static void long_to_16_bit_stack_keeps_high_half(void)
{
	struct bench *b = bench_long();

	bench_desc(b, STACK16, 0x0000f3000000ffff); /* DPL 3 */
	frame64(b, 0x8048, U_CODE16 | 3, 0x202, 0x1234, STACK16 | 3);
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], 0x1234); /* the kernel's RSP had zeroes above bit 15 */
	b = bench_long();
	bench_desc(b, STACK16, 0x0000f3000000ffff);
	b->page[0xf] = PAGE_P | PAGE_W;
	frame64(b, 0x8048, U_CODE16 | 3, 0x202, 0x1234, STACK16 | 3);
	memcpy(b->mem + 0x8c000 + 0x100, b->mem + RUNSTACK - 40, 40);
	b->c.s.gpr[CPU_RSP] = 0x8c100;
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], 0x81234);
}

static void user_flags_masked(void)
{
	struct bench *b = bench_long_user();
	uint64_t vals[] = {0x1000, U_CODE | 3, 0xffffffff, USTACK, U_DATA | 3};

	for (unsigned i = 0; i < 5; i++)
		poke64(b, USTACK - 40 + 8 * i, vals[i]);
	b->c.s.gpr[CPU_RSP] = USTACK - 40;
	b->c.s.rflags = RFL_FIXED | RFL_IF;
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	/* CF PF AF ZF SF TF DF OF NT, RF AC ID; IF as it was, no IOPL, VM, VIF, VIP. */
	EQ(b->c.s.rflags, 0x254fd7 | RFL_IF);
	b = bench_long_user();
	for (unsigned i = 0; i < 5; i++)
		poke64(b, USTACK - 40 + 8 * i, vals[i]);
	poke64(b, USTACK - 24, 2);
	b->c.s.gpr[CPU_RSP] = USTACK - 40;
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.rflags, RFL_FIXED | RFL_IF); /* IF not cleared at CPL 3, IOPL 0 */
	b->c.s.gpr[CPU_RSP] = USTACK - 40;
	b->c.s.rflags |= RFL_IOPL;
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.rflags, RFL_FIXED | RFL_IOPL); /* at IOPL 3 it is; IOPL stays */
}

static void kernel_flags(void)
{
	struct bench *b = bench_long();

	frame64(b, 0x1000, K_CODE, 0xffffffff, 0x6000, K_DATA);
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.rflags, 0x3d7fd7); /* all but VM */
}

static void long_checks(void)
{
	struct bench *b = bench_long();

	frame64(b, 0x800000000000, U_CODE | 3, 2, 0x1000, U_DATA | 3);
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, 0);
	frame64(b, 0x1000, U_CODE | 3, 2, 0x1000, 3); /* null SS for ring 3 */
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, 0);
	frame64(b, 0x1000, K_CODE32, 2, 0x1000, 0); /* null SS for compatibility mode */
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, 0);
	frame64(b, 0x1000, U_CODE | 3, 2, 0x1000, K_DATA);
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, K_DATA);
	frame64(b, 0x1000, U_CODE, 2, 0x1000, K_DATA); /* RPL 0, DPL 3 */
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, U_CODE);
	frame64(b, 0x1000, K_CODE, 2, 0x1000, NP_DATA);
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_SS, NP_DATA);
	frame64(b, 0x1000, BOTH_LD, 2, 0x1000, 0);
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, BOTH_LD);
	b->c.s.rflags |= RFL_NT;
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, 0);
}

static void prot32_same_level(void)
{
	struct bench *b = bench_prot32();

	b->c.s.gpr[CPU_RSP] = RUNSTACK - 12;
	poke32(b, RUNSTACK - 12, 0x1234);
	poke32(b, RUNSTACK - 8, K_CODE32);
	poke32(b, RUNSTACK - 4, 0x3202);
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(b->c.s.rip, 0x1234);
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK); /* SS:ESP not popped */
	EQ(b->c.s.rflags, 0x3202);
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA);
}

static void prot32_outer_level(void)
{
	struct bench *b = bench_prot32();
	uint32_t vals[] = {0x1234, U_CODE32 | 3, 0x202, USTACK, U_DATA | 3};

	for (unsigned i = 0; i < 5; i++)
		poke32(b, RUNSTACK - 20 + 4 * i, vals[i]);
	b->c.s.gpr[CPU_RSP] = RUNSTACK - 20;
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.gpr[CPU_RSP], USTACK);
	EQ(b->c.s.seg[CPU_DS].attr, 0);
}

static void pop_fault(void)
{
	struct bench *b = bench_long();

	b->c.s.gpr[CPU_RSP] = 0xdff0; /* RSP and SS lie on page 0xe */
	poke64(b, 0xdff8, U_CODE | 3);
	b->page[0xe] = PAGE_ABSENT;
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_PF, 0);
	EQ(b->f.cr2, 0xe000);
}

const struct tap_case cpu_iret_tests[] = {
	{"real mode, 16-bit", real_16},
	{"real mode, 32-bit flags", real_32_flags},
	{"64-bit, same level pops SS:RSP", long_same_level_pops_stack},
	{"64-bit, to ring 3", long_to_user_and_segments},
	{"64-bit, to compatibility mode", long_to_compat},
	{"64-bit, to a 16-bit stack", long_to_16_bit_stack_keeps_high_half},
	{"flags at ring 3", user_flags_masked},
	{"flags at ring 0", kernel_flags},
	{"64-bit checks", long_checks},
	{"32-bit, same level", prot32_same_level},
	{"32-bit, outer level", prot32_outer_level},
	{"page fault on a pop", pop_fault},
	TAP_NO_CASE,
};
