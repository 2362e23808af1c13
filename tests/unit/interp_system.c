/* SPDX-License-Identifier: BSD-2-Clause
 *
 * System instructions: who may execute them and what they change.
 */
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define BASE 0x100000u
#define DATA (BASE + 0x2000)
#define GDT  (BASE + 0x3000)

static struct machine *m;
static struct cpu_state *s;

static int setup(void)
{
	m = machine_create(BASE);
	s = &m->cpu.s;
	return 0;
}

static int teardown(void)
{
	machine_destroy(m);
	return 0;
}

static void start(unsigned cpl)
{
	machine_long(m, BASE);
	machine_set_cpl(m, cpl);
	memset(m->ram + 0x2000, 0, 0x1000);
}

/* Fault at CPL 3; at CPL 0 they must do something else. */
static void privileged(void)
{
	static const struct {
		const char *hex;
		uint8_t vector;
	} t[] = {
		{"f4", VEC_GP},	      {"fa", VEC_GP},
		{"fb", VEC_GP},	      {"0f 09", VEC_GP},
		{"0f 08", VEC_GP},    {"0f 22 d8", VEC_GP},
		{"0f 20 d8", VEC_GP}, {"0f 22 c0", VEC_GP},
		{"0f 23 f8", VEC_GP}, {"0f 21 f8", VEC_GP},
		{"0f 32", VEC_GP},    {"0f 30", VEC_GP},
		{"0f 01 10", VEC_GP}, {"0f 01 18", VEC_GP},
		{"0f 00 d0", VEC_GP}, {"0f 00 d8", VEC_GP},
		{"0f 06", VEC_GP},    {"0f 01 f0", VEC_GP},
		{"0f 01 38", VEC_GP}, {"66 0f 38 82 00", VEC_GP},
		{"0f 01 f8", VEC_GP}, {"ec", VEC_GP},
		{"e6 80", VEC_GP},    {"0f 01 ca", VEC_UD},
		{"0f 01 c9", VEC_UD}, {"0f 33", VEC_GP},
		{"0f 07", VEC_UD},    {"0f 01 d1", VEC_GP},
	};

	for (unsigned k = 0; k < sizeof(t) / sizeof(t[0]); k++) {
		struct cpu_state before;

		start(3);
		s->gpr[CPU_RAX] = DATA;
		s->cr4 |= CR4_OSXSAVE;
		before = *s;
		CU_ASSERT_EQUAL(machine_step_hex(m, t[k].hex), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, t[k].vector);
		CU_ASSERT_EQUAL(memcmp(s, &before, sizeof(before)), 0);
		if (m->fault.vector != t[k].vector)
			CU_FAIL(t[k].hex);
	}
}

static void interrupt_flag(void)
{
	start(0);
	CU_ASSERT_EQUAL(machine_step_hex(m, "fb"), CPU_OK);
	CU_ASSERT_TRUE(s->rflags & RFL_IF);
	CU_ASSERT_TRUE(s->int_shadow);
	CU_ASSERT_EQUAL(machine_step_hex(m, "fb"), CPU_OK); /* IF was set: no new shadow */
	CU_ASSERT_FALSE(s->int_shadow);
	CU_ASSERT_EQUAL(machine_step_hex(m, "fa"), CPU_OK);
	CU_ASSERT_FALSE(s->rflags & RFL_IF);
	CU_ASSERT_EQUAL(machine_step_hex(m, "f4"), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
}

static void popf_at(unsigned cpl, uint64_t iopl, uint64_t before, uint64_t expect)
{
	uint64_t image = ~0ull & ~RFL_TF;

	start(cpl);
	s->rflags = RFL_FIXED | iopl << 12 | before;
	s->gpr[CPU_RSP] = DATA;
	machine_poke(m, DATA, &image, 8);
	CU_ASSERT_EQUAL(machine_step_hex(m, "9d"), CPU_OK);
	CU_ASSERT_EQUAL(s->rflags & (RFL_IF | RFL_IOPL | RFL_VM | RFL_RF | RFL_FIXED), expect);
}

static void popf(void)
{
	popf_at(0, 0, 0, RFL_FIXED | RFL_IF | RFL_IOPL);
	popf_at(3, 0, 0, RFL_FIXED);
	popf_at(3, 0, RFL_IF, RFL_FIXED | RFL_IF);
	popf_at(3, 3, 0, RFL_FIXED | RFL_IF | RFL_IOPL);
}

static void pushf(void)
{
	start(0);
	s->rflags = RFL_FIXED | RFL_RF | RFL_IF | RFL_CF;
	s->gpr[CPU_RSP] = DATA + 8;
	CU_ASSERT_EQUAL(machine_step_hex(m, "9c"), CPU_OK);
	CU_ASSERT_EQUAL(machine_peek(m, DATA, 8), RFL_FIXED | RFL_IF | RFL_CF);
	CU_ASSERT_FALSE(s->rflags & RFL_RF);
}

static void ports(void)
{
	start(0);
	s->gpr[CPU_RDX] = 0x3f8;
	s->gpr[CPU_RAX] = 0x1122334455667788;
	m->in_value = 0xaabbccdd;
	CU_ASSERT_EQUAL(machine_step_hex(m, "ec"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x11223344556677dd);
	CU_ASSERT_EQUAL(machine_step_hex(m, "e5 71"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0xaabbccde);
	CU_ASSERT_EQUAL(m->last_port, 0x71);
	CU_ASSERT_EQUAL(m->last_size, 4);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 ef"), CPU_OK);
	CU_ASSERT_EQUAL(m->last_out, 0xccde);
	CU_ASSERT_EQUAL(m->last_port, 0x3f8);
}

static void identification(void)
{
	start(3);
	s->gpr[CPU_RAX] = 0xffffffff00000007;
	s->gpr[CPU_RCX] = 1;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f a2"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 8);
	CU_ASSERT_EQUAL(s->gpr[CPU_RBX], 3);
	s->msr_tsc_aux = 42;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 f9"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x55667788);
	CU_ASSERT_EQUAL(s->gpr[CPU_RDX], 0x11223344);
	CU_ASSERT_EQUAL(s->gpr[CPU_RCX], 42);
	s->cr4 |= CR4_TSD;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 31"), CPU_FAULT);
	machine_set_cpl(m, 0);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 31"), CPU_OK);
}

static void tables(void)
{
	static const uint8_t image[10] = {0x34, 0x12, 0, 0x50, 0, 0, 0x80, 0xff, 0xff, 0xff};

	start(0);
	s->gpr[CPU_RDI] = DATA;
	machine_poke(m, DATA, image, 10);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 17"), CPU_OK);
	CU_ASSERT_EQUAL(s->gdtr.limit, 0x1234);
	CU_ASSERT_EQUAL(s->gdtr.base, 0xffffff8000005000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 1f"), CPU_OK);
	CU_ASSERT_EQUAL(s->idtr.base, 0xffffff8000005000);
	s->gpr[CPU_RDI] = DATA + 32;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 07"), CPU_OK);
	CU_ASSERT_EQUAL(memcmp(m->ram + 0x2020, image, 10), 0);
}

/* What CR4.UMIP hides from user mode, and what it leaves to it. */
static void umip(void)
{
	static const char *const hex[] = {"0f 01 07", "0f 01 0f", "0f 00 c0", "0f 00 c8",
					  "0f 01 e0"};

	for (unsigned k = 0; k < 5; k++) {
		start(3);
		s->gpr[CPU_RDI] = DATA;
		CU_ASSERT_EQUAL(machine_step_hex(m, hex[k]), CPU_OK);
		start(3);
		s->gpr[CPU_RDI] = DATA;
		s->cr4 |= CR4_UMIP;
		CU_ASSERT_EQUAL(machine_step_hex(m, hex[k]), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
	}
}

static void control_registers(void)
{
	start(0);
	s->gpr[CPU_RBX] = 0x5000;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 22 db"), CPU_OK);
	CU_ASSERT_EQUAL(s->cr3, 0x5000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 20 d8"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x5000);
	s->cr0 |= CR0_TS;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 06"), CPU_OK);
	CU_ASSERT_FALSE(s->cr0 & CR0_TS);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 e1"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RCX], (uint32_t)s->cr0);
}

static void invalidations(void)
{
	uint64_t desc[2] = {0, 0x7777000};

	start(0);
	s->gpr[CPU_RDI] = 0x123456789000;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 3f"), CPU_OK);
	CU_ASSERT_EQUAL(m->invlpg, 0x123456789000);
	s->gpr[CPU_RDI] = DATA;
	s->gpr[CPU_RAX] = 0;
	machine_poke(m, DATA, desc, 16);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 0f 38 82 07"), CPU_OK);
	CU_ASSERT_EQUAL(m->invlpg, 0x7777000);
}

static void bases(void)
{
	start(0);
	s->seg[CPU_GS].base = 0x1000;
	s->msr_kernel_gs_base = 0xffff800000000000;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 f8"), CPU_OK);
	CU_ASSERT_EQUAL(s->seg[CPU_GS].base, 0xffff800000000000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 0f ae c8"), CPU_FAULT);
	s->cr4 |= CR4_FSGSBASE;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 0f ae c8"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0xffff800000000000);
	s->gpr[CPU_RBX] = 0x0000800000000000;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 0f ae d3"), CPU_FAULT);
	s->gpr[CPU_RBX] = 0x7fff00000000;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f3 48 0f ae d3"), CPU_OK);
	CU_ASSERT_EQUAL(s->seg[CPU_FS].base, 0x7fff00000000);
}

static void protection_keys(void)
{
	start(3);
	s->gpr[CPU_RCX] = s->gpr[CPU_RDX] = 0;
	s->gpr[CPU_RAX] = 0x55;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 ef"), CPU_FAULT);
	s->cr4 |= CR4_PKE;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 ef"), CPU_OK);
	CU_ASSERT_EQUAL(s->pkru, 0x55);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 ee"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x55);
	s->gpr[CPU_RDX] = 1;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 ef"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
}

static void access_check(void)
{
	start(0);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 cb"), CPU_OK);
	CU_ASSERT_TRUE(s->rflags & RFL_AC);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 ca"), CPU_OK);
	CU_ASSERT_FALSE(s->rflags & RFL_AC);
}

/* A GDT with: code DPL 0 at 8, data DPL 0 at 10, read-only data DPL 3 at 18, busy TSS at 20. */
static void probes(void)
{
	static const uint64_t gdt[] = {0,
				       0x00af9b000000ffff,
				       0x00cf93000000ffff,
				       0x00cff1000000ffff,
				       0x00008b0000000067,
				       0};

	start(0);
	machine_poke(m, GDT, gdt, sizeof(gdt));
	s->gdtr = (struct cpu_table){.base = GDT, .limit = sizeof(gdt) - 1};
	s->gpr[CPU_RBX] = 0x10;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 02 c3"), CPU_OK);
	CU_ASSERT_TRUE(s->rflags & RFL_ZF);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0xc09300);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 03 c3"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0xffffffff);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 00 eb"), CPU_OK); /* VERW */
	CU_ASSERT_TRUE(s->rflags & RFL_ZF);
	s->gpr[CPU_RBX] = 0x18;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 00 eb"), CPU_OK);
	CU_ASSERT_FALSE(s->rflags & RFL_ZF);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 00 e3"), CPU_OK); /* VERR */
	CU_ASSERT_TRUE(s->rflags & RFL_ZF);
	s->gpr[CPU_RBX] = 0x20;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 03 c3"), CPU_OK);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x67);
	s->gpr[CPU_RBX] = 0x1000; /* beyond the table */
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 02 c3"), CPU_OK);
	CU_ASSERT_FALSE(s->rflags & RFL_ZF);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x67);
	machine_set_cpl(m, 3);
	s->gpr[CPU_RBX] = 0x10;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 02 c3"), CPU_OK);
	CU_ASSERT_FALSE(s->rflags & RFL_ZF);
}

static void vectors(void)
{
	start(0);
	memset(s->fpu.xmm, 0xff, 32);
	memset(s->ymm_high, 0xff, 32);
	s->gpr[CPU_RDI] = DATA;
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 0f ef c0"), CPU_OK); /* pxor: keeps the top */
	CU_ASSERT_EQUAL(s->fpu.xmm[0][0], 0);
	CU_ASSERT_EQUAL(s->ymm_high[0][0], 0xff);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 29 0f"), CPU_OK); /* movaps %xmm1,(%rdi) */
	CU_ASSERT_EQUAL(machine_peek(m, DATA + 8, 8), ~0ull);
	CU_ASSERT_EQUAL(machine_peek(m, DATA + 16, 8), 0);
	s->gpr[CPU_RDI] = DATA + 8;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 29 0f"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 11 0f"), CPU_OK); /* movups doesn't mind */
	CU_ASSERT_EQUAL(machine_step_hex(m, "c5 fe 6f 07"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
	s->cr4 |= CR4_OSXSAVE;
	s->xcr0 = 7;
	CU_ASSERT_EQUAL(machine_step_hex(m, "c5 fe 6f 07"), CPU_OK); /* vmovdqu (%rdi),%ymm0 */
	CU_ASSERT_EQUAL(s->fpu.xmm[0][0], 0xff);
	CU_ASSERT_EQUAL(s->ymm_high[0][0], 0);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 48 0f 7e c8"), CPU_OK); /* movq %xmm1,%rax */
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], ~0ull);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 0f 6e c8"), CPU_OK); /* movd %eax,%xmm1 */
	CU_ASSERT_EQUAL(s->fpu.xmm[1][3], 0xff);
	CU_ASSERT_EQUAL(s->fpu.xmm[1][4], 0);
	CU_ASSERT_EQUAL(s->ymm_high[1][0], 0xff);
	s->cr0 |= CR0_TS;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 28 c1"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_NM);
}

static const struct tap_case cases[] = {
	{"privileged ones fault at CPL 3", privileged},
	{"CLI, STI, HLT", interrupt_flag},
	{"POPF by CPL and IOPL", popf},
	{"PUSHF", pushf},
	{"IN and OUT", ports},
	{"CPUID, RDTSCP", identification},
	{"LGDT, LIDT, SGDT", tables},
	{"UMIP", umip},
	{"control registers", control_registers},
	{"INVLPG, INVPCID", invalidations},
	{"SWAPGS, FSGSBASE", bases},
	{"PKRU", protection_keys},
	{"STAC, CLAC", access_check},
	{"LAR, LSL, VERR, VERW", probes},
	{"vector moves", vectors},
	TAP_NO_CASE,
};
const struct tap_suite interp_system_suite = {
	.name = "system instructions",
	.cases = cases,
	.setup = setup,
	.teardown = teardown,
};
