/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Virtual-8086 mode: in by IRETD, out by exceptions and interrupts, INT n by the methods of table
 * 20-2, and the virtual interrupt flag. SDM vol. 3, chapter 20; vol. 2, IRET and INT n.
 */
#include "tests/unit/cpu_bench.h"
#include "vmm/cpu/v86.h"

#define IVT_TARGET 0x12345678u /* 1234:5678 */

static void v86_segment(struct bench *b, enum cpu_seg seg, uint16_t selector)
{
	b->c.s.seg[seg] = (struct cpu_segment){.selector = selector,
					       .base = (uint64_t)selector << 4,
					       .limit = 0xffff,
					       .attr = 0xf3};
}

/* 0900:0100 in user pages, stack at 0900:1000 = 0xa000, and the vector table. */
static struct bench *v86(unsigned iopl)
{
	struct bench *b = bench_prot32();

	b->c.s.rflags = RFL_FIXED | RFL_IF | RFL_VM | (uint64_t)iopl << 12;
	for (int i = 0; i < CPU_SEGS; i++)
		v86_segment(b, (enum cpu_seg)i, (uint16_t)(0x900 + (i == CPU_DS ? 1 : 0)));
	b->c.s.rip = 0x100;
	b->c.s.gpr[CPU_RSP] = 0x1000;
	b->page[0] |= PAGE_U;
	poke32(b, 0x21 * 4, IVT_TARGET);
	return b;
}

/* A redirection bitmap in the TSS, with the bit of vector 0x21 as told. */
static void redirection(struct bench *b, bool to_idt)
{
	b->c.s.cr4 |= CR4_VME;
	b->c.s.tr.limit = 0x200;
	poke16(b, AT_TSS + 102, 0x100);
	b->mem[AT_TSS + 0x100 - 32 + 0x21 / 8] = (uint8_t)(to_idt << (0x21 & 7));
}

static void iretd_enters(void)
{
	struct bench *b = bench_prot32();
	uint32_t frame[] = {0x100,  0x1000, 0x23202, 0xfffe, 0x2000,
			    0x3000, 0x4000, 0x5000,  0x6000};

	b->c.s.gpr[CPU_RSP] = RUNSTACK - sizeof(frame);
	for (unsigned i = 0; i < 9; i++)
		poke32(b, RUNSTACK - sizeof(frame) + i * 4, frame[i]);
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 3);
	EQ(b->c.s.rflags, 0x23202);
	EQ(b->c.s.rip, 0x100);
	EQ(b->c.s.gpr[CPU_RSP], 0xfffe);
	EQ(b->c.s.seg[CPU_CS].base, 0x10000);
	EQ(b->c.s.seg[CPU_SS].selector, 0x2000);
	EQ(b->c.s.seg[CPU_ES].selector, 0x3000);
	EQ(b->c.s.seg[CPU_DS].selector, 0x4000);
	EQ(b->c.s.seg[CPU_FS].selector, 0x5000);
	EQ(b->c.s.seg[CPU_GS].base, 0x60000);
	EQ(b->c.s.seg[CPU_GS].attr, 0xf3);
}

static void iretd_refused(void)
{
	struct bench *b = bench_prot32();

	b->c.s.gpr[CPU_RSP] = RUNSTACK - 36;
	poke32(b, RUNSTACK - 36, 0x10000); /* beyond 64 kB */
	poke32(b, RUNSTACK - 28, 0x20202);
	FAULTS(b, cpu_iret(&b->c, 4, 0, &b->f), VEC_GP, 0);
	/* VM in the image counts at CPL 0 only. */
	b = bench_prot32_user();
	b->c.s.gpr[CPU_RSP] = USTACK - 12;
	poke32(b, USTACK - 12, 0x40000);
	poke32(b, USTACK - 8, U_CODE32 | 3);
	poke32(b, USTACK - 4, 0x20202);
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(b->c.s.rflags & RFL_VM, 0);
}

static const struct cpu_event general = {
	.kind = EVENT_EXCEPTION, .vector = VEC_GP, .has_error = true, .error = 0};

/* Section 20.2.3, figure 20-3: what lies on the handler's stack. */
static void interrupted(void)
{
	struct bench *b = v86(0);

	OK(b, cpu_deliver(&b->c, &general, 0, &b->f));
	EQ(b->c.s.rip, AT_HANDLE + 0xd0);
	EQ(cpu_cpl(&b->c.s), 0);
	EQ(b->c.s.rflags & (RFL_VM | RFL_IF), 0);
	EQ(b->c.s.gpr[CPU_RSP], KSTACK - 40);
	EQ(peek32(b, KSTACK - 4), 0x900);    /* GS */
	EQ(peek32(b, KSTACK - 8), 0x900);    /* FS */
	EQ(peek32(b, KSTACK - 12), 0x901);   /* DS */
	EQ(peek32(b, KSTACK - 16), 0x900);   /* ES */
	EQ(peek32(b, KSTACK - 20), 0x900);   /* SS */
	EQ(peek32(b, KSTACK - 24), 0x1000);  /* ESP */
	EQ(peek32(b, KSTACK - 28), 0x30202); /* EFLAGS with VM, and RF of a fault */
	EQ(peek32(b, KSTACK - 32), 0x900);
	EQ(peek32(b, KSTACK - 36), 0x100);
	EQ(peek32(b, KSTACK - 40), 0);
	EQ(b->c.s.seg[CPU_DS].selector, 0);
	EQ(b->c.s.seg[CPU_DS].attr, 0);
	EQ(b->c.s.seg[CPU_SS].selector, K_DATA);
	/* And back, behind the error code. */
	b->c.s.gpr[CPU_RSP] += 4;
	OK(b, cpu_iret(&b->c, 4, 0, &b->f));
	EQ(b->c.s.rflags & RFL_VM, RFL_VM);
	EQ(b->c.s.seg[CPU_DS].base, 0x9010);
	EQ(b->c.s.rip, 0x100);
	EQ(b->c.s.gpr[CPU_RSP], 0x1000);
}

/* Only CPL 0 can interrupt 8086 code. */
static void handler_must_be_inner(void)
{
	struct bench *b = v86(3);
	const struct cpu_event soft = {.kind = EVENT_SOFT_INT, .vector = 0x21};

	bench_gate(b, 0x21, U_CODE32, 0x50000, 0xee, 0);
	OK(b, cpu_deliver(&b->c, &soft, 0xff, &b->f));
	EQ(b->c.s.rip, AT_HANDLE + 0xd0);
	EQ(peek32(b, KSTACK - 40), U_CODE32);
	EQ(peek32(b, KSTACK - 36), 0xff); /* the INT itself */
}

static void stays(struct bench *b, enum cpu_result want, bool want_done)
{
	bool done = !want_done;

	b->before = b->c.s;
	CU_ASSERT_EQUAL(cpu_v86_int(&b->c, 0x21, 0x102, &done, &b->f), want);
	CU_ASSERT_EQUAL(done, want_done);
	CU_ASSERT(memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0);
	if (want == CPU_FAULT)
		EQ(b->f.vector, VEC_GP);
}

/* Table 20-2, methods 1 to 4. */
static void int_to_the_monitor(void)
{
	struct bench *b = v86(3);

	stays(b, CPU_OK, false);
	stays(v86(0), CPU_FAULT, false);
	b = v86(3);
	redirection(b, true);
	stays(b, CPU_OK, false);
	b = v86(2);
	redirection(b, true);
	stays(b, CPU_FAULT, false);
	b->c.s.tr.limit = 0xe3; /* the bitmap is cut short */
	stays(b, CPU_FAULT, false);
}

/* Methods 5 and 6. */
static void int_redirected(void)
{
	struct bench *b = v86(3);
	bool done = false;

	redirection(b, false);
	b->c.s.rflags |= RFL_TF;
	OK(b, cpu_v86_int(&b->c, 0x21, 0x102, &done, &b->f));
	CU_ASSERT_TRUE(done);
	EQ(b->c.s.rip, 0x5678);
	EQ(b->c.s.seg[CPU_CS].base, 0x12340);
	EQ(b->c.s.gpr[CPU_RSP], 0xffa);
	EQ(peek16(b, 0x9ffe), 0x3302);
	EQ(peek16(b, 0x9ffc), 0x900);
	EQ(peek16(b, 0x9ffa), 0x102);
	EQ(b->c.s.rflags, RFL_FIXED | RFL_VM | RFL_IOPL);

	b = v86(0);
	redirection(b, false);
	b->c.s.rflags &= ~RFL_IF;
	b->c.s.rflags |= RFL_VIF;
	OK(b, cpu_v86_int(&b->c, 0x21, 0x102, &done, &b->f));
	EQ(peek16(b, 0x9ffe), 0x3202); /* IOPL reads 3, IF is VIF */
	EQ(b->c.s.rflags, RFL_FIXED | RFL_VM);
}

static void push_frame(struct bench *b, uint16_t ip, uint16_t cs, uint16_t flags)
{
	b->c.s.gpr[CPU_RSP] = 0xffa;
	poke16(b, 0x9ffa, ip);
	poke16(b, 0x9ffc, cs);
	poke16(b, 0x9ffe, flags);
}

static void iret_inside(void)
{
	struct bench *b = v86(3);

	push_frame(b, 0x333, 0x700, 0x0001);
	OK(b, cpu_iret(&b->c, 2, 0, &b->f));
	EQ(b->c.s.rip, 0x333);
	EQ(b->c.s.seg[CPU_CS].base, 0x7000);
	EQ(b->c.s.rflags, RFL_FIXED | RFL_VM | RFL_IOPL | RFL_CF); /* IOPL stays */
	/* NT means nothing here. */
	b = v86(3);
	b->c.s.rflags |= RFL_NT;
	push_frame(b, 0x333, 0x700, 0x0202);
	OK(b, cpu_iret(&b->c, 2, 0, &b->f));
	EQ(b->c.s.rip, 0x333);
}

/* Section 20.3.3.4: the frame's IF goes to VIF. */
static void iret_virtual(void)
{
	struct bench *b = v86(0);

	push_frame(b, 0x333, 0x700, 0x0202);
	FAULTS(b, cpu_iret(&b->c, 2, 0, &b->f), VEC_GP, 0);
	b->c.s.cr4 |= CR4_VME;
	FAULTS(b, cpu_iret(&b->c, 4, 0, &b->f), VEC_GP, 0);
	OK(b, cpu_iret(&b->c, 2, 0, &b->f));
	EQ(b->c.s.rflags, RFL_FIXED | RFL_VM | RFL_IF | RFL_VIF);
	/* A virtual interrupt waits. */
	b->c.s.seg[CPU_CS] = b->c.s.seg[CPU_SS];
	push_frame(b, 0x333, 0x700, 0x0202);
	b->c.s.rflags |= RFL_VIP;
	FAULTS(b, cpu_iret(&b->c, 2, 0, &b->f), VEC_GP, 0);
	push_frame(b, 0x333, 0x700, 0x0102); /* TF */
	FAULTS(b, cpu_iret(&b->c, 2, 0, &b->f), VEC_GP, 0);
}

/* CLI and STI: sections 20.2.7 and 20.4. */
static void interrupt_flag(void)
{
	struct bench *b = v86(3);

	EQ(cpu_if_for_cli(&b->c.s), IF_REAL);
	b = v86(2);
	EQ(cpu_if_for_cli(&b->c.s), IF_REFUSED);
	b->c.s.cr4 = CR4_PVI;
	EQ(cpu_if_for_cli(&b->c.s), IF_REFUSED);
	b->c.s.cr4 = CR4_VME;
	EQ(cpu_if_for_cli(&b->c.s), IF_VIRTUAL);
	EQ(cpu_if_in_v86(&b->c.s, 4), IF_REFUSED);
	EQ(cpu_if_in_v86(&b->c.s, 2), IF_VIRTUAL);
	b = bench_prot32_user();
	EQ(cpu_if_for_cli(&b->c.s), IF_REFUSED);
	b->c.s.cr4 = CR4_PVI;
	EQ(cpu_if_for_cli(&b->c.s), IF_VIRTUAL);
	EQ(cpu_if_in_v86(&b->c.s, 4), IF_REAL);
	b->c.s.rflags |= RFL_IOPL;
	EQ(cpu_if_for_cli(&b->c.s), IF_REAL);
	EQ(cpu_if_for_cli(&bench_real()->c.s), IF_REAL);
}

const struct tap_case cpu_v86_tests[] = {
	{"IRETD enters", iretd_enters},
	{"IRETD refused", iretd_refused},
	{"interrupted, and back", interrupted},
	{"handler must be at CPL 0", handler_must_be_inner},
	{"INT n to the monitor", int_to_the_monitor},
	{"INT n redirected", int_redirected},
	{"IRET inside", iret_inside},
	{"IRET with VIF", iret_virtual},
	{"interrupt flag", interrupt_flag},
	TAP_NO_CASE,
};
