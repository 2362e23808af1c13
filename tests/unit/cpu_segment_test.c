/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loads of data segments, SS, LDTR and TR. SDM vol. 2, MOV, LLDT, LTR.
 */
#include "tests/unit/cpu_bench.h"

static void real_mode_load(void)
{
	struct bench *b = bench_real();

	b->c.s.seg[CPU_ES].limit = 0xffffffff; /* left over from protected mode: stays */
	OK(b, cpu_load_seg(&b->c, CPU_ES, 0x1234, &b->f));
	EQ(b->c.s.seg[CPU_ES].base, 0x12340);
	EQ(b->c.s.seg[CPU_ES].limit, 0xffffffff);
	EQ(b->c.s.seg[CPU_ES].selector, 0x1234);
}

static void v86_load(void)
{
	struct bench *b = bench_prot32_user();

	b->c.s.rflags |= RFL_VM;
	OK(b, cpu_load_seg(&b->c, CPU_DS, 0xb800, &b->f));
	EQ(b->c.s.seg[CPU_DS].base, 0xb8000);
	EQ(b->c.s.seg[CPU_DS].limit, 0xffff);
	EQ(b->c.s.seg[CPU_DS].attr, 0xf3);
}

static void decode_and_accessed_bit(void)
{
	struct bench *b = bench_prot32();

	bench_desc(b, FRESH_DATA, 0x12c0f2345678000f); /* base 0x12345678, limit 0xf pages */
	OK(b, cpu_load_seg(&b->c, CPU_DS, FRESH_DATA, &b->f));
	EQ(b->c.s.seg[CPU_DS].base, 0x12345678);
	EQ(b->c.s.seg[CPU_DS].limit, 0xffff);
	EQ(b->c.s.seg[CPU_DS].attr, 0xc0f3);
	EQ(peek64(b, AT_GDT + FRESH_DATA), 0x12c0f3345678000f);
}

static void accessed_bit_from_ring3(void)
{
	struct bench *b = bench_long_user(); /* the GDT's page is not the user's */

	b->c.s.rflags |= RFL_AC;
	OK(b, cpu_load_seg(&b->c, CPU_DS, FRESH_DATA | 3, &b->f));
	EQ(b->mem[AT_GDT + FRESH_DATA + 5], 0xf3);
	EQ(cpu_cpl(&b->c.s), 3);
}

static void accessed_bit_lost_race(void)
{
	struct bench *b = bench_prot32();

	b->lost_races = 1;
	b->before = b->c.s;
	CU_ASSERT_EQUAL(cpu_load_seg(&b->c, CPU_DS, FRESH_DATA, &b->f), CPU_RETRY);
	CU_ASSERT(memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0);
	OK(b, cpu_load_seg(&b->c, CPU_DS, FRESH_DATA, &b->f));
}

static void accessed_bit_read_only_gdt(void)
{
	struct bench *b = bench_prot32();

	b->page[AT_GDT / SH_PAGE_SIZE] = PAGE_P;
	OK(b, cpu_load_seg(&b->c, CPU_DS, K_DATA, &b->f)); /* already accessed: no write */
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, FRESH_DATA, &b->f), VEC_PF, PFERR_P | PFERR_W);
}

static void null_selectors(void)
{
	struct bench *b = bench_prot32();

	OK(b, cpu_load_seg(&b->c, CPU_DS, 3, &b->f));
	EQ(b->c.s.seg[CPU_DS].attr & SEG_P, 0);
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, 0, &b->f), VEC_GP, 0);
	b = bench_long();
	OK(b, cpu_load_seg(&b->c, CPU_SS, 0, &b->f));
	EQ(cpu_cpl(&b->c.s), 0);
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, 1, &b->f), VEC_GP, 0);
	b = bench_long_user();
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, 3, &b->f), VEC_GP, 0);
	b = bench_compat_user();
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, 3, &b->f), VEC_GP, 0);
}

static void null_ss_keeps_ring1(void)
{
	struct bench *b = bench_long();

	b->c.s.seg[CPU_SS].attr |= 1 << SEG_DPL_SHIFT;
	OK(b, cpu_load_seg(&b->c, CPU_SS, 1, &b->f));
	EQ(cpu_cpl(&b->c.s), 1);
}

static void ss_checks(void)
{
	struct bench *b = bench_prot32();

	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, U_DATA, &b->f), VEC_GP, U_DATA);	   /* DPL */
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, K_DATA | 1, &b->f), VEC_GP, K_DATA); /* RPL */
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, RO_DATA, &b->f), VEC_GP, RO_DATA);
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, K_CODE32, &b->f), VEC_GP, K_CODE32);
	FAULTS(b, cpu_load_seg(&b->c, CPU_SS, NP_DATA, &b->f), VEC_SS, NP_DATA);
	OK(b, cpu_load_seg(&b->c, CPU_SS, STACK16, &b->f));
	EQ(b->c.s.seg[CPU_SS].attr, 0x93);
}

static void data_checks(void)
{
	struct bench *b = bench_prot32();

	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, NP_DATA, &b->f), VEC_NP, NP_DATA);
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, EXEC_ONLY, &b->f), VEC_GP, EXEC_ONLY);
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, TSS_SEL, &b->f), VEC_GP, TSS_SEL);
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, K_DATA | 3, &b->f), VEC_GP, K_DATA);
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, GDT_END | 1, &b->f), VEC_GP, GDT_END);
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, 0x0c, &b->f), VEC_GP, 0x0c); /* no LDT */
	b->c.s.ldtr = (struct cpu_segment){.base = AT_LDT, .limit = 0xffff}; /* not present */
	poke64(b, AT_LDT + 8, 0x00cf93000000ffff);
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, 0x0c, &b->f), VEC_GP, 0x0c);
	OK(b, cpu_load_seg(&b->c, CPU_ES, RO_DATA, &b->f));
	OK(b, cpu_load_seg(&b->c, CPU_FS, K_CODE32, &b->f));
	b = bench_prot32_user();
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, K_DATA, &b->f), VEC_GP, K_DATA);
	OK(b, cpu_load_seg(&b->c, CPU_DS, K_CONF | 3, &b->f)); /* conforming: from anywhere */
}

static void gdt_limit_mid_descriptor(void)
{
	struct bench *b = bench_prot32();

	b->c.s.gdtr.limit = K_DATA + 6;
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, K_DATA, &b->f), VEC_GP, K_DATA);
	b->c.s.gdtr.limit = K_DATA + 7;
	OK(b, cpu_load_seg(&b->c, CPU_DS, K_DATA, &b->f));
}

static void ldt_load_and_use(void)
{
	struct bench *b = bench_prot32();

	poke64(b, AT_LDT + 8, 0x00cf93000000ffff);
	OK(b, cpu_load_ldtr(&b->c, LDT_SEL, &b->f));
	EQ(b->c.s.ldtr.base, AT_LDT);
	EQ(b->c.s.ldtr.limit, 0xf);
	OK(b, cpu_load_seg(&b->c, CPU_DS, 0x0c, &b->f));
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, 0x14, &b->f), VEC_GP, 0x14);
	OK(b, cpu_load_ldtr(&b->c, 0, &b->f));
	FAULTS(b, cpu_load_seg(&b->c, CPU_DS, 0x0c, &b->f), VEC_GP, 0x0c);
}

static void lldt_checks(void)
{
	struct bench *b = bench_prot32();

	FAULTS(b, cpu_load_ldtr(&b->c, K_DATA, &b->f), VEC_GP, K_DATA);
	FAULTS(b, cpu_load_ldtr(&b->c, LDT_SEL | 4, &b->f), VEC_GP, LDT_SEL | 4);
	bench_desc(b, LDT_SEL, 0x000002004000000f);
	FAULTS(b, cpu_load_ldtr(&b->c, LDT_SEL, &b->f), VEC_NP, LDT_SEL);
	b = bench_prot32_user();
	FAULTS(b, cpu_load_ldtr(&b->c, LDT_SEL, &b->f), VEC_GP, 0);
	b = bench_real();
	FAULTS(b, cpu_load_ldtr(&b->c, LDT_SEL, &b->f), VEC_UD, 0);
}

static void ltr_busy(void)
{
	struct bench *b = bench_prot32();

	OK(b, cpu_load_tr(&b->c, TSS_SEL, &b->f));
	EQ(b->c.s.tr.attr, 0x8b);
	EQ(b->mem[AT_GDT + TSS_SEL + 5], 0x8b);
	FAULTS(b, cpu_load_tr(&b->c, TSS_SEL, &b->f), VEC_GP, TSS_SEL); /* busy now */
	FAULTS(b, cpu_load_tr(&b->c, 0, &b->f), VEC_GP, 0);
}

static void ltr_long_mode_16_bytes(void)
{
	struct bench *b = bench_long();

	poke64(b, AT_GDT + TSS_SEL + 8, 0xffff8123);
	OK(b, cpu_load_tr(&b->c, TSS_SEL, &b->f));
	EQ(b->c.s.tr.base, 0xffff812300003000);
	b = bench_long();
	poke64(b, AT_GDT + TSS_SEL + 8, 0x00001f0000000000); /* type field not zero */
	FAULTS(b, cpu_load_tr(&b->c, TSS_SEL, &b->f), VEC_GP, TSS_SEL);
	poke64(b, AT_GDT + TSS_SEL + 8, 0x00008123); /* not canonical */
	FAULTS(b, cpu_load_tr(&b->c, TSS_SEL, &b->f), VEC_GP, TSS_SEL);
	b = bench_long();
	b->c.s.gdtr.limit = TSS_SEL + 14;
	FAULTS(b, cpu_load_tr(&b->c, TSS_SEL, &b->f), VEC_GP, TSS_SEL);
	bench_desc(b, 8, 0x0000810030000067); /* a 16-bit TSS */
	FAULTS(b, cpu_load_tr(&b->c, 8, &b->f), VEC_GP, 8);
}

const struct tap_case cpu_segment_tests[] = {
	{"real mode", real_mode_load},
	{"virtual-8086 mode", v86_load},
	{"decoding, accessed bit", decode_and_accessed_bit},
	{"accessed bit set from ring 3", accessed_bit_from_ring3},
	{"accessed bit, lost race", accessed_bit_lost_race},
	{"accessed bit, read-only GDT", accessed_bit_read_only_gdt},
	{"null selectors", null_selectors},
	{"null SS keeps CPL 1", null_ss_keeps_ring1},
	{"SS checks", ss_checks},
	{"data segment checks", data_checks},
	{"GDT limit within a descriptor", gdt_limit_mid_descriptor},
	{"LDT", ldt_load_and_use},
	{"LLDT checks", lldt_checks},
	{"LTR and the busy bit", ltr_busy},
	{"LTR in long mode", ltr_long_mode_16_bytes},
	TAP_NO_CASE,
};
