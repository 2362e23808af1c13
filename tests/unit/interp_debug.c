/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Debug facilities and what else hangs on single instructions: breakpoints by DR0 to DR3, RF, TF,
 * the shadow of MOV SS, INT1, GD, #AC, virtual-8086 mode's instructions. SDM vol. 3, chapters 17
 * and 20, sections 6.7.1, 6.8.3 and table 6-7.
 */
#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define CODE	 0x8000u
#define DATA	 0x5000u
#define IDT	 0x4000u
#define GDT	 0x3000u
#define HANDLER	 0x9000u /* of #DB; others follow at 0x100 each */
#define DR6_IDLE 0xffff0ff0u

static struct machine *m;
static struct cpu_state *s;

static int setup(void)
{
	m = machine_create(0);
	s = &m->cpu.s;
	return 0;
}

static int teardown(void)
{
	machine_destroy(m);
	return 0;
}

static void set_gate(unsigned vector, uint32_t handler)
{
	uint64_t g[2] = {(handler & 0xffff) | 8ull << 16 | 0xeeull << 40, 0};

	machine_poke(m, IDT + vector * 16, g, sizeof(g));
}

/* 64-bit kernel with handlers that halt. */
static void start(const char *hex)
{
	static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};

	machine_long(m, CODE);
	machine_poke(m, GDT, gdt, sizeof(gdt));
	s->gdtr = (struct cpu_table){.base = GDT, .limit = sizeof(gdt) - 1};
	s->idtr = (struct cpu_table){.base = IDT, .limit = 0xfff};
	for (unsigned v = 0; v < 32; v++) {
		set_gate(v, HANDLER + v * 0x10);
		machine_code(m, HANDLER + v * 0x10, "f4");
	}
	s->dr[6] = DR6_IDLE;
	s->dr[7] = 0x400;
	machine_code(m, CODE, hex);
}

/* Runs into the handler of vector, which was told this RIP and these bits of DR6. */
static void trapped(unsigned vector, uint64_t rip, uint64_t dr6)
{
	CU_ASSERT_EQUAL(machine_run(m, 50), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(s->rip, HANDLER + vector * 0x10 + 1);
	CU_ASSERT_EQUAL(machine_peek(m, s->gpr[CPU_RSP], 8), rip);
	CU_ASSERT_EQUAL(s->dr[6], DR6_IDLE | dr6);
}

/* DR7 for breakpoint n: condition (0 code, 1 write, 2 port, 3 access) and length field. */
static uint64_t dr7(unsigned n, unsigned condition, unsigned len)
{
	return 0x400 | 2ull << (2 * n) | (uint64_t)(condition | len << 2) << (16 + 4 * n);
}

static void on_code(void)
{
	start("90 90 90 f4");
	s->dr[1] = CODE + 2;
	s->dr[7] = dr7(1, 0, 0);
	trapped(VEC_DB, CODE + 2, 2);
	/* The frame of an instruction breakpoint has RF=0 (section 17.3.1.1): software sets it to
	 * get on. */
	CU_ASSERT_EQUAL(machine_peek(m, s->gpr[CPU_RSP] + 16, 8) & RFL_RF, 0);
	s->activity = CPU_RUNNING;
	s->rip = CODE + 2;
	s->rflags |= RFL_RF;
	CU_ASSERT_EQUAL(machine_run(m, 1), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, CODE + 3);
	CU_ASSERT_EQUAL(s->rflags & RFL_RF, 0);
}

static void on_data(void)
{
	static const struct {
		const char *hex;
		unsigned condition, len;
		bool hit;
	} t[] = {
		{"89 07 f4", 1, 0, true},  /* mov %eax,(%rdi) */
		{"8b 07 f4", 1, 0, false}, /* a read is no write */
		{"8b 07 f4", 3, 0, true},
		{"89 47 fc f4", 1, 0, false},	 /* 4 bytes below it */
		{"89 47 fd f4", 1, 0, true},	 /* the last of 4 bytes */
		{"88 47 02 f4", 1, 3, true},	 /* within 4 watched bytes */
		{"88 47 02 f4", 1, 1, false},	 /* behind 2 */
		{"88 47 07 f4", 1, 2, true},	 /* within 8 */
		{"f0 01 07 f4", 1, 0, true},	 /* lock add */
		{"aa f4", 1, 0, true},		 /* stosb */
		{"48 89 fc 50 f4", 1, 0, false}, /* push below it */
		{"48 8d 67 08 50 f4", 1, 0, true},
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		unsigned len = machine_code(m, 0, t[i].hex);

		start(t[i].hex);
		s->gpr[CPU_RDI] = DATA;
		s->dr[0] = DATA;
		s->dr[7] = dr7(0, t[i].condition, t[i].len);
		if (t[i].hit) {
			trapped(VEC_DB, CODE + len - 1, 1);
			continue;
		}
		CU_ASSERT_EQUAL(machine_run(m, 50), CPU_OK);
		CU_ASSERT_EQUAL(s->rip, CODE + len);
		CU_ASSERT_EQUAL(s->dr[6], DR6_IDLE);
	}
}

/* The trap comes after the iteration that met it. */
static void on_string(void)
{
	start("f3 aa f4");
	s->gpr[CPU_RDI] = DATA;
	s->gpr[CPU_RCX] = 10;
	s->dr[2] = DATA + 3;
	s->dr[7] = dr7(2, 1, 0);
	trapped(VEC_DB, CODE, 4);
	CU_ASSERT_EQUAL(s->gpr[CPU_RCX], 6);
}

static void on_port(void)
{
	start("e6 80 f4");
	s->dr[0] = 0x80;
	s->dr[7] = dr7(0, 2, 0);
	CU_ASSERT_EQUAL(machine_run(m, 50), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, CODE + 3); /* without CR4.DE there are no such breakpoints */
	start("e6 80 f4");
	s->dr[0] = 0x80;
	s->dr[7] = dr7(0, 2, 0);
	s->cr4 |= CR4_DE;
	trapped(VEC_DB, CODE + 2, 1);
}

/* Section 17.2.3: B0 to B3 say what this exception was; BS stays until cleared. */
static void dr6_bits(void)
{
	start("90 f4");
	s->dr[6] = DR6_IDLE | 0x4002;
	s->dr[0] = CODE;
	s->dr[7] = dr7(0, 0, 0);
	trapped(VEC_DB, CODE, 0x4001);
}

/* A load of SS from watched memory: the trap waits until the next instruction is done. */
static void shadow_of_ss(void)
{
	start("8e 17 90 f4"); /* mov (%rdi),%ss */
	machine_poke(m, DATA, &(uint16_t){0x10}, 2);
	s->gpr[CPU_RDI] = DATA;
	s->dr[0] = DATA;
	s->dr[7] = dr7(0, 3, 0);
	trapped(VEC_DB, CODE + 3, 1);
	/* An instruction breakpoint in the shadow is missed. */
	start("8e d0 90 f4");
	s->gpr[CPU_RAX] = 0x10;
	s->dr[0] = CODE + 2;
	s->dr[7] = dr7(0, 0, 0);
	CU_ASSERT_EQUAL(machine_run(m, 50), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, CODE + 4);
	/* TF is held back for one instruction and then reported behind it. */
	start("8e d0 90 f4");
	s->gpr[CPU_RAX] = 0x10;
	s->rflags |= RFL_TF;
	trapped(VEC_DB, CODE + 3, 0x4000);
}

/* A held data breakpoint in front of INT3: #BP first, then #DB at its handler; in front of INT1 one
 * #DB serves for both. */
static void shadow_and_int(void)
{
	start("8e 17 cc");
	machine_poke(m, DATA, &(uint16_t){0x10}, 2);
	s->gpr[CPU_RDI] = DATA;
	s->dr[0] = DATA;
	s->dr[7] = dr7(0, 3, 0);
	trapped(VEC_DB, HANDLER + VEC_BP * 0x10, 1);
	start("8e 17 f1");
	s->gpr[CPU_RDI] = DATA;
	s->dr[0] = DATA;
	s->dr[7] = dr7(0, 3, 0);
	trapped(VEC_DB, CODE + 3, 1);
}

static void icebp(void)
{
	start("f1 f4");
	trapped(VEC_DB, CODE + 1, 0);
}

/* Section 17.2.4: GD is cleared on the way to the handler. */
static void general_detect(void)
{
	start("0f 23 c0 f4"); /* mov %rax,%dr0 */
	s->dr[7] = 0x2400;
	trapped(VEC_DB, CODE, 0x2000);
	CU_ASSERT_EQUAL(s->dr[7], 0x400);
}

/* HLT is completed before it is single-stepped, and the trap wakes the CPU. */
static void step_over_hlt(void)
{
	start("f4 90");
	s->rflags |= RFL_TF;
	trapped(VEC_DB, CODE + 1, 0x4000);
}

/* Table 6-7: CR0.AM, EFLAGS.AC and CPL 3 together. */
static void alignment(void)
{
	for (unsigned lacks = 0; lacks < 4; lacks++) {
		start("8b 07");
		if (lacks != 1)
			machine_set_cpl(m, 3);
		s->cr0 |= lacks == 2 ? 0 : CR0_AM;
		s->rflags |= lacks == 3 ? 0 : RFL_AC;
		s->gpr[CPU_RDI] = DATA + 2;
		CU_ASSERT_EQUAL(machine_step(m), lacks ? CPU_OK : CPU_FAULT);
		if (!lacks) {
			CU_ASSERT_EQUAL(m->fault.vector, VEC_AC);
			CU_ASSERT_EQUAL(m->fault.error, 0);
			s->gpr[CPU_RDI] = DATA + 4;
			CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
		}
	}
}

/* 8086 code at 0000:8000. */
static void start_v86(unsigned iopl, const char *hex)
{
	machine_flat32(m, CODE);
	for (int k = 0; k < CPU_SEGS; k++)
		s->seg[k] = (struct cpu_segment){.limit = 0xffff, .attr = 0xf3};
	s->rflags = RFL_FIXED | RFL_VM | (uint64_t)iopl << 12;
	s->gpr[CPU_RSP] = 0x7000;
	machine_code(m, CODE, hex);
}

/* Sections 20.2.7 and 20.3.3: what is sensitive to IOPL, and what VME makes of it. */
static void v86_instructions(void)
{
	static const char *const sensitive[] = {"fa", "fb", "9c", "9d", "cd 21", "cf"};

	for (unsigned i = 0; i < 6; i++) {
		start_v86(0, sensitive[i]);
		CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
		CU_ASSERT_EQUAL(m->fault.error, 0);
	}
	start_v86(0, "fb 9c fa 9c");
	s->cr4 = CR4_VME;
	CU_ASSERT_EQUAL(machine_run(m, 2), CPU_OK);
	CU_ASSERT_EQUAL(machine_peek(m, 0x6ffe, 2), 0x3202);
	CU_ASSERT_EQUAL(s->rflags & (RFL_IF | RFL_VIF), RFL_VIF);
	CU_ASSERT_EQUAL(machine_run(m, 2), CPU_OK);
	CU_ASSERT_EQUAL(machine_peek(m, 0x6ffc, 2), 0x3002);
	/* STI with a virtual interrupt waiting is the monitor's. */
	start_v86(0, "fb");
	s->cr4 = CR4_VME;
	s->rflags |= RFL_VIP;
	CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
	/* 32-bit PUSHF is not virtualised. */
	start_v86(0, "66 9c");
	s->cr4 = CR4_VME;
	CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
	/* Not there at all (section 20.2.7). */
	start_v86(3, "0f 00 d8");
	CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
}

static void v86_int(void)
{
	start_v86(3, "cd 21");
	machine_poke(m, 0x21 * 4, &(uint32_t){0x01001234}, 4);
	s->cr4 = CR4_VME;
	s->tr = (struct cpu_segment){.base = 0x2000, .limit = 0x200, .attr = 0x8b};
	machine_poke(m, 0x2000 + 102, &(uint16_t){0x100}, 2);
	CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
	CU_ASSERT_EQUAL(s->seg[CPU_CS].selector, 0x100);
	CU_ASSERT_EQUAL(s->rip, 0x1234);
	CU_ASSERT_EQUAL(machine_peek(m, 0x6ffa, 2), CODE + 2);
}

/* SDM vol. 2, INVPCID: #UD if CPUID does not offer it, whatever the CPL and operand. */
static void invpcid_not_offered(void)
{
	const struct cpu_model *with = m->cpu.model;
	struct cpu_model without = *with;

	without.invpcid = false;
	start("66 0f 38 82 07");
	machine_set_cpl(m, 3);
	CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
	m->cpu.model = &without;
	CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
	m->cpu.model = with;
}

/* What CPUID does not offer is #UD, also at CPL 0; SDM vol. 2, each instruction. */
static void not_offered(void)
{
	static const char *const hex[] = {
		"0f 01 c8",	  /* monitor */
		"0f 01 c9",	  /* mwait */
		"f3 0f c7 f8",	  /* rdpid */
		"66 0f ae 37",	  /* clwb */
		"0f 01 e8",	  /* serialize */
		"0f 38 f9 07",	  /* movdiri */
		"66 0f 38 f8 07", /* movdir64b */
		"f3 0f ae f0",	  /* umonitor */
		"0f 01 ca",	  /* clac, without SMAP */
	};
	const struct cpu_model *with = m->cpu.model;
	struct cpu_model without = *with;

	without.cr4_allowed &= ~CR4_SMAP;
	m->cpu.model = &without;
	for (unsigned i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
		start(hex[i]);
		s->gpr[CPU_RDI] = DATA;
		CU_ASSERT_EQUAL(machine_step(m), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
	}
	m->cpu.model = with;
	/* But these are NOPs where their extension is missing: bndmov, rdssp, endbr64. */
	start("f3 0f 1e fa 66 0f 1a 07 f3 48 0f 1e c8 f4");
	CU_ASSERT_EQUAL(machine_run(m, 10), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(s->rip, CODE + 14);
}

static void random_numbers(void)
{
	uint64_t first;

	start("48 0f c7 f0 48 0f c7 f9"); /* rdrand %rax; rdseed %rcx */
	s->rflags |= RFL_ZF | RFL_OF;
	s->gpr[CPU_RAX] = s->gpr[CPU_RCX] = 0;
	CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
	first = s->gpr[CPU_RAX];
	CU_ASSERT_EQUAL(s->rflags & (RFL_ZF | RFL_OF | RFL_CF), first ? RFL_CF : 0);
	CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
	CU_ASSERT(!first || s->gpr[CPU_RCX] != first);
}

static const struct tap_case cases[] = {
	{"breakpoint on code, RF", on_code},
	{"breakpoints on data", on_data},
	{"breakpoint in a string instruction", on_string},
	{"breakpoint on a port", on_port},
	{"bits of DR6", dr6_bits},
	{"shadow of MOV SS", shadow_of_ss},
	{"shadow of MOV SS and INT3, INT1", shadow_and_int},
	{"INT1", icebp},
	{"general detect", general_detect},
	{"single-stepping HLT", step_over_hlt},
	{"alignment check", alignment},
	{"virtual-8086 instructions", v86_instructions},
	{"virtual-8086 INT n", v86_int},
	{"INVPCID not offered", invpcid_not_offered},
	{"instructions not offered", not_offered},
	{"RDRAND and RDSEED", random_numbers},
	TAP_NO_CASE,
};

const struct tap_suite interp_debug_suite = {
	.name = "debug", .setup = setup, .teardown = teardown, .cases = cases};
