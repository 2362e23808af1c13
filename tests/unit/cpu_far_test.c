/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Far JMP, CALL and RET, direct and through gates. SDM vol. 2; vol. 3, section 5.8.
 */
#include "tests/unit/cpu_bench.h"

#define GATE64_LOW(sel, off, attr)                                         \
	(((off)&0xffff) | (uint64_t)(sel) << 16 | (uint64_t)(attr) << 40 | \
	 ((uint64_t)(off)&0xffff0000) << 32)

static void real_mode(void)
{
	struct bench *b = bench_real();

	OK(b, cpu_far_call(&b->c, 0x2000, 0x1230, 2, 0x105, &b->f));
	EQ(b->c.s.seg[CPU_CS].base, 0x20000);
	EQ(b->c.s.rip, 0x1230);
	EQ(b->c.s.gpr[CPU_RSP], 0x7ffc);
	EQ(peek16(b, 0x7ffc), 0x105);
	EQ(peek16(b, 0x7ffe), 0x1000);
	OK(b, cpu_far_ret(&b->c, 2, 6, &b->f));
	EQ(b->c.s.seg[CPU_CS].selector, 0x1000);
	EQ(b->c.s.rip, 0x105);
	EQ(b->c.s.gpr[CPU_RSP], 0x8006);
	FAULTS(b, cpu_far_jmp(&b->c, 0x2000, 0x10000, 4, 0, &b->f), VEC_GP, 0);
}

static void real_mode_stack_wraps(void)
{
	struct bench *b = bench_real();

	b->c.s.gpr[CPU_RSP] = 0xabcd0002;
	OK(b, cpu_far_call(&b->c, 0x2000, 0, 2, 0x105, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], 0xabcdfffe);
	EQ(peek16(b, 0), 0x1000);
	EQ(peek16(b, 0xfffe), 0x105);
}

static void jmp_direct(void)
{
	struct bench *b = bench_long();

	OK(b, cpu_far_jmp(&b->c, K_CODE32, 0x1234, 4, 0, &b->f)); /* to compatibility mode */
	CU_ASSERT(!cpu_64bit(&b->c.s));
	EQ(b->c.s.seg[CPU_CS].selector, K_CODE32);
	OK(b, cpu_far_jmp(&b->c, K_CODE | 0, 0x5678, 4, 0, &b->f)); /* and back */
	CU_ASSERT(cpu_64bit(&b->c.s));
	EQ(b->c.s.rip, 0x5678);
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA);
}

static void jmp_checks(void)
{
	struct bench *b = bench_long();

	FAULTS(b, cpu_far_jmp(&b->c, 0, 0, 8, 0, &b->f), VEC_GP, 0);
	FAULTS(b, cpu_far_jmp(&b->c, K_DATA, 0, 8, 0, &b->f), VEC_GP, K_DATA);
	FAULTS(b, cpu_far_jmp(&b->c, U_CODE | 3, 0, 8, 0, &b->f), VEC_GP, U_CODE);
	FAULTS(b, cpu_far_jmp(&b->c, K_CODE | 1, 0, 8, 0, &b->f), VEC_GP, K_CODE);
	FAULTS(b, cpu_far_jmp(&b->c, NP_CODE, 0, 8, 0, &b->f), VEC_NP, NP_CODE);
	FAULTS(b, cpu_far_jmp(&b->c, BOTH_LD, 0, 8, 0, &b->f), VEC_GP, BOTH_LD);
	FAULTS(b, cpu_far_jmp(&b->c, K_CODE, 0x800000000000, 8, 0, &b->f), VEC_GP, 0);
	FAULTS(b, cpu_far_jmp(&b->c, K_CODE32, 0x100000000, 8, 0, &b->f), VEC_GP, 0);
	FAULTS(b, cpu_far_jmp(&b->c, TASK_SEL, 0, 8, 0, &b->f), VEC_GP, TASK_SEL);
	FAULTS(b, cpu_far_jmp(&b->c, GDT_END, 0, 8, 0, &b->f), VEC_GP, GDT_END);
	OK(b, cpu_far_jmp(&b->c, K_CODE, 0x12345678, 2, 0, &b->f));
	EQ(b->c.s.rip, 0x5678);
}

static void jmp_conforming_keeps_cpl(void)
{
	struct bench *b = bench_long_user();

	OK(b, cpu_far_jmp(&b->c, K_CONF, 0x9000, 8, 0, &b->f));
	EQ(b->c.s.seg[CPU_CS].selector, K_CONF | 3);
	EQ(cpu_cpl(&b->c.s), 3);
}

static void call_direct_and_return(void)
{
	struct bench *b = bench_long();

	OK(b, cpu_far_call(&b->c, K_CODE, 0x7000, 8, 0x40007, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK - 16);
	EQ(peek64(b, RUNSTACK - 16), 0x40007);
	EQ(peek64(b, RUNSTACK - 8), K_CODE);
	OK(b, cpu_far_ret(&b->c, 8, 0, &b->f));
	EQ(b->c.s.rip, 0x40007);
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK);
	OK(b, cpu_far_call(&b->c, K_CODE32, 0x7000, 4, 0x40006, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK - 8);
	EQ(peek32(b, RUNSTACK - 8), 0x40006);
}

static void call_push_fault_changes_nothing(void)
{
	struct bench *b = bench_long();

	b->c.s.gpr[CPU_RSP] = 0xc008; /* the second push hits page 0xb */
	b->page[0xb] = PAGE_P;
	FAULTS(b, cpu_far_call(&b->c, K_CODE, 0x7000, 8, 0x40007, &b->f), VEC_PF,
	       PFERR_P | PFERR_W);
	EQ(b->f.cr2, 0xbff8);
}

static void gate64_from_user_and_back(void)
{
	struct bench *b = bench_long_user();

	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE, 0x23456, 0xec));
	poke64(b, AT_GDT + GATE_SEL + 8, 0);
	OK(b, cpu_far_call(&b->c, GATE_SEL | 3, 0xdead, 8, 0x40007, &b->f));
	EQ(cpu_cpl(&b->c.s), 0);
	EQ(b->c.s.rip, 0x23456);
	EQ(b->c.s.seg[CPU_CS].selector, K_CODE);
	EQ(b->c.s.seg[CPU_SS].selector, 0);
	EQ(b->c.s.gpr[CPU_RSP], KSTACK - 32);
	EQ(peek64(b, KSTACK - 8), U_DATA | 3);
	EQ(peek64(b, KSTACK - 16), USTACK);
	EQ(peek64(b, KSTACK - 24), U_CODE | 3);
	EQ(peek64(b, KSTACK - 32), 0x40007);
	OK(b, cpu_far_ret(&b->c, 8, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.rip, 0x40007);
	EQ(b->c.s.gpr[CPU_RSP], USTACK);
	EQ(b->c.s.seg[CPU_SS].selector, U_DATA | 3);
}

static void gate64_checks(void)
{
	struct bench *b = bench_long_user();

	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE, 0x23456, 0x8c)); /* DPL 0 */
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_GP, GATE_SEL);
	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE, 0x23456, 0x6c)); /* absent */
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_NP, GATE_SEL);
	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE32, 0x23456, 0xec)); /* not 64-bit code */
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_GP, K_CODE32);
	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE, 0x23456, 0xec));
	FAULTS(b, cpu_far_jmp(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_GP, K_CODE);
	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(0, 0x23456, 0xec));
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_GP, 0);
	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE, 0x23456, 0xec));
	poke64(b, AT_GDT + GATE_SEL + 8, 0x0000010000000000);
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_GP, GATE_SEL);
	poke64(b, AT_GDT + GATE_SEL + 8, 0);
	b->c.s.tr.limit = 4 + 6; /* RSP0 ends at 11 */
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_TS, TSS_SEL);
	b->c.s.tr.limit = 4 + 7;
	OK(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f));
	b = bench_long();
	poke64(b, AT_GDT + GATE_SEL, GATE64_LOW(K_CODE, 0x23456, 0x8c));
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 8, 0, &b->f), VEC_GP,
	       GATE_SEL); /* RPL */
	OK(b, cpu_far_jmp(&b->c, GATE_SEL, 0, 8, 0, &b->f));
	EQ(b->c.s.rip, 0x23456);
}

static void gate32_copies_parameters(void)
{
	struct bench *b = bench_prot32_user();

	/* Two parameters; K_CODE32:0x23456, DPL 3. */
	bench_desc(b, GATE_SEL, GATE64_LOW(K_CODE32, 0x23456, 0xec) | 2ull << 32);
	b->c.s.gpr[CPU_RSP] = USTACK - 8;
	poke32(b, USTACK - 8, 0x11111111);
	poke32(b, USTACK - 4, 0x22222222);
	OK(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0x40007, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], KSTACK - 24);
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA);
	EQ(peek32(b, KSTACK - 4), U_DATA | 3);
	EQ(peek32(b, KSTACK - 8), USTACK - 8);
	EQ(peek32(b, KSTACK - 12), 0x22222222);
	EQ(peek32(b, KSTACK - 16), 0x11111111);
	EQ(peek32(b, KSTACK - 20), U_CODE32 | 3);
	EQ(peek32(b, KSTACK - 24), 0x40007);
	OK(b, cpu_far_ret(&b->c, 4, 8, &b->f)); /* drops them on both stacks */
	EQ(b->c.s.gpr[CPU_RSP], USTACK);
	EQ(b->c.s.rip, 0x40007);
	EQ(b->c.s.seg[CPU_DS].selector, U_DATA | 3);
}

static void gate32_inner_stack_checks(void)
{
	struct bench *b = bench_prot32_user();

	bench_desc(b, GATE_SEL, GATE64_LOW(K_CODE32, 0x23456, 0xec));
	poke16(b, AT_TSS + 8, 0);
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0, &b->f), VEC_TS, 0);
	poke16(b, AT_TSS + 8, U_DATA | 3);
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0, &b->f), VEC_TS, U_DATA);
	poke16(b, AT_TSS + 8, K_DATA | 3); /* RPL */
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0, &b->f), VEC_TS, K_DATA);
	poke16(b, AT_TSS + 8, NP_DATA);
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0, &b->f), VEC_SS, NP_DATA);
	poke16(b, AT_TSS + 8, RO_DATA);
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0, &b->f), VEC_TS, RO_DATA);
	poke16(b, AT_TSS + 8, STACK16);
	poke32(b, AT_TSS + 4, 0xabcd8000); /* 16 bits of it count */
	OK(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0x40007, &b->f));
	EQ(b->c.s.gpr[CPU_RSP] & 0xffff, 0x8000 - 16);
	b = bench_prot32_user();
	bench_desc(b, GATE_SEL, GATE64_LOW(K_CODE32, 0x23456, 0xec));
	bench_desc(b, STACK16, 0x0000930000000fff); /* the new stack is too small */
	poke16(b, AT_TSS + 8, STACK16);
	FAULTS(b, cpu_far_call(&b->c, GATE_SEL | 3, 0, 4, 0, &b->f), VEC_SS, STACK16);
}

static void ret_checks(void)
{
	struct bench *b = bench_long_user();

	poke64(b, USTACK - 16, 0x1000);
	b->c.s.gpr[CPU_RSP] = USTACK - 16;
	poke64(b, USTACK - 8, K_CODE); /* inwards */
	FAULTS(b, cpu_far_ret(&b->c, 8, 0, &b->f), VEC_GP, K_CODE);
	poke64(b, USTACK - 8, 0);
	FAULTS(b, cpu_far_ret(&b->c, 8, 0, &b->f), VEC_GP, 0);
	poke64(b, USTACK - 8, U_DATA | 3);
	FAULTS(b, cpu_far_ret(&b->c, 8, 0, &b->f), VEC_GP, U_DATA);
	poke64(b, USTACK - 8, U_CODE | 3);
	poke64(b, USTACK - 16, 0x800000000000);
	FAULTS(b, cpu_far_ret(&b->c, 8, 0, &b->f), VEC_GP, 0);
	b = bench_long();
	b->c.s.gpr[CPU_RSP] = RUNSTACK - 16;
	poke64(b, RUNSTACK - 8, NP_CODE);
	FAULTS(b, cpu_far_ret(&b->c, 8, 0, &b->f), VEC_NP, NP_CODE);
}

const struct tap_case cpu_far_tests[] = {
	{"real mode call and return", real_mode},
	{"real mode stack wraps", real_mode_stack_wraps},
	{"jump to compatibility mode and back", jmp_direct},
	{"jump checks", jmp_checks},
	{"conforming code keeps CPL", jmp_conforming_keeps_cpl},
	{"call and return", call_direct_and_return},
	{"fault on the second push", call_push_fault_changes_nothing},
	{"64-bit gate from ring 3 and back", gate64_from_user_and_back},
	{"64-bit gate checks", gate64_checks},
	{"32-bit gate copies parameters", gate32_copies_parameters},
	{"32-bit gate, inner stack checks", gate32_inner_stack_checks},
	{"return checks", ret_checks},
	TAP_NO_CASE,
};
