/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Delivery outside long mode: vector table, 32-bit and 16-bit gates, stack switch through the
 * TSS. SDM vol. 3, sections 6.12 and 20.1.4.
 */
#include "tests/unit/cpu_bench.h"

static const struct cpu_event general = {
	.kind = EVENT_EXCEPTION,
	.vector = VEC_GP,
	.has_error = true,
	.error = 0x1238,
};
static const struct cpu_event external = {.kind = EVENT_EXTERNAL, .vector = 0x30};

static void real_mode(void)
{
	struct bench *b = bench_real();

	poke16(b, 0x30 * 4, 0x5678);
	poke16(b, 0x30 * 4 + 2, 0x4000);
	b->c.s.rflags = RFL_FIXED | RFL_IF | RFL_TF | RFL_CF | RFL_AC;
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.rip, 0x5678);
	EQ(b->c.s.seg[CPU_CS].base, 0x40000);
	EQ(b->c.s.rflags, 3);
	EQ(b->c.s.gpr[CPU_RSP], 0x7ffa);
	EQ(peek16(b, 0x7ffe), 0x303);
	EQ(peek16(b, 0x7ffc), 0x1000);
	EQ(peek16(b, 0x7ffa), 0x100);
}

static void real_mode_no_error_code(void)
{
	struct bench *b = bench_real();

	OK(b, cpu_deliver(&b->c, &general, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], 0x7ffa);
}

static void real_mode_triple_fault(void)
{
	struct bench *b = bench_real();

	b->c.s.idtr.limit = 8 * 4 + 2; /* #DF's vector is cut short */
	BROKEN(b, cpu_deliver(&b->c, &external, 0, &b->f), "triple fault");
	EQ(b->c.s.activity, CPU_SHUTDOWN);
}

static void same_level(void)
{
	struct bench *b = bench_prot32();

	OK(b, cpu_deliver(&b->c, &general, 0, &b->f));
	EQ(b->c.s.rip, AT_HANDLE + 0xd0);
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK - 16);
	EQ(peek32(b, RUNSTACK - 4), 0x10202);
	EQ(peek32(b, RUNSTACK - 8), K_CODE32);
	EQ(peek32(b, RUNSTACK - 12), 0x40000);
	EQ(peek32(b, RUNSTACK - 16), 0x1238);
}

static void stack_switch_and_return(void)
{
	struct bench *b = bench_prot32_user();

	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 0);
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA);
	EQ(b->c.s.gpr[CPU_RSP], KSTACK - 20);
	EQ(peek32(b, KSTACK - 4), U_DATA | 3);
	EQ(peek32(b, KSTACK - 8), USTACK);
	EQ(peek32(b, KSTACK - 12), 0x202);
	EQ(peek32(b, KSTACK - 16), U_CODE32 | 3);
	EQ(peek32(b, KSTACK - 20), 0x40000);
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.rip, 0x40000);
	EQ(b->c.s.gpr[CPU_RSP], USTACK);
	EQ(b->c.s.rflags, 0x202);
}

static void gate_16_bit(void)
{
	struct bench *b = bench_prot32();

	bench_gate(b, VEC_GP, K_CODE32, 0xdead1234, 0x86, 0);
	OK(b, cpu_deliver(&b->c, &general, 0, &b->f));
	EQ(b->c.s.rip, 0x1234); /* the upper half is not part of a 16-bit gate */
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK - 8);
	EQ(peek16(b, RUNSTACK - 2), 0x202);
	EQ(peek16(b, RUNSTACK - 8), 0x1238);
	bench_gate(b, VEC_GP, K_CODE32, 0x1234, 0x87, 0);
	b->c.s.rflags |= RFL_IF;
	OK(b, cpu_deliver(&b->c, &general, 0, &b->f));
	EQ(b->c.s.rflags & RFL_IF, RFL_IF);
}

static void tss_16_bit(void)
{
	struct bench *b = bench_prot32_user();

	b->c.s.tr.attr = 0x83;
	poke16(b, AT_TSS + 2, KSTACK);
	poke16(b, AT_TSS + 4, K_DATA);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], KSTACK - 20);
}

static void inner_stack_errors(void)
{
	struct bench *b = bench_prot32_user();

	/* The #TS handler would fault likewise, so it becomes #DF and then a triple fault. */
	poke16(b, AT_TSS + 8, U_DATA | 3);
	BROKEN(b, cpu_deliver(&b->c, &external, 0, &b->f), "triple fault");
	/* A conforming handler needs no inner stack, and sees the code. */
	b = bench_prot32_user();
	poke16(b, AT_TSS + 8, U_DATA | 3);
	bench_gate(b, VEC_TS, K_CONF, 0x5000, 0x8e, 0);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.rip, 0x5000);
	EQ(peek32(b, USTACK - 16), U_DATA | 1);
	EQ(cpu_cpl(&b->c.s), 3);
}

static void stack_limit(void)
{
	struct bench *b = bench_prot32();

	bench_gate(b, VEC_SS, K_CODE32, 0x5000, 0x8e, 0);
	b->c.s.seg[CPU_SS].limit = 0xfff;
	b->c.s.gpr[CPU_RSP] = 0x1002; /* not even #DF's frame fits */
	BROKEN(b, cpu_deliver(&b->c, &external, 0, &b->f), "triple fault");
}

const struct tap_case cpu_legacy_tests[] = {
	{"real mode", real_mode},
	{"real mode pushes no error code", real_mode_no_error_code},
	{"real mode triple fault", real_mode_triple_fault},
	{"32-bit, same level", same_level},
	{"32-bit, stack switch and return", stack_switch_and_return},
	{"16-bit gates", gate_16_bit},
	{"16-bit TSS", tss_16_bit},
	{"inner stack errors", inner_stack_errors},
	{"stack limit", stack_limit},
	TAP_NO_CASE,
};
