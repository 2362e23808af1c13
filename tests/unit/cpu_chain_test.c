/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Faults in delivery: error codes, double fault, triple fault. SDM vol. 3, tables 6-4 and 6-5.
 */
#include "tests/unit/cpu_bench.h"

#define DF_RIP (AT_HANDLE + 0x80)
#define GP_RIP (AT_HANDLE + 0xd0)
#define PF_RIP (AT_HANDLE + 0xe0)

static const struct cpu_event external = {.kind = EVENT_EXTERNAL, .vector = 0x30};
static const struct cpu_event divide = {.kind = EVENT_EXCEPTION, .vector = VEC_DE};
static const struct cpu_event undefined = {.kind = EVENT_EXCEPTION, .vector = VEC_UD};
static const struct cpu_event page_fault = {
	.kind = EVENT_EXCEPTION,
	.vector = VEC_PF,
	.has_error = true,
	.error = 7,
	.cr2 = 0x123456,
};

/* Delivers e at CPL 0 and returns the error code that the handler at rip finds. */
static uint64_t error_at(struct bench *b, const struct cpu_event *e, uint64_t rip)
{
	OK(b, cpu_deliver(&b->c, e, 0, &b->f));
	EQ(b->c.s.rip, rip);
	return peek64(b, b->c.s.gpr[CPU_RSP]);
}

static void gate_error_codes(void)
{
	struct bench *b = bench_long();

	bench_gate(b, 0x30, K_CODE, 0, 0x8c, 0); /* a call gate's type */
	EQ(error_at(b, &external, GP_RIP), 0x30 * 8 + 3);
	b = bench_long();
	bench_gate(b, 0x30, K_CODE, 0, 0x0e, 0); /* absent */
	EQ(error_at(b, &external, AT_HANDLE + 0xb0), 0x30 * 8 + 3);
	b = bench_long();
	b->c.s.idtr.limit = 0x30 * 16 + 14;
	EQ(error_at(b, &external, GP_RIP), 0x30 * 8 + 3);
}

static void handler_error_codes(void)
{
	struct bench *b = bench_long();

	bench_gate(b, 0x30, 0, 0, 0x8e, 0);
	EQ(error_at(b, &external, GP_RIP), 1);
	b = bench_long();
	bench_gate(b, 0x30, NP_CODE, 0, 0x8e, 0);
	EQ(error_at(b, &external, AT_HANDLE + 0xb0), NP_CODE | 1);
	b = bench_long();
	bench_gate(b, 0x30, U_CODE, 0, 0x8e, 0); /* outwards */
	EQ(error_at(b, &external, GP_RIP), U_CODE | 1);
	b = bench_long();
	bench_gate(b, 0x30, K_CODE32, 0, 0x8e, 0); /* not 64-bit */
	EQ(error_at(b, &external, GP_RIP), K_CODE32 | 1);
	b = bench_long();
	bench_gate(b, 0x30, K_CODE, 0x800000000000, 0x8e, 0);
	EQ(error_at(b, &external, GP_RIP), 1);
}

static void ist_beyond_tss(void)
{
	struct bench *b = bench_long();

	bench_gate(b, 0x30, K_CODE, 0, 0x8e, 1);
	b->c.s.tr.limit = 36 + 6;
	EQ(error_at(b, &external, AT_HANDLE + 0xa0), TSS_SEL | 1);
}

static void ist_not_canonical(void)
{
	struct bench *b = bench_long();

	bench_gate(b, 0x30, K_CODE, 0, 0x8e, 1);
	poke64(b, AT_TSS + 36, 0x800000000000);
	EQ(error_at(b, &external, AT_HANDLE + 0xc0), 1);
}

static void benign_then_page_fault(void)
{
	struct bench *b = bench_long();

	bench_gate(b, VEC_PF, K_CODE, PF_RIP, 0x8e, 1); /* on a stack that works */
	b->c.s.gpr[CPU_RSP] = 0xc010;
	b->page[0xb] |= PAGE_W;
	b->page[0xc] = PAGE_ABSENT;
	EQ(error_at(b, &undefined, PF_RIP), PFERR_W);
	EQ(b->c.s.cr2, 0xc008); /* where the first push went */
	EQ(peek64(b, 0xb000 - 40), 0x40000);
}

static void contributory_twice(void)
{
	struct bench *b = bench_long();

	bench_gate(b, VEC_DE, 0, 0, 0x8e, 0); /* #DE, then #GP: #DF */
	EQ(error_at(b, &divide, DF_RIP), 0);
	EQ(peek64(b, RUNSTACK - 24), 0x202); /* #DF is an abort: RF as it was */
}

static void contributory_then_page_fault(void)
{
	struct bench *b = bench_long();

	b->c.s.idtr.base = 0x1fff0; /* #DE's gate on page 0x1f, the rest on page 0x20 */
	memcpy(b->mem + 0x1fff0, b->mem + AT_IDT, 16 * 256);
	b->page[0x1f] = PAGE_ABSENT;
	EQ(error_at(b, &divide, PF_RIP), 0); /* serially: no #DF */
	EQ(b->c.s.cr2, 0x1fff0);
}

static void page_fault_then_contributory(void)
{
	struct bench *b = bench_long();

	bench_gate(b, VEC_PF, NP_CODE, 0, 0x8e, 0);
	EQ(error_at(b, &page_fault, DF_RIP), 0);
	EQ(b->c.s.cr2, 0x123456);
}

static void page_fault_twice_on_stack(void)
{
	struct bench *b = bench_long();

	bench_gate(b, VEC_DF, K_CODE, DF_RIP, 0x8e, 1);
	b->c.s.gpr[CPU_RSP] = 0xe008;
	b->page[0xd] = PAGE_ABSENT;
	EQ(error_at(b, &page_fault, DF_RIP), 0);
	EQ(b->c.s.cr2, 0xdff8);		    /* of the second */
	EQ(peek64(b, 0xb000 - 16), 0xe008); /* the RSP of the fault */
}

static void software_interrupt_is_benign(void)
{
	struct bench *b = bench_long();
	struct cpu_event e = {.kind = EVENT_SOFT_INT, .vector = VEC_GP};

	bench_gate(b, VEC_GP, NP_CODE, 0, 0x8e, 0); /* INT 13 finds an absent handler: #NP */
	EQ(error_at(b, &e, AT_HANDLE + 0xb0), NP_CODE); /* EXT=0 */
	EQ(peek64(b, RUNSTACK - 40), 0);		/* RIP of the INT: insn_start */
}

static void nested_fault_has_ext(void)
{
	struct bench *b = bench_long();

	bench_gate(b, VEC_UD, NP_CODE, 0, 0x8e, 0);
	EQ(error_at(b, &undefined, AT_HANDLE + 0xb0), NP_CODE | 1);
}

static void triple(struct bench *b, const struct cpu_event *e)
{
	b->before = b->c.s;
	BROKEN(b, cpu_deliver(&b->c, e, 0x40000, &b->f), "triple fault");
	EQ(b->c.s.activity, CPU_SHUTDOWN);
	b->before.activity = CPU_SHUTDOWN;
	CU_ASSERT(memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0);
}

static void triple_fault_empty_idt(void)
{
	struct bench *b = bench_long();
	struct cpu_event soft = {.kind = EVENT_SOFT_INT, .vector = 3};

	b->c.s.idtr.limit = 0;
	triple(b, &undefined);
	b->c.s.activity = CPU_RUNNING;
	triple(b, &page_fault);
	b->c.s.activity = CPU_RUNNING;
	triple(b, &soft);
}

static void triple_fault_by_stack(void)
{
	struct bench *b = bench_long_user();

	b->page[(KSTACK - 1) / SH_PAGE_SIZE] = PAGE_ABSENT; /* #PF, #PF: #DF, #PF */
	triple(b, &page_fault);
}

static void host_failure_restores(void)
{
	struct bench *b = bench_long();

	for (unsigned n = 1; n <= 3; n++) {
		b->reads_to_fail = n; /* gate low half, code descriptor, ... */
		bench_gate(b, VEC_PF, K_CODE, PF_RIP, 0x8e, 1);
		b->before = b->c.s;
		CU_ASSERT_EQUAL(cpu_deliver(&b->c, &page_fault, 0, &b->f), CPU_HOST);
		CU_ASSERT(memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0);
	}
	b->reads_to_fail = 0;
	OK(b, cpu_deliver(&b->c, &page_fault, 0, &b->f));
}

static void retry_on_lost_race(void)
{
	struct bench *b = bench_long();

	bench_desc(b, K_CODE, 0x00af9a000000ffff);
	b->lost_races = 1;
	b->before = b->c.s;
	CU_ASSERT_EQUAL(cpu_deliver(&b->c, &page_fault, 0, &b->f), CPU_RETRY);
	CU_ASSERT(memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0);
	OK(b, cpu_deliver(&b->c, &page_fault, 0, &b->f));
}

const struct tap_case cpu_chain_tests[] = {
	{"error codes of the gate", gate_error_codes},
	{"error codes of the handler", handler_error_codes},
	{"IST beyond the TSS", ist_beyond_tss},
	{"IST not canonical", ist_not_canonical},
	{"benign, then #PF", benign_then_page_fault},
	{"contributory twice: #DF", contributory_twice},
	{"contributory, then #PF", contributory_then_page_fault},
	{"#PF, then contributory: #DF", page_fault_then_contributory},
	{"#PF twice on the stack: #DF by IST", page_fault_twice_on_stack},
	{"INT n is benign, EXT=0", software_interrupt_is_benign},
	{"nested fault has EXT=1", nested_fault_has_ext},
	{"triple fault, empty IDT", triple_fault_empty_idt},
	{"triple fault, no stack", triple_fault_by_stack},
	{"host failure changes nothing", host_failure_restores},
	{"lost race changes nothing", retry_on_lost_race},
	TAP_NO_CASE,
};
