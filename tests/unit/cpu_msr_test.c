/* SPDX-License-Identifier: BSD-2-Clause
 *
 * RDMSR and WRMSR. SDM vol. 4, table 2-2; vol. 3, section 2.2.1.
 */
#include "tests/unit/cpu_bench.h"

static enum cpu_result write(struct bench *b, uint32_t msr, uint64_t val)
{
	b->c.s.gpr[CPU_RCX] = 0xabcd00000000 | msr; /* the upper half does not count */
	b->c.s.gpr[CPU_RAX] = 0xabcd00000000 | (uint32_t)val;
	b->c.s.gpr[CPU_RDX] = val >> 32;
	b->before = b->c.s;
	return cpu_wrmsr(&b->c, &b->f);
}

static uint64_t read(struct bench *b, uint32_t msr)
{
	b->c.s.gpr[CPU_RCX] = msr;
	b->c.s.gpr[CPU_RAX] = b->c.s.gpr[CPU_RDX] = ~0ull;
	OK(b, cpu_rdmsr(&b->c, &b->f));
	EQ(b->c.s.gpr[CPU_RAX] >> 32, 0);
	return b->c.s.gpr[CPU_RDX] << 32 | b->c.s.gpr[CPU_RAX];
}

/* FAULTS() for write(), which itself sets registers. */
#define REFUSED(b, msr, val)                                                          \
	do {                                                                          \
		CU_ASSERT_EQUAL(write(b, msr, val), CPU_FAULT);                       \
		EQ((b)->f.vector, VEC_GP);                                            \
		EQ((b)->f.error, 0);                                                  \
		CU_ASSERT(memcmp(&(b)->before, &(b)->c.s, sizeof((b)->before)) == 0); \
	} while (0)

static void plain_registers(void)
{
	static const uint32_t msrs[] = {0x175,	    0x176,	0xc0000081, 0xc0000082,
					0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102};
	struct bench *b = bench_long();

	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		OK(b, write(b, msrs[i], 0xffff800000000000 + i));
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		EQ(read(b, msrs[i]), 0xffff800000000000 + i);
	EQ(b->c.s.seg[CPU_FS].base, 0xffff800000000005);
	EQ(b->c.s.seg[CPU_GS].base, 0xffff800000000006);
	EQ(b->c.s.msr_lstar, 0xffff800000000003);
}

static void canonical_ones(void)
{
	static const uint32_t msrs[] = {0x175,	    0x176,	0xc0000082, 0xc0000083,
					0xc0000100, 0xc0000101, 0xc0000102};
	struct bench *b = bench_long();

	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		REFUSED(b, msrs[i], 0x800000000000);
	REFUSED(b, 0xc0000084, 1ull << 32);
	REFUSED(b, 0xc0000103, 1ull << 32);
}

static void efer(void)
{
	struct bench *b = bench_long();

	REFUSED(b, 0xc0000080, EFER_SCE); /* LME may not change while PG=1 */
	REFUSED(b, 0xc0000080, EFER_LME | 1u << 12);
	OK(b, write(b, 0xc0000080, EFER_LME | EFER_NXE));
	EQ(b->c.s.efer, EFER_LME | EFER_LMA | EFER_NXE); /* LMA is not the guest's to clear */
	EQ(b->last_cr, CPU_OP_EFER);
	EQ(b->last_val, EFER_LME | EFER_LMA | EFER_NXE);
	b = bench_prot32();
	OK(b, write(b, 0xc0000080, EFER_LME | EFER_LMA));
	EQ(b->c.s.efer, EFER_LME); /* nor to set */
}

static void pat(void)
{
	struct bench *b = bench_long();

	OK(b, write(b, 0x277, 0x0007010600070106));
	EQ(b->c.s.msr_pat, 0x0007010600070106);
	REFUSED(b, 0x277, 0x0002040600070406);
	REFUSED(b, 0x277, 0x0007040600070403);
	REFUSED(b, 0x277, 0x0807040600070406);
}

static void mtrr(void)
{
	struct bench *b = bench_long();

	EQ(read(b, 0xfe) & 0xff, 0); /* no variable ranges */
	REFUSED(b, 0xfe, 0);
	OK(b, write(b, 0x2ff, 0xc06));
	EQ(read(b, 0x2ff), 0xc06);
	REFUSED(b, 0x2ff, 0xc07); /* UC- is no MTRR type */
	REFUSED(b, 0x2ff, 0x1006);
}

static void constants(void)
{
	struct bench *b = bench_long();

	EQ(read(b, 0x17), 0);
	OK(b, write(b, 0x8b, 0x1234));
	EQ(read(b, 0x8b), 0);
}

static void engine_owned(void)
{
	struct bench *b = bench_long();

	EQ(read(b, 0x10), 0x1122334455667788);
	OK(b, write(b, 0x10, 0x99));
	EQ(b->last_val, 0x99);
	REFUSED(b, 0x12345, 0);
}

/* SDM vol. 3, section 4.6.2: 32 bits, and only where CPUID offers PKS. The engine hears of it. */
static void protection_keys(void)
{
	struct bench *b = bench_long();
	struct cpu_model with = *b->c.model;

	REFUSED(b, 0x6e1, 0);
	with.cr4_allowed |= CR4_PKS;
	b->c.model = &with;
	OK(b, write(b, 0x6e1, 0xfffffffc));
	EQ(b->last_cr, CPU_OP_PKRS);
	EQ(b->last_val, 0xfffffffc);
	EQ(read(b, 0x6e1), 0xfffffffc);
	REFUSED(b, 0x6e1, 1ull << 32);
	OK(b, cpu_set_pkru(&b->c, 0x55555554, &b->f));
	EQ(b->last_cr, CPU_OP_PKRU);
	EQ(b->c.s.pkru, 0x55555554);
}

static void privilege(void)
{
	struct bench *b = bench_long_user();

	REFUSED(b, 0xc0000082, 0);
	FAULTS(b, cpu_rdmsr(&b->c, &b->f), VEC_GP, 0);
}

const struct tap_case cpu_msr_tests[] = {
	{"plain registers", plain_registers},
	{"canonical and 32-bit ones", canonical_ones},
	{"EFER", efer},
	{"PAT", pat},
	{"MTRRs", mtrr},
	{"constants", constants},
	{"the engine's own", engine_owned},
	{"protection keys", protection_keys},
	{"privilege", privilege},
	TAP_NO_CASE,
};
