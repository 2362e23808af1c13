/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From segment and offset to linear address. SDM vol. 3, sections 5.3 and 5.4.
 */
#include "tests/unit/cpu_bench.h"

#define LINEAR(seg, off, len, flags) cpu_linear(&b->c, seg, off, len, flags, &va, &b->f)

static void long_mode_bases(void)
{
	struct bench *b = bench_long();
	gva_t va;

	b->c.s.seg[CPU_DS].base = 0x1000; /* ignored */
	b->c.s.seg[CPU_GS].base = 0xffff888000000000;
	OK(b, LINEAR(CPU_DS, 0x20, 8, MEM_READ));
	EQ(va.v, 0x20);
	OK(b, LINEAR(CPU_GS, 0x28, 8, MEM_WRITE));
	EQ(va.v, 0xffff888000000028);
}

static void long_mode_canonical(void)
{
	struct bench *b = bench_long();
	gva_t va;

	FAULTS(b, LINEAR(CPU_DS, 0x800000000000, 1, MEM_READ), VEC_GP, 0);
	FAULTS(b, LINEAR(CPU_SS, 0x800000000000, 1, MEM_READ), VEC_SS, 0);
	FAULTS(b, LINEAR(CPU_DS, 0x7ffffffffffc, 8, MEM_READ), VEC_GP, 0); /* runs across */
	OK(b, LINEAR(CPU_DS, 0x7ffffffffff8, 8, MEM_READ));
}

static void legacy_limit(void)
{
	struct bench *b = bench_prot32();
	gva_t va;

	b->c.s.seg[CPU_DS].limit = 0xfff;
	OK(b, LINEAR(CPU_DS, 0xffc, 4, MEM_READ));
	FAULTS(b, LINEAR(CPU_DS, 0xffd, 4, MEM_READ), VEC_GP, 0);
	b->c.s.seg[CPU_SS].limit = 0xfff;
	FAULTS(b, LINEAR(CPU_SS, 0x1000, 1, MEM_READ), VEC_SS, 0);
}

static void legacy_wrap(void)
{
	struct bench *b = bench_prot32();
	gva_t va;

	b->c.s.seg[CPU_DS].base = 0xfffff000;
	OK(b, LINEAR(CPU_DS, 0x2000, 4, MEM_READ));
	EQ(va.v, 0x1000);
	FAULTS(b, LINEAR(CPU_DS, 0xfffffffe, 4, MEM_READ), VEC_GP, 0);
}

static void expand_down(void)
{
	struct bench *b = bench_prot32();
	gva_t va;

	bench_desc(b, DOWN_DATA, 0x0040970000000fff);
	OK(b, cpu_load_seg(&b->c, CPU_ES, DOWN_DATA, &b->f));
	FAULTS(b, LINEAR(CPU_ES, 0xfff, 1, MEM_READ), VEC_GP, 0);
	OK(b, LINEAR(CPU_ES, 0x1000, 4, MEM_WRITE));
	OK(b, LINEAR(CPU_ES, 0xfffffffc, 4, MEM_WRITE));
	bench_desc(b, DOWN_DATA, 0x0000970000000fff); /* B=0: ends at 64 KiB */
	OK(b, cpu_load_seg(&b->c, CPU_ES, DOWN_DATA, &b->f));
	OK(b, LINEAR(CPU_ES, 0xfffc, 4, MEM_WRITE));
	FAULTS(b, LINEAR(CPU_ES, 0xfffd, 4, MEM_WRITE), VEC_GP, 0);
}

static void types(void)
{
	struct bench *b = bench_prot32();
	gva_t va;

	OK(b, LINEAR(CPU_CS, 0, 1, MEM_READ));
	FAULTS(b, LINEAR(CPU_CS, 0, 1, MEM_WRITE), VEC_GP, 0);
	OK(b, cpu_load_seg(&b->c, CPU_DS, RO_DATA, &b->f));
	OK(b, LINEAR(CPU_DS, 0, 1, MEM_READ));
	FAULTS(b, LINEAR(CPU_DS, 0, 1, MEM_READ | MEM_WRITE), VEC_GP, 0);
	OK(b, cpu_load_seg(&b->c, CPU_DS, 0, &b->f));
	FAULTS(b, LINEAR(CPU_DS, 0, 1, MEM_READ), VEC_GP, 0);
	b->c.s.seg[CPU_CS].attr = 0xc099; /* execute-only */
	FAULTS(b, LINEAR(CPU_CS, 0, 1, MEM_READ), VEC_GP, 0);
	OK(b, LINEAR(CPU_CS, 0, 1, MEM_FETCH));
}

static void real_mode(void)
{
	struct bench *b = bench_real();
	gva_t va;

	b->c.s.seg[CPU_DS].base = 0xffff0;
	OK(b, LINEAR(CPU_DS, 0xffff, 1, MEM_READ));
	EQ(va.v, 0x10ffef);
	FAULTS(b, LINEAR(CPU_DS, 0xffff, 2, MEM_READ), VEC_GP, 0);
	OK(b, LINEAR(CPU_CS, 0x10, 1, MEM_WRITE)); /* the type does not count */
}

const struct tap_case cpu_linear_tests[] = {
	{"64-bit bases", long_mode_bases}, {"64-bit canonical form", long_mode_canonical},
	{"limit", legacy_limit},	   {"wrap at 4 GiB", legacy_wrap},
	{"expand-down", expand_down},	   {"types", types},
	{"real mode", real_mode},	   TAP_NO_CASE,
};
