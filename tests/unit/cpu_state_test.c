/* SPDX-License-Identifier: BSD-2-Clause
 *
 * RESET, INIT, SIPI, canonical addresses, the text form. SDM vol. 3, table 9-1.
 */
#include "tests/unit/cpu_bench.h"

static void reset_boot_processor(void)
{
	struct cpu_state s;

	cpu_reset(&s, 0);
	EQ(s.seg[CPU_CS].selector, 0xf000);
	EQ(s.seg[CPU_CS].base, 0xffff0000);
	EQ(s.rip, 0xfff0);
	EQ(s.rflags, 2);
	EQ(s.cr0, 0x60000010);
	EQ(s.dr[6], 0xffff0ff0);
	EQ(s.dr[7], 0x400);
	EQ(s.msr_pat, 0x0007040600070406);
	EQ(s.msr_apic_base, 0xfee00900);
	EQ(s.activity, CPU_RUNNING);
	EQ(s.xcr0, 1);
}

static void reset_other_processor(void)
{
	struct cpu_state s;

	cpu_reset(&s, 3);
	EQ(s.activity, CPU_WAIT_SIPI);
	EQ(s.msr_apic_base, 0xfee00800);
	EQ(s.index, 3);
}

static void sipi_starts_at_page(void)
{
	struct cpu_state s;

	cpu_reset(&s, 1);
	cpu_start_sipi(&s, 0x9a);
	EQ(s.activity, CPU_RUNNING);
	EQ(s.seg[CPU_CS].selector, 0x9a00);
	EQ(s.seg[CPU_CS].base, 0x9a000);
	EQ(s.seg[CPU_CS].limit, 0xffff);
	EQ(s.rip, 0);
	EQ(s.cr0 & CR0_PE, 0);
}

static void second_sipi_is_dropped(void)
{
	struct cpu_state s;

	cpu_reset(&s, 1);
	cpu_start_sipi(&s, 0x9a);
	s.rip = 0x33;
	cpu_start_sipi(&s, 0x10);
	EQ(s.seg[CPU_CS].selector, 0x9a00);
	EQ(s.rip, 0x33);
}

static void init_keeps_msrs_and_cache_bits(void)
{
	struct bench *b = bench_long();
	struct cpu_state *s = &b->c.s;

	s->index = 1;
	s->msr_lstar = 0x1234;
	s->msr_tsc_aux = 7;
	s->xcr0 = 7;
	s->cr0 &= ~(CR0_CD | CR0_NW);
	cpu_init_signal(s);
	EQ(s->cr0, 0x10);
	EQ(s->cr3 | s->cr4 | s->efer, 0);
	EQ(s->msr_lstar, 0x1234);
	EQ(s->msr_tsc_aux, 7);
	EQ(s->xcr0, 7);
	EQ(s->activity, CPU_WAIT_SIPI);
	EQ(s->gdtr.limit, 0xffff);
}

static void canonical_48_and_57(void)
{
	struct cpu_state s = {.cr4 = 0};

	CU_ASSERT(cpu_canonical(&s, 0x00007fffffffffff));
	CU_ASSERT(!cpu_canonical(&s, 0x0000800000000000));
	CU_ASSERT(cpu_canonical(&s, 0xffff800000000000));
	CU_ASSERT(!cpu_canonical(&s, 0xffff7fffffffffff));
	s.cr4 = CR4_LA57;
	CU_ASSERT(cpu_canonical(&s, 0x0000800000000000));
	CU_ASSERT(cpu_canonical(&s, 0x00ffffffffffffff));
	CU_ASSERT(!cpu_canonical(&s, 0x0100000000000000));
	CU_ASSERT(cpu_canonical(&s, 0xff00000000000000));
}

static void print_fits_any_buffer(void)
{
	struct bench *b = bench_long();
	char buf[4096], small[40];

	memset(small, 'x', sizeof(small));
	cpu_print(&b->c.s, buf, sizeof(buf));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "RIP=0000000000040000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "CS=0008"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "DR7="));
	cpu_print(&b->c.s, small, 20);
	EQ(strlen(small), 19);
	EQ(small[20], 'x');
	cpu_print(&b->c.s, small, 0);
	EQ(strlen(small), 19);
}

const struct tap_case cpu_state_tests[] = {
	{"reset, boot processor", reset_boot_processor},
	{"reset, other processor", reset_other_processor},
	{"SIPI starts at its page", sipi_starts_at_page},
	{"second SIPI is dropped", second_sipi_is_dropped},
	{"INIT keeps MSRs, CD and NW", init_keeps_msrs_and_cache_bits},
	{"canonical addresses, 48 and 57 bits", canonical_48_and_57},
	{"print fits any buffer", print_fits_any_buffer},
	TAP_NO_CASE,
};
