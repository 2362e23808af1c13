/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Delivery in long mode that succeeds. SDM vol. 3, sections 6.12 and 6.14.
 */
#include "tests/unit/cpu_bench.h"

static const struct cpu_event page_fault = {
	.kind = EVENT_EXCEPTION,
	.vector = VEC_PF,
	.has_error = true,
	.error = 7,
	.cr2 = 0x123456,
};
static const struct cpu_event external = {.kind = EVENT_EXTERNAL, .vector = 0x30};

static void fault_from_user(void)
{
	struct bench *b = bench_long_user();
	struct cpu_state *s = &b->c.s;

	s->rflags |= RFL_TF | RFL_NT | RFL_CF;
	OK(b, cpu_deliver(&b->c, &page_fault, 0, &b->f));
	EQ(s->rip, AT_HANDLE + 0xe0);
	EQ(s->cr2, 0x123456);
	EQ(cpu_cpl(s), 0);
	EQ(s->seg[CPU_CS].selector, K_CODE);
	EQ(s->seg[CPU_SS].selector, 0);
	EQ(s->gpr[CPU_RSP], KSTACK - 48);
	EQ(peek64(b, KSTACK - 8), U_DATA | 3);
	EQ(peek64(b, KSTACK - 16), USTACK);
	EQ(peek64(b, KSTACK - 24), 0x14303); /* RF is set */
	EQ(peek64(b, KSTACK - 32), U_CODE | 3);
	EQ(peek64(b, KSTACK - 40), 0x40000);
	EQ(peek64(b, KSTACK - 48), 7);
	EQ(s->rflags, 3);
}

static void same_level_aligns(void)
{
	struct bench *b = bench_long();

	b->c.s.gpr[CPU_RSP] = RUNSTACK - 3;
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], RUNSTACK - 16 - 40);
	EQ(peek64(b, RUNSTACK - 16 - 16), RUNSTACK - 3);
	EQ(peek64(b, RUNSTACK - 16 - 8), K_DATA);
	EQ(peek64(b, RUNSTACK - 16 - 24), 0x202); /* no RF for an interrupt */
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA);
	EQ(b->c.s.rflags & RFL_IF, 0);
}

static void trap_gate_keeps_if(void)
{
	struct bench *b = bench_long();

	bench_gate(b, 0x30, K_CODE, 0x5000, 0x8f, 0);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.rflags & RFL_IF, RFL_IF);
	EQ(b->c.s.rip, 0x5000);
}

static void ist_same_level(void)
{
	struct bench *b = bench_long();

	bench_gate(b, 0x30, K_CODE, 0xffff800000005000, 0x8e, 1);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], 0xb000 - 40);
	EQ(peek64(b, 0xb000 - 16), RUNSTACK);
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA); /* no change of level: SS stays */
	EQ(b->c.s.rip, 0xffff800000005000);
}

static void ist_from_user(void)
{
	struct bench *b = bench_long_user();

	bench_gate(b, 0x30, K_CODE, 0x5000, 0x8e, 1);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.gpr[CPU_RSP], 0xb000 - 40);
	EQ(b->c.s.seg[CPU_SS].selector, 0);
}

static void compat_pushes_64_bits(void)
{
	struct bench *b = bench_compat_user();

	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	CU_ASSERT(cpu_64bit(&b->c.s));
	EQ(b->c.s.gpr[CPU_RSP], KSTACK - 40);
	EQ(peek64(b, KSTACK - 32), U_CODE32 | 3);
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	CU_ASSERT(!cpu_64bit(&b->c.s));
	EQ(b->c.s.rip, 0x40000);
	EQ(b->c.s.gpr[CPU_RSP], USTACK);
	EQ(b->c.s.rflags, RFL_FIXED | RFL_IF);
}

static void software_interrupt(void)
{
	struct bench *b = bench_long_user();
	struct cpu_event e = {.kind = EVENT_SOFT_INT, .vector = 0x80};

	bench_gate(b, 0x80, K_CODE, 0x5000, 0xee, 0);
	b->c.s.rip = 0x40002;
	OK(b, cpu_deliver(&b->c, &e, 0x40000, &b->f));
	EQ(b->c.s.rip, 0x5000);
	EQ(peek64(b, KSTACK - 40), 0x40002);
	EQ(peek64(b, KSTACK - 24), 0x202);
}

static void software_interrupt_dpl(void)
{
	struct bench *b = bench_long_user();
	struct cpu_event e = {.kind = EVENT_SOFT_INT, .vector = 0x80};

	b->c.s.rip = 0x40002;
	OK(b, cpu_deliver(&b->c, &e, 0x40000, &b->f)); /* becomes #GP at the INT */
	EQ(b->c.s.rip, AT_HANDLE + 0xd0);
	EQ(peek64(b, KSTACK - 48), 0x80 * 8 + 2); /* IDT, not EXT */
	EQ(peek64(b, KSTACK - 40), 0x40000);
	EQ(peek64(b, KSTACK - 24), 0x10202); /* a fault: RF */
}

static void int3_and_int1(void)
{
	struct bench *b = bench_long_user();
	struct cpu_event bp = {.kind = EVENT_SOFT_EXC, .vector = VEC_BP};
	struct cpu_event db = {.kind = EVENT_ICEBP, .vector = VEC_DB};

	OK(b, cpu_deliver(&b->c, &bp, 0x3ffff, &b->f));
	EQ(b->c.s.rip, AT_HANDLE + 0xd0);
	EQ(peek64(b, KSTACK - 48), 3 * 8 + 2);
	b = bench_long_user();
	OK(b, cpu_deliver(&b->c, &db, 0, &b->f)); /* the gate's DPL does not count */
	EQ(b->c.s.rip, AT_HANDLE + 0x10);
}

static void debug_trap(void)
{
	struct bench *b = bench_long();
	struct cpu_event e = {.kind = EVENT_EXCEPTION, .vector = VEC_DB};

	b->c.s.dr[7] = 0x2400; /* GD */
	OK(b, cpu_deliver(&b->c, &e, 0, &b->f));
	EQ(b->c.s.dr[7], 0x400);
	EQ(peek64(b, RUNSTACK - 24), 0x202); /* RF not set */
}

static void wakes_from_halt(void)
{
	struct bench *b = bench_long();

	b->c.s.activity = CPU_HALTED;
	b->c.s.int_shadow = true;
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->c.s.activity, CPU_RUNNING);
	EQ(b->c.s.int_shadow, false);
}

static void conforming_handler_stays_in_ring3(void)
{
	struct bench *b = bench_long_user();

	bench_gate(b, 0x30, K_CONF, 0x5000, 0x8e, 0);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.seg[CPU_CS].selector, K_CONF | 3);
	EQ(b->c.s.gpr[CPU_RSP], USTACK - 40);
}

static void handler_code_marked_accessed(void)
{
	struct bench *b = bench_long_user();

	bench_desc(b, K_CODE, 0x00af9a000000ffff);
	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	EQ(b->mem[AT_GDT + K_CODE + 5], 0x9b);
	EQ(b->c.s.seg[CPU_CS].attr, 0xa09b);
}

/* SDM vol. 3, section 6.7.1: nothing but an IRET lets the next NMI in, even one that faults. */
static void nmi_blocks(void)
{
	static const struct cpu_event nmi = {.kind = EVENT_NMI, .vector = VEC_NMI};
	struct bench *b = bench_long();

	OK(b, cpu_deliver(&b->c, &external, 0, &b->f));
	CU_ASSERT_FALSE(b->c.s.nmi_blocked);
	OK(b, cpu_deliver(&b->c, &nmi, 0, &b->f));
	CU_ASSERT_TRUE(b->c.s.nmi_blocked);
	OK(b, cpu_deliver(&b->c, &page_fault, 0, &b->f));
	CU_ASSERT_TRUE(b->c.s.nmi_blocked);
	b->c.s.gpr[CPU_RSP] += 8; /* the error code */
	OK(b, cpu_iret(&b->c, 8, 0, &b->f));
	CU_ASSERT_FALSE(b->c.s.nmi_blocked);
	b->c.s.nmi_blocked = true;
	b->c.s.gpr[CPU_RSP] = 0x900000000000;
	CU_ASSERT_EQUAL(cpu_iret(&b->c, 8, 0, &b->f), CPU_FAULT);
	CU_ASSERT_FALSE(b->c.s.nmi_blocked);
}

const struct tap_case cpu_deliver_tests[] = {
	{"#PF from ring 3", fault_from_user},
	{"same level, alignment", same_level_aligns},
	{"trap gate keeps IF", trap_gate_keeps_if},
	{"IST without change of level", ist_same_level},
	{"IST from ring 3", ist_from_user},
	{"from compatibility mode and back", compat_pushes_64_bits},
	{"INT n", software_interrupt},
	{"INT n through a DPL 0 gate", software_interrupt_dpl},
	{"INT3, INT1", int3_and_int1},
	{"#DB clears GD", debug_trap},
	{"NMI blocks NMIs", nmi_blocks},
	{"wakes a halted CPU", wakes_from_halt},
	{"conforming handler", conforming_handler_stays_in_ring3},
	{"handler's segment gets accessed", handler_code_marked_accessed},
	TAP_NO_CASE,
};
