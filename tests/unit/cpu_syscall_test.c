/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT. SDM vol. 2.
 */
#include "tests/unit/cpu_bench.h"

#define STAR ((uint64_t)0x001b << 48 | (uint64_t)K_CODE << 32) /* 0x1b: U_CODE32 | 3 */

static void round_trip(void)
{
	struct bench *b = bench_long_user();
	struct cpu_state *s = &b->c.s;

	s->msr_star = STAR;
	s->msr_lstar = 0xffffffff81000000;
	s->msr_sfmask = 0x47700; /* AC NT IOPL DF IF TF */
	s->rflags = 0x50606 | RFL_IF;
	OK(b, cpu_syscall(&b->c, 0x40002, &b->f));
	EQ(s->rip, 0xffffffff81000000);
	EQ(s->gpr[CPU_RCX], 0x40002);
	EQ(s->gpr[CPU_R11], 0x40606 | RFL_IF); /* RF is not saved */
	EQ(s->rflags, 0x6);
	EQ(s->seg[CPU_CS].selector, K_CODE);
	EQ(s->seg[CPU_CS].attr, 0xa09b);
	EQ(s->seg[CPU_SS].selector, K_DATA);
	EQ(s->seg[CPU_SS].attr, 0xc093);
	EQ(cpu_cpl(s), 0);
	OK(b, cpu_sysret(&b->c, 8, &b->f));
	EQ(s->rip, 0x40002);
	EQ(s->rflags, 0x40606 | RFL_IF);
	EQ(s->seg[CPU_CS].selector, U_CODE | 3);
	EQ(s->seg[CPU_CS].attr, 0xa0fb);
	EQ(s->seg[CPU_SS].selector, U_DATA | 3);
	EQ(s->seg[CPU_SS].attr, 0xc0f3);
	EQ(s->gpr[CPU_RSP], USTACK);
}

static void sysret_to_compat(void)
{
	struct bench *b = bench_long();
	struct cpu_state *s = &b->c.s;

	s->msr_star = STAR;
	s->gpr[CPU_RCX] = 0x1234567890;
	s->gpr[CPU_R11] = 0xffffffffffffffff;
	OK(b, cpu_sysret(&b->c, 4, &b->f));
	EQ(s->rip, 0x34567890);
	EQ(s->rflags, 0x3c7fd7);
	EQ(s->seg[CPU_CS].selector, U_CODE32 | 3);
	EQ(s->seg[CPU_CS].attr, 0xc0fb);
	CU_ASSERT(!cpu_64bit(s));
}

static void syscall_undefined(void)
{
	struct bench *b = bench_long_user();

	b->c.s.efer &= ~EFER_SCE;
	FAULTS(b, cpu_syscall(&b->c, 0, &b->f), VEC_UD, 0);
	CU_ASSERT(!b->f.has_error);
	b = bench_compat_user();
	FAULTS(b, cpu_syscall(&b->c, 0, &b->f), VEC_UD, 0);
	b = bench_prot32();
	b->c.s.efer = EFER_SCE;
	FAULTS(b, cpu_syscall(&b->c, 0, &b->f), VEC_UD, 0);
	FAULTS(b, cpu_sysret(&b->c, 4, &b->f), VEC_UD, 0);
}

static void sysret_checks(void)
{
	struct bench *b = bench_long();

	b->c.s.gpr[CPU_RCX] = 0x800000000000;
	FAULTS(b, cpu_sysret(&b->c, 8, &b->f), VEC_GP, 0);
	EQ(cpu_cpl(&b->c.s), 0);
	b = bench_long_user();
	FAULTS(b, cpu_sysret(&b->c, 8, &b->f), VEC_GP, 0);
}

static void sysenter_sysexit_64(void)
{
	struct bench *b = bench_long_user();
	struct cpu_state *s = &b->c.s;

	s->msr_sysenter_cs = K_CODE;
	s->msr_sysenter_esp = 0xffff800000001000;
	s->msr_sysenter_eip = 0xffff800000002000;
	OK(b, cpu_sysenter(&b->c, &b->f));
	EQ(s->rip, 0xffff800000002000);
	EQ(s->gpr[CPU_RSP], 0xffff800000001000);
	EQ(s->rflags & RFL_IF, 0);
	EQ(s->seg[CPU_CS].attr, 0xa09b);
	EQ(s->seg[CPU_SS].selector, K_CODE + 8);
	s->gpr[CPU_RCX] = 0x7000;
	s->gpr[CPU_RDX] = 0x6000;
	OK(b, cpu_sysexit(&b->c, 8, &b->f));
	EQ(s->rip, 0x6000);
	EQ(s->gpr[CPU_RSP], 0x7000);
	EQ(s->seg[CPU_CS].selector, (K_CODE + 32) | 3);
	EQ(s->seg[CPU_SS].selector, (K_CODE + 40) | 3);
	EQ(cpu_cpl(s), 3);
}

static void sysexit_checks(void)
{
	struct bench *b = bench_long();

	FAULTS(b, cpu_sysexit(&b->c, 8, &b->f), VEC_GP, 0); /* SYSENTER_CS is null */
	b->c.s.msr_sysenter_cs = K_CODE;
	b->c.s.gpr[CPU_RCX] = 0x800000000000;
	FAULTS(b, cpu_sysexit(&b->c, 8, &b->f), VEC_GP, 0);
	OK(b, cpu_sysexit(&b->c, 4, &b->f));
	EQ(b->c.s.seg[CPU_CS].selector, (K_CODE + 16) | 3);
	FAULTS(b, cpu_sysexit(&b->c, 4, &b->f), VEC_GP, 0); /* now at ring 3 */
	b = bench_real();
	b->c.s.msr_sysenter_cs = K_CODE;
	FAULTS(b, cpu_sysenter(&b->c, &b->f), VEC_GP, 0);
}

const struct tap_case cpu_syscall_tests[] = {
	{"SYSCALL and SYSRET", round_trip},
	{"SYSRET to compatibility mode", sysret_to_compat},
	{"#UD where not enabled", syscall_undefined},
	{"SYSRET checks", sysret_checks},
	{"SYSENTER and SYSEXIT", sysenter_sysexit_64},
	{"SYSEXIT checks", sysexit_checks},
	TAP_NO_CASE,
};
