/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole pieces of code in every mode: an application processor's way from real mode to 64 bits,
 * 32-bit code, interrupts and their returns, single-stepping, branches.
 */
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define GDT 0x3000u
#define IDT 0x4000u

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

static const uint64_t gdt[] = {0,
			       0x00cf9b000000ffff,
			       0x00cf93000000ffff,
			       0x00af9b000000ffff,
			       0x00cff3000000ffff,
			       0x00affb000000ffff};

static void load_gdt(void)
{
	machine_poke(m, GDT, gdt, sizeof(gdt));
	s->gdtr = (struct cpu_table){.base = GDT, .limit = sizeof(gdt) - 1};
}

/* A gate of 8 bytes (32-bit) or 16 (64-bit) at vector, to selector:handler, DPL 3. */
static void set_gate(unsigned vector, uint16_t sel, uint32_t handler, unsigned size)
{
	uint64_t g[2] = {(handler & 0xffff) | (uint64_t)sel << 16 | 0xeeull << 40 |
				 (uint64_t)(handler >> 16) << 48,
			 0};

	machine_poke(m, IDT + vector * size, g, size);
	s->idtr = (struct cpu_table){.base = IDT, .limit = 0xfff};
}

/* What the kernel of an SMP guest puts at the address of its SIPI vector. */
static void trampoline(void)
{
	machine_real(m, 0);
	s->seg[CPU_CS].selector = 0x800;
	s->seg[CPU_CS].base = 0x8000;
	machine_code(m, 0x8000,
		     "fa 8c c8 8e d8"
		     "66 0f 01 16 40 00"	 /* lgdtl 0x40 */
		     "0f 20 c0 0c 01 0f 22 c0"	 /* cr0 |= PE */
		     "66 ea 80 80 00 00 08 00"); /* ljmpl $8,$0x8080 */
	machine_code(m, 0x8040, "1f 00 48 80 00 00");
	machine_poke(m, 0x8048, gdt, 32);
	machine_code(m, 0x8080,
		     "66 b8 10 00 8e d8 8e c0 8e d0"
		     "bc 00 70 00 00"
		     "0f 20 e0 83 c8 20 0f 22 e0"		 /* cr4 |= PAE */
		     "b8 00 10 00 00 0f 22 d8"			 /* cr3 = 0x1000 */
		     "b9 80 00 00 c0 0f 32 0d 00 01 00 00 0f 30" /* efer |= LME */
		     "0f 20 c0 0d 00 00 00 80 0f 22 c0"		 /* cr0 |= PG */
		     "ea 00 81 00 00 18 00");			 /* ljmp $0x18,$0x8100 */
	machine_code(m, 0x8100, "48 b8 ef cd ab 89 67 45 23 01 50 5b f4");
	CU_ASSERT_EQUAL(machine_run(m, 100), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(s->gpr[CPU_RBX], 0x0123456789abcdef);
	CU_ASSERT_EQUAL(s->gpr[CPU_RSP], 0x7000);
	CU_ASSERT_TRUE(cpu_64bit(s));
	CU_ASSERT_EQUAL(s->seg[CPU_DS].selector, 0x10);
	CU_ASSERT_EQUAL(s->rip, 0x810d);
}

/* A subroutine with a frame, a loop, a far return, and all registers pushed and popped. */
static void code32(void)
{
	machine_flat32(m, 0x8000);
	load_gdt();
	machine_code(m, 0x8000,
		     "bc 00 70 00 00"		 /* mov $0x7000,%esp */
		     "68 34 12 00 00"		 /* push $0x1234 */
		     "e8 11 00 00 00"		 /* call 0x8020 */
		     "6a 08 68 40 80 00 00 cb"); /* push $8; push $0x8040; lret */
	machine_code(m, 0x8020,
		     "c8 08 00 00"    /* enter $8,$0 */
		     "8b 5d 08"	      /* mov 8(%ebp),%ebx */
		     "b9 05 00 00 00" /* mov $5,%ecx */
		     "43 e2 fd"	      /* 1: inc %ebx; loop 1b */
		     "c9 c2 04 00");  /* leave; ret $4 */
	machine_code(m, 0x8040, "60 31 c0 31 db 61 f4");
	CU_ASSERT_EQUAL(machine_run(m, 100), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(s->gpr[CPU_RBX], 0x1239);
	CU_ASSERT_EQUAL(s->gpr[CPU_RSP], 0x7000);
}

/* Segments with a base, a limit, and 16-bit code calling through a far pointer. */
static void code16(void)
{
	machine_real(m, 0x8000);
	s->gpr[CPU_RSP] = 0xffff0100;
	machine_code(m, 0x8000,
		     "b8 00 10 8e d8"	       /* mov $0x1000,%ax; mov %ax,%ds */
		     "c7 06 10 00 cd ab"       /* movw $0xabcd,0x10 */
		     "9a 00 00 00 09"	       /* lcall $0x900,$0 */
		     "67 66 8b 1d 10 00 00 00" /* mov 0x10(32-bit address),%ebx */
		     "f4");
	machine_code(m, 0x9000, "fe 06 10 00 cb"); /* incb 0x10; lret */
	CU_ASSERT_EQUAL(machine_run(m, 100), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(machine_peek(m, 0x10010, 2), 0xabce);
	CU_ASSERT_EQUAL(s->gpr[CPU_RBX], 0xabce);
	CU_ASSERT_EQUAL(s->gpr[CPU_RSP], 0xffff0100);
}

/* A word at the end of a 64 KiB segment is beyond its limit. */
static void limit16(void)
{
	machine_real(m, 0x8000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "a1 ff ff"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
	CU_ASSERT_EQUAL(machine_step_hex(m, "a0 ff ff"), CPU_OK);
}

static void int_real(void)
{
	static const uint16_t vector[] = {0x0000, 0x0900};

	machine_real(m, 0x8000);
	machine_poke(m, 0x10 * 4, vector, 4);
	machine_code(m, 0x8000, "fb cd 10 f4");
	machine_code(m, 0x9000, "9c 5b cf"); /* pushf; pop %bx; iret */
	CU_ASSERT_EQUAL(machine_run(m, 100), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_FALSE(s->gpr[CPU_RBX] & RFL_IF);
	CU_ASSERT_TRUE(s->rflags & RFL_IF);
	CU_ASSERT_EQUAL(s->rip, 0x8004);
}

static void int_protected(void)
{
	machine_flat32(m, 0x8000);
	load_gdt();
	set_gate(0x80, 8, 0x9000, 8);
	set_gate(6, 8, 0x9010, 8);
	machine_code(m, 0x8000, "cd 80 0f 0b f4");
	machine_code(m, 0x9000, "40 cf");		       /* inc %eax; iret */
	machine_code(m, 0x9010, "8b 4c 24 08 83 04 24 02 cf"); /* flags; skip the ud2; iret */
	CU_ASSERT_EQUAL(machine_run(m, 100), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 1);
	CU_ASSERT_TRUE(s->gpr[CPU_RCX] & RFL_RF);
	CU_ASSERT_EQUAL(s->gpr[CPU_RSP], 0x8000);
}

static void start64(void)
{
	machine_long(m, 0x8000);
	load_gdt();
	s->seg[CPU_CS].selector = 0x18;
}

static void int_long(void)
{
	start64();
	set_gate(3, 0x18, 0x9000, 16);
	machine_code(m, 0x8000, "cc f4");
	machine_code(m, 0x9000, "48 8b 04 24 48 cf");
	CU_ASSERT_EQUAL(machine_run(m, 100), CPU_OK);
	CU_ASSERT_EQUAL(s->activity, CPU_HALTED);
	CU_ASSERT_EQUAL(s->gpr[CPU_RAX], 0x8001);
	CU_ASSERT_EQUAL(s->gpr[CPU_RSP], 0x8000);
}

/* A trap behind each instruction that began with TF, and none behind INT3, which clears it. */
static void single_step(void)
{
	start64();
	s->rflags |= RFL_TF;
	set_gate(1, 0x18, 0x9000, 16);
	machine_code(m, 0x8000, "90 f4");
	CU_ASSERT_EQUAL(machine_run(m, 1), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9000);
	CU_ASSERT_TRUE(s->dr[6] & (1 << 14));
	CU_ASSERT_EQUAL(machine_peek(m, s->gpr[CPU_RSP], 8), 0x8001);
	CU_ASSERT_FALSE(s->rflags & RFL_TF);
	/* STI holds interrupts back, but no trap; MOV SS both. */
	start64();
	s->rflags |= RFL_TF;
	set_gate(1, 0x18, 0x9000, 16);
	machine_code(m, 0x8000, "fb 8e d0");
	CU_ASSERT_EQUAL(machine_run(m, 1), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9000);
	start64();
	s->rflags |= RFL_TF;
	s->rip = 0x8001;
	s->gpr[CPU_RAX] = 0x10;
	CU_ASSERT_EQUAL(machine_run(m, 1), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x8003);
	start64();
	s->rflags |= RFL_TF;
	set_gate(3, 0x18, 0x9100, 16);
	machine_code(m, 0x8000, "cc");
	CU_ASSERT_EQUAL(machine_run(m, 1), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9100);
}

/* MOV SS holds traps and interrupts back for one instruction. */
static void stack_shadow(void)
{
	start64();
	s->gpr[CPU_RAX] = 0x10;
	CU_ASSERT_EQUAL(machine_step_hex(m, "8e d0"), CPU_OK);
	CU_ASSERT_TRUE(s->int_shadow);
	CU_ASSERT_EQUAL(machine_step_hex(m, "90"), CPU_OK);
	CU_ASSERT_FALSE(s->int_shadow);
	CU_ASSERT_EQUAL(machine_step_hex(m, "8e c8"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
}

static void system_call(void)
{
	start64();
	s->efer |= EFER_SCE;
	s->msr_star = 0x001b001800000000;
	s->msr_lstar = 0x9000;
	s->msr_sfmask = RFL_IF;
	s->rflags |= RFL_IF;
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 05"), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9000);
	CU_ASSERT_EQUAL(s->gpr[CPU_RCX], 0x8002);
	CU_ASSERT_FALSE(s->rflags & RFL_IF);
	CU_ASSERT_EQUAL(machine_step_hex(m, "48 0f 07"), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x8002);
	CU_ASSERT_EQUAL(cpu_cpl(s), 3);
	CU_ASSERT_TRUE(s->rflags & RFL_IF);
}

static void branches(void)
{
	static const struct {
		const char *hex;
		uint64_t rflags, rcx, rip;
	} t[] = {
		{"74 10", RFL_ZF, 0, 0x8012},
		{"74 10", 0, 0, 0x8002},
		{"0f 84 00 01 00 00", RFL_ZF, 0, 0x8106},
		{"75 fe", 0, 0, 0x8000},
		{"7c 10", RFL_SF, 0, 0x8012},
		{"7c 10", RFL_SF | RFL_OF, 0, 0x8002},
		{"7e 10", RFL_ZF, 0, 0x8012},
		{"77 10", RFL_CF, 0, 0x8002},
		{"e3 10", 0, 0x100000000, 0x8002},
		{"67 e3 10", 0, 0x100000000, 0x8013},
		{"e2 10", 0, 2, 0x8012},
		{"e2 10", 0, 1, 0x8002},
		{"e1 10", 0, 2, 0x8002},
		{"e0 10", 0, 2, 0x8012},
		{"eb 10", 0, 0, 0x8012},
		{"e9 00 10 00 00", 0, 0, 0x9005},
		{"ff e1", 0, 0x1234, 0x1234},
		{"66 e9 00 10 00 00", 0, 0, 0x9006},
		{"f2 ff e1", 0, 0x1234, 0x1234},
	};

	for (unsigned k = 0; k < sizeof(t) / sizeof(t[0]); k++) {
		start64();
		s->rflags |= t[k].rflags;
		s->gpr[CPU_RCX] = t[k].rcx;
		CU_ASSERT_EQUAL(machine_step_hex(m, t[k].hex), CPU_OK);
		CU_ASSERT_EQUAL(s->rip, t[k].rip);
		if (s->rip != t[k].rip)
			CU_FAIL(t[k].hex);
	}
}

static void decimal(void)
{
	static const struct {
		const char *hex;
		uint64_t ax, rflags, result, flags;
	} t[] = {
		{"37", 0x000f, 0, 0x0105, RFL_AF | RFL_CF},
		{"37", 0x0005, 0, 0x0005, 0},
		{"3f", 0x020f, 0, 0x0109, RFL_AF | RFL_CF},
		{"27", 0x009a, 0, 0x0000, RFL_AF | RFL_CF},
		{"27", 0x0079, RFL_AF, 0x007f, RFL_AF},
		{"2f", 0x0005, RFL_AF, 0x00ff, RFL_AF | RFL_CF},
		{"d4 0a", 0x007b, 0, 0x0c03, 0},
		{"d5 0a", 0x0905, 0, 0x005f, 0},
		{"d6", 0x0000, RFL_CF, 0x00ff, RFL_CF},
	};

	for (unsigned k = 0; k < sizeof(t) / sizeof(t[0]); k++) {
		machine_flat32(m, 0x8000);
		s->gpr[CPU_RAX] = t[k].ax;
		s->rflags |= t[k].rflags;
		CU_ASSERT_EQUAL(machine_step_hex(m, t[k].hex), CPU_OK);
		CU_ASSERT_EQUAL(s->gpr[CPU_RAX], t[k].result);
		CU_ASSERT_EQUAL(s->rflags & (RFL_AF | RFL_CF), t[k].flags);
	}
	machine_flat32(m, 0x8000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "d4 00"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_DE);
}

/* JMP and CALL through far pointers in memory, 16:32 and 16:64. */
static void far_pointers(void)
{
	start64();
	machine_code(m, 0x2000, "00 90 00 00 18 00");
	machine_code(m, 0x2010, "00 91 00 00 00 00 00 00 18 00");
	CU_ASSERT_EQUAL(machine_step_hex(m, "ff 2c 25 00 20 00 00"), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "48 ff 1c 25 10 20 00 00"), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9100);
	CU_ASSERT_EQUAL(machine_peek(m, s->gpr[CPU_RSP], 8), 0x9008);
	CU_ASSERT_EQUAL(machine_step_hex(m, "48 cb"), CPU_OK);
	CU_ASSERT_EQUAL(s->rip, 0x9008);
}

/* LGDT with a 16-bit operand size loads 24 bits of base. */
static void lgdt16(void)
{
	machine_real(m, 0x8000);
	machine_code(m, 0x1000, "ff ff 11 22 33 44");
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f 01 16 00 10"), CPU_OK);
	CU_ASSERT_EQUAL(s->gdtr.base, 0x332211);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 0f 01 16 00 10"), CPU_OK);
	CU_ASSERT_EQUAL(s->gdtr.base, 0x44332211);
}

static const struct tap_case cases[] = {
	{"trampoline from real mode to 64 bits", trampoline},
	{"32-bit code", code32},
	{"16-bit code", code16},
	{"16-bit segment limit", limit16},
	{"INT and IRET in real mode", int_real},
	{"INT, #UD and IRET in protected mode", int_protected},
	{"INT3 and IRET in long mode", int_long},
	{"single-stepping", single_step},
	{"MOV SS", stack_shadow},
	{"SYSCALL, SYSRET", system_call},
	{"branches", branches},
	{"far pointers in memory", far_pointers},
	{"decimal adjustment", decimal},
	{"LGDT with 16 bits", lgdt16},
	TAP_NO_CASE,
};
const struct tap_suite interp_mode_suite = {
	.name = "modes",
	.cases = cases,
	.setup = setup,
	.teardown = teardown,
};
