/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Control and debug registers, and the instructions in system.c. SDM vol. 3,
 * sections 2.5, 4.1.2.
 */
#include "tests/unit/cpu_bench.h"

#define WRITE(reg, val) cpu_write_cr(&b->c, reg, val, &b->f)

static void cr0_reserved(void)
{
	struct bench *b = bench_prot32();

	FAULTS(b, WRITE(0, CR0_PG), VEC_GP, 0);		 /* PG without PE */
	FAULTS(b, WRITE(0, CR0_PE | CR0_NW), VEC_GP, 0); /* NW without CD */
	FAULTS(b, WRITE(0, CR0_PE | 1ull << 32), VEC_GP, 0);
	EQ(b->set_crs, 0);
	OK(b, WRITE(0, CR0_PE | 1u << 20)); /* reserved below 32: ignored; ET: always 1 */
	EQ(b->c.s.cr0, CR0_PE | CR0_ET);
	EQ(b->set_crs, 1);
	EQ(b->last_val, CR0_PE | CR0_ET);
}

static void long_mode_in_and_out(void)
{
	struct bench *b = bench_prot32();
	struct cpu_state *s = &b->c.s;

	s->efer = EFER_LME;
	FAULTS(b, WRITE(0, s->cr0 | CR0_PG), VEC_GP, 0); /* without PAE */
	OK(b, WRITE(4, CR4_PAE));
	s->seg[CPU_CS].attr |= SEG_L;
	FAULTS(b, WRITE(0, s->cr0 | CR0_PG), VEC_GP, 0); /* CS.L at that time */
	s->seg[CPU_CS].attr &= ~SEG_L;
	s->tr.attr = 0x83;
	FAULTS(b, WRITE(0, s->cr0 | CR0_PG), VEC_GP, 0); /* a 16-bit TSS */
	s->tr.attr = 0x8b;
	OK(b, WRITE(0, s->cr0 | CR0_PG));
	EQ(s->efer, EFER_LME | EFER_LMA);
	CU_ASSERT(!cpu_64bit(s));
	FAULTS(b, WRITE(4, 0), VEC_GP, 0);		    /* PAE must stay */
	FAULTS(b, WRITE(4, CR4_PAE | CR4_LA57), VEC_GP, 0); /* LA57 may not change */
	OK(b, WRITE(0, s->cr0 & ~CR0_PG));
	EQ(s->efer, EFER_LME);
	OK(b, WRITE(4, CR4_PAE | CR4_LA57));
}

static void leaving_from_64_bit_mode(void)
{
	struct bench *b = bench_long();

	FAULTS(b, WRITE(0, b->c.s.cr0 & ~CR0_PG), VEC_GP, 0);
	OK(b, cpu_far_jmp(&b->c, K_CODE32, 0x1000, 4, 0, &b->f));
	OK(b, WRITE(4, CR4_PAE | CR4_PCIDE));
	FAULTS(b, WRITE(0, b->c.s.cr0 & ~CR0_PG), VEC_GP, 0); /* PCIDE */
	OK(b, WRITE(4, CR4_PAE));
	OK(b, WRITE(0, b->c.s.cr0 & ~CR0_PG));
}

static void cr4_bits(void)
{
	struct bench *b = bench_long();

	FAULTS(b, WRITE(4, CR4_PAE | 1u << 15), VEC_GP, 0);
	FAULTS(b, WRITE(4, CR4_PAE | CR4_PKE), VEC_GP, 0); /* not of this model */
	b->c.s.cr3 = 0x1001;
	FAULTS(b, WRITE(4, CR4_PAE | CR4_PCIDE), VEC_GP, 0); /* CR3[11:0] */
	b->c.s.cr3 = 0x1000;
	OK(b, WRITE(4, CR4_PAE | CR4_PCIDE));
	b->c.s.cr3 = 0x1001;
	OK(b, WRITE(4, CR4_PAE | CR4_PCIDE | CR4_PGE)); /* it is set already */
	b = bench_prot32();
	FAULTS(b, WRITE(4, CR4_PAE | CR4_PCIDE), VEC_GP, 0); /* not in long mode */
}

static void cr3_bits(void)
{
	struct bench *b = bench_long();

	OK(b, WRITE(3, 0xfffffff018)); /* 40 address bits, PCD, PWT */
	EQ(b->c.s.cr3, 0xfffffff018);
	FAULTS(b, WRITE(3, 1ull << 40), VEC_GP, 0);
	FAULTS(b, WRITE(3, 1ull << 63), VEC_GP, 0); /* without PCIDE */
	b->c.s.cr4 |= CR4_PCIDE;
	OK(b, WRITE(3, 1ull << 63 | 0x5007));
	EQ(b->c.s.cr3, 0x5007);
	EQ(b->last_val, 1ull << 63 | 0x5007);
	EQ(b->last_cr, 3);
}

static void pae_pdptes(void)
{
	struct bench *b = bench_prot32();
	struct cpu_state *s = &b->c.s;

	s->cr4 = CR4_PAE;
	s->cr0 |= CR0_PG;
	poke64(b, 0x6020, 0x7001);
	poke64(b, 0x6028, 0x8019);
	poke64(b, 0x6030, 0xfffffffffffffffe); /* not present: anything goes */
	poke64(b, 0x6038, 0xfffffff001);
	OK(b, WRITE(3, 0x6020));
	EQ(s->pdpte[0], 0x7001);
	EQ(s->pdpte[1], 0x8019);
	EQ(s->pdpte[3], 0xfffffff001);
	poke64(b, 0x6020, 0x7003); /* R/W is reserved here */
	FAULTS(b, WRITE(3, 0x6020), VEC_GP, 0);
	OK(b, WRITE(4, CR4_PAE | CR4_DE));		   /* no reload */
	FAULTS(b, WRITE(4, CR4_PAE | CR4_PGE), VEC_GP, 0); /* reload */
	FAULTS(b, WRITE(0, s->cr0 | CR0_CD), VEC_GP, 0);   /* reload */
	OK(b, WRITE(0, s->cr0 | CR0_TS));		   /* no reload */
	poke64(b, 0x6020, 0x9001);
	EQ(s->pdpte[0], 0x7001); /* cached since */
	OK(b, WRITE(0, s->cr0 | CR0_CD));
	EQ(s->pdpte[0], 0x9001);
	poke64(b, 0x6038, 1ull << 40 | 1);
	FAULTS(b, WRITE(3, 0x6020), VEC_GP, 0); /* beyond maxphyaddr */
}

static void cr8_and_others(void)
{
	struct bench *b = bench_long();
	uint64_t val;

	OK(b, WRITE(8, 0xf));
	OK(b, cpu_read_cr(&b->c, 8, &val, &b->f));
	EQ(val, 0xf);
	FAULTS(b, WRITE(8, 0x10), VEC_GP, 0);
	FAULTS(b, WRITE(1, 0), VEC_UD, 0);
	FAULTS(b, WRITE(5, 0), VEC_UD, 0);
	FAULTS(b, cpu_read_cr(&b->c, 7, &val, &b->f), VEC_UD, 0);
	OK(b, WRITE(2, 0xdeadbeefdeadbeef));
	EQ(b->c.s.cr2, 0xdeadbeefdeadbeef);
	b = bench_long_user();
	FAULTS(b, WRITE(0, b->c.s.cr0), VEC_GP, 0);
	FAULTS(b, cpu_read_cr(&b->c, 0, &val, &b->f), VEC_GP, 0);
}

static void lmsw_clts(void)
{
	struct bench *b = bench_real();

	OK(b, cpu_lmsw(&b->c, 0xfff1, &b->f));
	EQ(b->c.s.cr0 & 0xf, 1); /* only the low four bits count */
	OK(b, cpu_lmsw(&b->c, 0x8, &b->f));
	EQ(b->c.s.cr0 & 0xf, 9); /* PE can't be cleared */
	OK(b, cpu_clts(&b->c, &b->f));
	EQ(b->c.s.cr0 & 0xf, 1);
	b = bench_long_user();
	FAULTS(b, cpu_clts(&b->c, &b->f), VEC_GP, 0);
}

static void debug_registers(void)
{
	struct bench *b = bench_long();
	uint64_t val;

	OK(b, cpu_write_dr(&b->c, 4, 0, &b->f)); /* DR6 by its other name */
	EQ(b->c.s.dr[6], 0xffff0ff0);
	OK(b, cpu_write_dr(&b->c, 5, 0xdc01, &b->f));
	EQ(b->c.s.dr[7], 0x401);
	FAULTS(b, cpu_write_dr(&b->c, 7, 1ull << 32, &b->f), VEC_GP, 0);
	OK(b, cpu_write_dr(&b->c, 0, 0xffff800012345678, &b->f));
	OK(b, cpu_read_dr(&b->c, 0, &val, &b->f));
	EQ(val, 0xffff800012345678);
	b->c.s.cr4 |= CR4_DE;
	FAULTS(b, cpu_read_dr(&b->c, 4, &val, &b->f), VEC_UD, 0);
	b->c.s.dr[7] |= 1u << 13;
	CU_ASSERT_EQUAL(cpu_read_dr(&b->c, 0, &val, &b->f), CPU_FAULT);
	EQ(b->f.vector, VEC_DB);
	EQ(b->c.s.dr[6], 0xffff2ff0);
	b = bench_long_user();
	FAULTS(b, cpu_read_dr(&b->c, 0, &val, &b->f), VEC_GP, 0);
}

static void swapgs(void)
{
	struct bench *b = bench_long();

	b->c.s.seg[CPU_GS].base = 1;
	b->c.s.msr_kernel_gs_base = 2;
	OK(b, cpu_swapgs(&b->c, &b->f));
	EQ(b->c.s.seg[CPU_GS].base, 2);
	EQ(b->c.s.msr_kernel_gs_base, 1);
	b = bench_long_user();
	FAULTS(b, cpu_swapgs(&b->c, &b->f), VEC_GP, 0);
	b = bench_compat_user();
	FAULTS(b, cpu_swapgs(&b->c, &b->f), VEC_UD, 0);
}

static void invalidations(void)
{
	struct bench *b = bench_long();
	uint64_t desc[2] = {0, 0x1000};

	OK(b, cpu_invlpg(&b->c, GVA(0x1000), &b->f));
	OK(b, cpu_invlpg(&b->c, GVA(0x800000000000), &b->f)); /* does nothing */
	EQ(b->invlpgs, 1);
	OK(b, cpu_invpcid(&b->c, 0, desc, &b->f));
	FAULTS(b, cpu_invpcid(&b->c, 4, desc, &b->f), VEC_GP, 0);
	desc[0] = 5;
	FAULTS(b, cpu_invpcid(&b->c, 1, desc, &b->f), VEC_GP, 0); /* PCID without PCIDE */
	OK(b, cpu_invpcid(&b->c, 2, desc, &b->f));
	b->c.s.cr4 |= CR4_PCIDE;
	OK(b, cpu_invpcid(&b->c, 0, desc, &b->f));
	desc[1] = 0x800000000000;
	FAULTS(b, cpu_invpcid(&b->c, 0, desc, &b->f), VEC_GP, 0);
	OK(b, cpu_invpcid(&b->c, 1, desc, &b->f));
	desc[0] = 0x1000;
	FAULTS(b, cpu_invpcid(&b->c, 3, desc, &b->f), VEC_GP, 0);
	b = bench_long_user();
	FAULTS(b, cpu_invlpg(&b->c, GVA(0x1000), &b->f), VEC_GP, 0);
}

static enum cpu_result xsetbv(struct bench *b, uint32_t ecx, uint64_t val)
{
	b->c.s.gpr[CPU_RCX] = ecx;
	b->c.s.gpr[CPU_RAX] = (uint32_t)val;
	b->c.s.gpr[CPU_RDX] = val >> 32;
	b->before = b->c.s;
	return cpu_xsetbv(&b->c, &b->f);
}

static void xsetbv_checks(void)
{
	struct bench *b = bench_long();

	FAULTS(b, xsetbv(b, 0, 7), VEC_UD, 0);
	b->c.s.cr4 |= CR4_OSXSAVE;
	OK(b, xsetbv(b, 0, 7));
	EQ(b->c.s.xcr0, 7);
	FAULTS(b, xsetbv(b, 1, 7), VEC_GP, 0);
	FAULTS(b, xsetbv(b, 0, 6), VEC_GP, 0);	  /* x87 is a must */
	FAULTS(b, xsetbv(b, 0, 5), VEC_GP, 0);	  /* AVX without SSE */
	FAULTS(b, xsetbv(b, 0, 0xe7), VEC_GP, 0); /* AVX-512: not of this CPU */
	b = bench_long_user();
	b->c.s.cr4 |= CR4_OSXSAVE;
	FAULTS(b, xsetbv(b, 0, 7), VEC_GP, 0);
}

const struct tap_case cpu_control_tests[] = {
	{"CR0 reserved bits", cr0_reserved},
	{"long mode, in and out", long_mode_in_and_out},
	{"leaving from 64-bit mode", leaving_from_64_bit_mode},
	{"CR4", cr4_bits},
	{"CR3", cr3_bits},
	{"PAE loads PDPTEs", pae_pdptes},
	{"CR8, CR2, CRs that don't exist", cr8_and_others},
	{"LMSW and CLTS", lmsw_clts},
	{"debug registers", debug_registers},
	{"SWAPGS", swapgs},
	{"INVLPG and INVPCID", invalidations},
	{"XSETBV", xsetbv_checks},
	TAP_NO_CASE,
};
