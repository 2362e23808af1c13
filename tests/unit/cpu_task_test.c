/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hardware task switches by JMP, CALL, IRET, exceptions and interrupts, with 32-bit and 16-bit
 * TSSs. SDM vol. 3, chapter 7: layouts of figures 7-2 and 7-10, checks of table 7-1, busy bits,
 * NT and link of table 7-2.
 */
#include "tests/unit/cpu_bench.h"

#define NEW_SEL	  0x60u /* a TSS in place of the LDT's descriptor */
#define AT_NEW	  0x5000u
#define NEW_STACK 0x6f00u
#define NEW_EIP	  0x41234u

#define TSS32	   0x0000890050000067ull
#define TSS32_BUSY 0x00008b0050000067ull
#define TSS16	   0x000081005000002bull
#define GATE_TO	   0x0000e50000600000ull /* a task gate, DPL 3 */

enum { OLD_TYPE_AT = AT_GDT + TSS_SEL + 5, NEW_TYPE_AT = AT_GDT + NEW_SEL + 5 };

static const uint32_t new_gpr[8] = {0xa0, 0xc1, 0xd2, 0xb3, NEW_STACK, 0xb5, 0x56, 0xd7};

/* The new task's state in a 32-bit TSS: flat kernel segments. */
static void fill_tss32(struct bench *b)
{
	poke32(b, AT_NEW + 28, 0x7000); /* CR3 */
	poke32(b, AT_NEW + 32, NEW_EIP);
	poke32(b, AT_NEW + 36, 0x203); /* IF, CF */
	for (int i = 0; i < 8; i++)
		poke32(b, AT_NEW + 40 + i * 4, new_gpr[i]);
	for (int i = 0; i < CPU_SEGS; i++)
		poke32(b, AT_NEW + 72 + i * 4, K_DATA);
	poke32(b, AT_NEW + 76, K_CODE32);
	bench_desc(b, NEW_SEL, TSS32);
}

/* Old task at TSS_SEL, busy, as LTR left it. */
static struct bench *two_tasks(void)
{
	struct bench *b = bench_prot32();

	b->mem[OLD_TYPE_AT] = 0x8b;
	fill_tss32(b);
	b->c.s.gpr[CPU_RBX] = 0x1234;
	b->c.s.seg[CPU_FS] = (struct cpu_segment){0};
	return b;
}

static void in_new_task(struct bench *b)
{
	EQ(b->c.s.tr.selector, NEW_SEL);
	EQ(b->c.s.tr.base, AT_NEW);
	EQ(b->c.s.tr.attr, 0x8b);
	EQ(b->c.s.rip, NEW_EIP);
	for (int i = 0; i < 8; i++)
		if (i != CPU_RSP)
			EQ(b->c.s.gpr[i], new_gpr[i]);
	EQ(b->c.s.seg[CPU_CS].selector, K_CODE32);
	EQ(b->c.s.seg[CPU_DS].limit, 0xffffffff);
	EQ(b->c.s.cr0 & CR0_TS, CR0_TS);
	EQ(b->mem[NEW_TYPE_AT], 0x8b);
}

static void jmp_to_tss(void)
{
	struct bench *b = two_tasks();

	b->c.s.dr[7] = 0x7ff;
	OK(b, cpu_far_jmp(&b->c, NEW_SEL, 0xf4f4, 4, 0x40007, &b->f));
	in_new_task(b);
	EQ(b->c.s.gpr[CPU_RSP], NEW_STACK);
	EQ(b->c.s.rflags, 0x203);
	EQ(b->mem[OLD_TYPE_AT], 0x89); /* no longer busy */
	EQ(peek16(b, AT_NEW), 0);      /* no link */
	EQ(peek32(b, AT_TSS + 32), 0x40007);
	EQ(peek32(b, AT_TSS + 36), 0x202);
	EQ(peek32(b, AT_TSS + 52), 0x1234);
	EQ(peek32(b, AT_TSS + 56), RUNSTACK);
	EQ(peek16(b, AT_TSS + 76), K_CODE32);
	EQ(peek16(b, AT_TSS + 88), 0);
	EQ(b->c.s.dr[7], 0x6aa); /* local breakpoints are the old task's */
	EQ(b->set_crs, 0);	 /* no paging: CR3 stays */
}

static void call_and_iret(void)
{
	struct bench *b = two_tasks();

	OK(b, cpu_far_call(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f));
	in_new_task(b);
	EQ(b->c.s.rflags, 0x203 | RFL_NT);
	EQ(b->mem[OLD_TYPE_AT], 0x8b);
	EQ(peek16(b, AT_NEW), TSS_SEL);
	b->c.s.gpr[CPU_RAX] = 0x99;
	b->c.s.nmi_blocked = true;
	OK(b, cpu_iret(&b->c, 4, 0x41235, &b->f));
	EQ(b->c.s.nmi_blocked, false);
	EQ(b->c.s.tr.selector, TSS_SEL);
	EQ(b->c.s.rip, 0x40007);
	EQ(b->c.s.rflags, 0x202);
	EQ(b->c.s.gpr[CPU_RBX], 0x1234);
	EQ(b->mem[OLD_TYPE_AT], 0x8b);
	EQ(b->mem[NEW_TYPE_AT], 0x89);
	EQ(peek32(b, AT_NEW + 32), 0x41235); /* goes on behind its IRET when called again */
	EQ(peek32(b, AT_NEW + 36), 0x203);   /* NT cleared */
	EQ(peek32(b, AT_NEW + 40), 0x99);
}

static void paging_loads_cr3(void)
{
	struct bench *b = two_tasks();

	b->c.s.cr0 |= CR0_PG;
	OK(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f));
	EQ(b->last_cr, 3);
	EQ(b->last_val, 0x7000);
	EQ(b->c.s.cr3, 0x7000);
}

static void task_gate_in_gdt(void)
{
	struct bench *b = two_tasks();

	bench_desc(b, TASK_SEL, GATE_TO);
	OK(b, cpu_far_call(&b->c, TASK_SEL, 0, 4, 0x40007, &b->f));
	in_new_task(b);
	bench_desc(b, TASK_SEL, GATE_TO & ~(1ull << 47));
	FAULTS(b, cpu_far_call(&b->c, TASK_SEL, 0, 4, 0, &b->f), VEC_NP, TASK_SEL);
}

/* SDM vol. 3, section 7.2.5: a task gate lets user code in where the TSS's own DPL would not. */
static void privilege(void)
{
	struct bench *b = two_tasks();
	struct cpu_segment user = {.selector = U_CODE32 | 3, .limit = ~0u, .attr = 0xc0fb};

	b->c.s.seg[CPU_CS] = user;
	b->c.s.seg[CPU_SS].attr = 0xc0f3;
	FAULTS(b, cpu_far_call(&b->c, NEW_SEL, 0, 4, 0, &b->f), VEC_GP, NEW_SEL);
	bench_desc(b, TASK_SEL, GATE_TO);
	OK(b, cpu_far_call(&b->c, TASK_SEL, 0, 4, 0x40007, &b->f));
	in_new_task(b);
	EQ(cpu_cpl(&b->c.s), 0);
	/* Back to an SS that user code may not have. */
	CU_ASSERT_EQUAL(cpu_iret(&b->c, 4, 0, &b->f), CPU_FAULT);
	EQ(b->f.vector, VEC_TS);
	EQ(b->f.error, K_DATA);
	CU_ASSERT_TRUE(b->f.in_new_task);
	EQ(cpu_cpl(&b->c.s), 3);
}

static void sixteen_bit(void)
{
	struct bench *b = two_tasks();

	poke16(b, AT_NEW + 14, 0x4123);
	poke16(b, AT_NEW + 16, 0x202);
	for (int i = 0; i < 8; i++)
		poke16(b, AT_NEW + 18 + i * 2, (uint16_t)new_gpr[i]);
	poke16(b, AT_NEW + 34, K_DATA);
	poke16(b, AT_NEW + 36, K_CODE16);
	poke16(b, AT_NEW + 38, STACK16);
	poke16(b, AT_NEW + 40, K_DATA);
	poke16(b, AT_NEW + 42, 0);
	bench_desc(b, NEW_SEL, TSS16);
	b->c.s.cr0 |= CR0_PG;
	b->c.s.cr3 = 0x9000;
	OK(b, cpu_far_call(&b->c, NEW_SEL, 0, 2, 0x40007, &b->f));
	EQ(b->c.s.tr.attr, 0x83);
	EQ(b->c.s.rip, 0x4123);
	EQ(b->c.s.gpr[CPU_RBX] & 0xffff, 0xb3);
	EQ(b->c.s.seg[CPU_FS].selector, 0);
	EQ(b->c.s.seg[CPU_SS].selector, STACK16);
	EQ(b->c.s.cr3, 0x9000); /* a 16-bit TSS has none */
	EQ(peek16(b, AT_NEW), TSS_SEL);
	b->c.s.gpr[CPU_RDI] = 0xabcd5678;
	OK(b, cpu_iret(&b->c, 2, 0x4125, &b->f));
	EQ(b->c.s.rip, 0x40007);
	EQ(peek16(b, AT_NEW + 14), 0x4125);
	EQ(peek16(b, AT_NEW + 32), 0x5678);
	EQ(peek16(b, AT_NEW + 42), 0); /* the LDT selector isn't saved over */
}

static const struct cpu_event general = {
	.kind = EVENT_EXCEPTION, .vector = VEC_GP, .has_error = true, .error = 0x1238};
static const struct cpu_event external = {.kind = EVENT_EXTERNAL, .vector = 0x30};

static void exception_with_error_code(void)
{
	struct bench *b = two_tasks();

	bench_gate(b, VEC_GP, NEW_SEL, 0, 0x85, 0);
	OK(b, cpu_deliver(&b->c, &general, 0, &b->f));
	in_new_task(b);
	EQ(b->c.s.gpr[CPU_RSP], NEW_STACK - 4);
	EQ(peek32(b, NEW_STACK - 4), 0x1238);
	EQ(b->c.s.rflags & RFL_NT, RFL_NT);
	EQ(peek32(b, AT_TSS + 32), 0x40000);
	EQ(peek32(b, AT_TSS + 36), 0x10202); /* RF: a fault */
}

static void interrupt(void)
{
	struct bench *b = two_tasks();

	bench_gate(b, 0x30, NEW_SEL, 0, 0x85, 0);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	in_new_task(b);
	EQ(b->c.s.gpr[CPU_RSP], NEW_STACK);
	/* Nobody can enter a busy task: #GP with the EXT bit, and its handler is ordinary. */
	b = two_tasks();
	bench_desc(b, NEW_SEL, TSS32_BUSY);
	bench_gate(b, 0x30, NEW_SEL, 0, 0x85, 0);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.rip, AT_HANDLE + 0xd0);
	EQ(peek32(b, b->c.s.gpr[CPU_RSP]), NEW_SEL | 1);
}

/* Table 7-1, what is checked while the old task still runs. */
static void refusals(void)
{
	struct bench *b = two_tasks();

	bench_desc(b, NEW_SEL, TSS32_BUSY);
	FAULTS(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0, &b->f), VEC_GP, NEW_SEL);
	bench_desc(b, NEW_SEL, TSS32 & ~(1ull << 47));
	FAULTS(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0, &b->f), VEC_NP, NEW_SEL);
	bench_desc(b, NEW_SEL, TSS32 - 1);
	FAULTS(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0, &b->f), VEC_TS, NEW_SEL);
	bench_desc(b, NEW_SEL, TSS16 - 1);
	FAULTS(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0, &b->f), VEC_TS, NEW_SEL);
	bench_desc(b, NEW_SEL, TSS32);
	bench_desc(b, TASK_SEL, 0x0000e50000640000); /* a gate to an LDT's selector */
	FAULTS(b, cpu_far_jmp(&b->c, TASK_SEL, 0, 4, 0, &b->f), VEC_GP, NEW_SEL | 4);
	/* IRET wants its task busy, and says #TS. */
	b->c.s.rflags |= RFL_NT;
	poke16(b, AT_TSS, NEW_SEL);
	FAULTS(b, cpu_iret(&b->c, 4, 0, &b->f), VEC_TS, NEW_SEL);
	poke16(b, AT_TSS, 0);
	FAULTS(b, cpu_iret(&b->c, 4, 0, &b->f), VEC_TS, 0);
	EQ(b->mem[OLD_TYPE_AT], 0x8b);
}

/* A switch that another CPU's write to the descriptor disturbs is run again from its start. */
static void lost_race(void)
{
	struct bench *b = two_tasks();

	b->lost_races = 1;
	b->before = b->c.s;
	CU_ASSERT_EQUAL(cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f), CPU_RETRY);
	CU_ASSERT(memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0);
	OK(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f));
	in_new_task(b);
}

/* Section 7.3: from step 12 on, faults are the new task's. */
static void fails_in_new_task(uint32_t at, uint16_t selector, uint8_t vector)
{
	struct bench *b = two_tasks();

	poke32(b, at, selector);
	CU_ASSERT_EQUAL(cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f), CPU_FAULT);
	EQ(b->f.vector, vector);
	EQ(b->f.error, selector & 0xfffc);
	CU_ASSERT_TRUE(b->f.in_new_task);
	EQ(b->c.s.tr.selector, NEW_SEL);
	EQ(b->c.s.rip, NEW_EIP);
	EQ(b->mem[OLD_TYPE_AT], 0x89);
	EQ(b->mem[NEW_TYPE_AT], 0x8b);
}

static void faults_of_the_new_task(void)
{
	fails_in_new_task(AT_NEW + 76, 0, VEC_TS);
	fails_in_new_task(AT_NEW + 76, K_DATA, VEC_TS);
	fails_in_new_task(AT_NEW + 76, U_CODE32, VEC_TS); /* RPL is not DPL */
	fails_in_new_task(AT_NEW + 76, NP_CODE, VEC_NP);
	fails_in_new_task(AT_NEW + 80, 0, VEC_TS);
	fails_in_new_task(AT_NEW + 80, RO_DATA, VEC_TS);
	fails_in_new_task(AT_NEW + 80, NP_DATA, VEC_SS);
	fails_in_new_task(AT_NEW + 84, NP_DATA, VEC_NP);
	fails_in_new_task(AT_NEW + 88, EXEC_ONLY, VEC_TS);
	fails_in_new_task(AT_NEW + 92, 0x1000, VEC_TS); /* beyond the GDT */
	fails_in_new_task(AT_NEW + 96, K_DATA, VEC_TS); /* not an LDT */
}

/* SDM vol. 2, JMP: EIP within the code segment's limit. */
static void eip_beyond_limit(void)
{
	struct bench *b = two_tasks();

	poke32(b, AT_NEW + 76, K_CODE16);
	CU_ASSERT_EQUAL(cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f), CPU_FAULT);
	EQ(b->f.vector, VEC_GP);
	EQ(b->f.error, 0);
	CU_ASSERT_TRUE(b->f.in_new_task);
}

/* Section 7.2.1, T flag; 17.3.1.5. */
static void debug_trap(void)
{
	struct bench *b = two_tasks();

	poke16(b, AT_NEW + 100, 1);
	CU_ASSERT_EQUAL(cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f), CPU_FAULT);
	EQ(b->f.vector, VEC_DB);
	CU_ASSERT_TRUE(b->f.in_new_task);
	in_new_task(b);
	EQ(b->c.s.dr[6] & 0x8000, 0x8000);
}

/* Section 20.2.1: a TSS whose EFLAGS.VM is set starts 8086 code. */
static void to_v86(void)
{
	struct bench *b = two_tasks();

	poke32(b, AT_NEW + 36, 0x20202);
	poke32(b, AT_NEW + 76, 0x4200);
	poke32(b, AT_NEW + 84, 0x1234);
	poke32(b, AT_NEW + 32, 0xf);
	OK(b, cpu_far_jmp(&b->c, NEW_SEL, 0, 4, 0x40007, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.seg[CPU_CS].base, 0x42000);
	EQ(b->c.s.seg[CPU_DS].base, 0x12340);
	EQ(b->c.s.seg[CPU_DS].limit, 0xffff);
	EQ(b->c.s.seg[CPU_DS].attr, 0xf3);
	EQ(b->c.s.rip, 0xf);
}

/* Section 7.7: long mode has none of it. */
static void not_in_long_mode(void)
{
	struct bench *b = bench_long();

	FAULTS(b, cpu_far_jmp(&b->c, TSS_SEL, 0, 4, 0, &b->f), VEC_GP, TSS_SEL);
	FAULTS(b, cpu_far_call(&b->c, TASK_SEL, 0, 4, 0, &b->f), VEC_GP, TASK_SEL);
	b->c.s.rflags |= RFL_NT;
	FAULTS(b, cpu_iret(&b->c, 8, 0, &b->f), VEC_GP, 0);
}

const struct tap_case cpu_task_tests[] = {
	{"JMP to a TSS", jmp_to_tss},
	{"CALL and IRET", call_and_iret},
	{"CR3 with paging", paging_loads_cr3},
	{"task gate in the GDT", task_gate_in_gdt},
	{"privilege", privilege},
	{"16-bit TSS", sixteen_bit},
	{"exception with an error code", exception_with_error_code},
	{"interrupt", interrupt},
	{"refused before the switch", refusals},
	{"lost race", lost_race},
	{"faults of the new task", faults_of_the_new_task},
	{"EIP beyond the limit", eip_beyond_limit},
	{"T flag", debug_trap},
	{"to virtual-8086 mode", to_v86},
	{"not in long mode", not_in_long_mode},
	TAP_NO_CASE,
};
