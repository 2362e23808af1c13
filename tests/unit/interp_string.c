/* SPDX-License-Identifier: BSD-2-Clause
 *
 * String instructions: chunks, faults in the middle, interruption, direction, ports.
 */
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define BASE 0x100000u
#define SRC  (BASE + 0x2000)
#define DST  (BASE + 0x4000)

static struct machine *m;
static uint64_t *gpr;

static int setup(void)
{
	m = machine_create(BASE);
	gpr = m->cpu.s.gpr;
	return 0;
}

static int teardown(void)
{
	machine_destroy(m);
	return 0;
}

static void start(uint64_t rcx, uint64_t rsi, uint64_t rdi)
{
	machine_long(m, BASE);
	memset(m->perm, PAGE_RWX, sizeof(m->perm));
	for (unsigned k = 0x1000; k < MACHINE_SIZE; k++)
		m->ram[k] = (uint8_t)(k * 7 + (k >> 8));
	gpr[CPU_RCX] = rcx;
	gpr[CPU_RSI] = rsi;
	gpr[CPU_RDI] = rdi;
	m->reads = m->writes = 0;
}

static void clear_page(void)
{
	start(512, 0, DST);
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 ab"), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 0);
	CU_ASSERT_EQUAL(gpr[CPU_RDI], DST + 4096);
	CU_ASSERT_EQUAL(m->cpu.s.rip, BASE + 3);
	CU_ASSERT_EQUAL(m->writes, 64);
	for (unsigned k = 0; k < 4096; k += 8)
		CU_ASSERT_EQUAL(machine_peek(m, DST + k, 8), 0);
}

static void copy_page(void)
{
	start(4096, SRC, DST);
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 a4"), CPU_OK);
	CU_ASSERT_EQUAL(m->writes, 64);
	CU_ASSERT_EQUAL(gpr[CPU_RSI], SRC + 4096);
	CU_ASSERT_EQUAL(memcmp(m->ram + SRC - BASE, m->ram + DST - BASE, 4096), 0);
}

/* A copy onto its own source, one byte on, spreads the first byte. */
static void copy_overlapping(void)
{
	start(300, SRC, SRC + 1);
	m->ram[SRC - BASE] = 0x5a;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 a4"), CPU_OK);
	for (unsigned k = 0; k <= 300; k++)
		CU_ASSERT_EQUAL(m->ram[SRC - BASE + k], 0x5a);
}

static void copy_overlapping_gap(void)
{
	start(20, SRC, SRC + 24);
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 a5"), CPU_OK);
	for (unsigned k = 24; k < 160; k++)
		CU_ASSERT_EQUAL(m->ram[SRC - BASE + k], m->ram[SRC - BASE + k % 24]);
}

static void copy_down(void)
{
	start(16, SRC + 60, DST + 60);
	m->cpu.s.rflags |= RFL_DF;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 a5"), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RSI], SRC - 4);
	CU_ASSERT_EQUAL(gpr[CPU_RDI], DST - 4);
	CU_ASSERT_EQUAL(memcmp(m->ram + SRC - BASE, m->ram + DST - BASE, 64), 0);
}

/* The second page is missing: what was done stays done, the rest can be resumed. */
static void fault_in_second_page(void)
{
	start(100, 0, DST + 4096 - 5 * 8);
	m->perm[5] = PAGE_R;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 ab"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_PF);
	CU_ASSERT_EQUAL(m->fault.cr2, DST + 4096);
	CU_ASSERT_EQUAL(m->fault.error, PFERR_P | PFERR_W);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 95);
	CU_ASSERT_EQUAL(gpr[CPU_RDI], DST + 4096);
	CU_ASSERT_EQUAL(m->cpu.s.rip, BASE);
	m->perm[5] = PAGE_RWX;
	CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 0);
	CU_ASSERT_EQUAL(m->cpu.s.rip, BASE + 3);
}

/* An element that crosses into a read-only page must leave the first page's bytes alone, too.
 */
static void fault_within_element(void)
{
	start(4, 0, DST + 4096 - 12);
	m->perm[5] = PAGE_R;
	gpr[CPU_RAX] = 0;

	uint64_t before = machine_peek(m, DST + 4096 - 4, 8);

	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 ab"), CPU_FAULT);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 3);
	CU_ASSERT_EQUAL(gpr[CPU_RDI], DST + 4096 - 4);
	CU_ASSERT_EQUAL(machine_peek(m, DST + 4096 - 4, 8), before);
	CU_ASSERT_EQUAL(m->fault.cr2, DST + 4096);
}

static void interrupted(void)
{
	start(1000, SRC, DST);
	machine_code(m, BASE, "f3 a4");
	CU_ASSERT_EQUAL(interp_step(m->in, &m->cpu, 10, &m->info, &m->fault), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 990);
	CU_ASSERT_EQUAL(m->cpu.s.rip, BASE);
	CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 0);
	CU_ASSERT_EQUAL(m->cpu.s.rip, BASE + 2);
}

/* Flags of a comparison that faults are those before it. */
static void scan_fault_keeps_flags(void)
{
	start(100, 0, DST + 4090);
	memset(m->ram + DST - BASE, 0x11, 4096);
	m->perm[5] = 0;
	gpr[CPU_RAX] = 0x22;
	m->cpu.s.rflags = RFL_FIXED | RFL_CF | RFL_OF;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f2 ae"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->cpu.s.rflags, RFL_FIXED | RFL_CF | RFL_OF);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 94);
	CU_ASSERT_EQUAL(gpr[CPU_RDI], DST + 4096);
}

/* A 16-bit pointer wraps within its segment. */
static void wraps_at_64k(void)
{
	struct machine *r = machine_create(0);
	uint64_t *g = r->cpu.s.gpr;

	machine_real(r, 0x100);
	g[CPU_RCX] = 0xabcd0010;
	g[CPU_RDI] = 0x1234fff8;
	g[CPU_RAX] = 0xee;
	CU_ASSERT_EQUAL(machine_step_hex(r, "f3 aa"), CPU_OK);
	CU_ASSERT_EQUAL(g[CPU_RDI], 0x12340008);
	CU_ASSERT_EQUAL(g[CPU_RCX], 0xabcd0000);
	CU_ASSERT_EQUAL(machine_peek(r, 0xfff8, 8), 0xeeeeeeeeeeeeeeee);
	CU_ASSERT_EQUAL(machine_peek(r, 0, 8), 0xeeeeeeeeeeeeeeee);
	machine_destroy(r);
}

static void source_override(void)
{
	start(0, SRC, DST);
	m->cpu.s.seg[CPU_GS].base = 0x100;
	CU_ASSERT_EQUAL(machine_step_hex(m, "65 a4"), CPU_OK);
	CU_ASSERT_EQUAL(m->ram[DST - BASE], m->ram[SRC - BASE + 0x100]);
	/* The prefixes of the flat segments mean nothing in 64-bit mode. */
	m->cpu.s.seg[CPU_ES].base = 0x4444;
	CU_ASSERT_EQUAL(machine_step_hex(m, "26 a4"), CPU_OK);
	CU_ASSERT_EQUAL(m->ram[DST - BASE + 1], m->ram[SRC - BASE + 1]);
}

static void repne_is_rep(void)
{
	start(5, SRC, DST);
	CU_ASSERT_EQUAL(machine_step_hex(m, "f2 a4"), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RCX], 0);
}

static void ports(void)
{
	start(3, SRC, DST);
	gpr[CPU_RDX] = 0x1f0;
	m->in_value = 0x40;
	m->ins = m->outs = 0;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 6c"), CPU_OK);
	CU_ASSERT_EQUAL(m->ins, 3);
	CU_ASSERT_EQUAL(machine_peek(m, DST, 3), 0x424140);
	gpr[CPU_RCX] = 2;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 66 6f"), CPU_OK);
	CU_ASSERT_EQUAL(m->outs, 2);
	CU_ASSERT_EQUAL(m->last_size, 2);
	CU_ASSERT_EQUAL(m->last_out, machine_peek(m, SRC + 2, 2));
}

/* A port is not read when its value has nowhere to go. */
static void port_not_read(void)
{
	start(1, 0, DST);
	m->perm[4] = PAGE_R;
	m->ins = 0;
	CU_ASSERT_EQUAL(machine_step_hex(m, "6c"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->ins, 0);
}

static const struct tap_case cases[] = {
	{"STOS clears a page in chunks", clear_page},
	{"MOVS copies a page in chunks", copy_page},
	{"overlap by one byte", copy_overlapping},
	{"overlap by three elements", copy_overlapping_gap},
	{"downwards", copy_down},
	{"fault in the second page", fault_in_second_page},
	{"fault within an element", fault_within_element},
	{"interrupted by the budget", interrupted},
	{"a scan's fault keeps the flags", scan_fault_keeps_flags},
	{"16-bit pointers wrap", wraps_at_64k},
	{"segment override of the source", source_override},
	{"REPNE MOVS", repne_is_rep},
	{"INS and OUTS", ports},
	{"INS into a read-only page", port_not_read},
	TAP_NO_CASE,
};
const struct tap_suite interp_string_suite = {
	.name = "strings",
	.cases = cases,
	.setup = setup,
	.teardown = teardown,
};
