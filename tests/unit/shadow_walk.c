/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suites: the guest walk in every paging format against the reference, at random; and the reference
 * itself against a few examples worked out by hand. Read first: shadow_fixture.h.
 */
#include <stdio.h>

#include "tests/unit/shadow_fixture.h"

#define FRAMES 16u

static uint64_t rng = 1;

static uint64_t rnd(void)
{
	rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
	return rng;
}

static bool chance(unsigned percent)
{
	return rnd() % 100 < percent;
}

static uint64_t entry(bool wide)
{
	uint64_t e = (rnd() % FRAMES << 12) | (rnd() & 0x7e);

	e |= chance(95) | (chance(70) ? PTE_W | PTE_U : 0) | (chance(10) ? PTE_PS : 0);
	if (chance(5))
		e |= 1ull << rnd() % 64;
	if (chance(20) && e & PTE_PS)
		e &= ~0x3fe000ull;
	if (chance(10))
		e |= PTE_NX;
	return wide ? e : (uint32_t)e;
}

static void fill(struct gmem *gm, bool wide)
{
	for (uint64_t at = 0; at < FRAMES << 12; at += wide ? 8 : 4)
		gmem_store(gm, GPA(at), entry(wide), wide ? 8 : 4);
}

static struct sh_regs regs_of(enum sh_format_id format)
{
	static const struct {
		uint64_t cr4, efer;
	} c[] = {[SH_FMT_32] = {1 << 4, 0},
		 [SH_FMT_PAE] = {1 << 5, 0},
		 [SH_FMT_4LVL] = {1 << 5, 1 << 10},
		 [SH_FMT_5LVL] = {1 << 5 | 1 << 12, 1 << 10}};

	return (struct sh_regs){
		.cr0 = (uint64_t)(format != SH_FMT_NONE) << 31 | (chance(70) ? R_WP : 0),
		.cr3 = rnd() % FRAMES << 12,
		.cr4 = c[format].cr4 | (chance(40) ? R_SMEP : 0) | (chance(40) ? R_SMAP : 0) |
		       (chance(40) ? 1ull << 22 : 0) | (chance(40) ? 1ull << 24 : 0),
		.pkru = (uint32_t)rnd() & (uint32_t)rnd(),
		.pkrs = (uint32_t)rnd() & (uint32_t)rnd(),
		.efer = c[format].efer | (chance(70) ? R_NXE : 0)};
}

static bool same(struct fake *f, enum sh_walk_result wr, const struct sh_walk *w,
		 const struct mm_result *m)
{
	if (m->kind != MM_OK)
		return wr == (m->kind == MM_PF ? SH_WALK_FAULT : SH_WALK_NOT_CANON) &&
		       (m->kind != MM_PF || w->error == m->error);
	for (unsigned i = 0; i < m->marks; i++) {
		uint32_t e = 0;

		gmem_load32(f->gm, GPA(m->mark[i].pa), &e);
		if ((e & m->mark[i].bits) != m->mark[i].bits)
			return false;
	}
	return wr == SH_WALK_OK && w->gpa.v == m->pa &&
	       1ull << w->page_shift == m->page_bytes && w->pat_index == m->pat_index;
}

static unsigned random_walks(struct fake *f, enum sh_format_id format, unsigned n)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < n && wrong < 3; i++) {
		struct sh_regs r = regs_of(format);
		struct sh_mode mode = sh_mode_of(&r, &f->cfg.model);
		unsigned flags = (chance(40)   ? SH_WRITE
				  : chance(30) ? SH_FETCH
					       : 0) |
				 (chance(50) ? SH_USER : 0) | (chance(10) ? SH_IMPLICIT : 0) |
				 (chance(50) ? SH_AC : 0);
		uint64_t va =
			format <= SH_FMT_PAE ? (uint32_t)rnd()
			: chance(95)
				? (uint64_t)((int64_t)rnd() >> (format == SH_FMT_4LVL ? 16 : 7))
				: rnd();
		struct mm_cpu cpu = fx_cpu(f, 0);
		struct mm_access a = fx_access_of(va, flags);
		struct mm_result m;
		struct sh_walk w;

		if (i % 50 == 0)
			fill(f->gm, format != SH_FMT_32);
		cpu.cr0 = r.cr0, cpu.cr3 = r.cr3, cpu.cr4 = r.cr4, cpu.efer = r.efer;
		cpu.pkru = r.pkru, cpu.pkrs = r.pkrs;
		if (format == SH_FMT_PAE && !mm_load_pdptes(&cpu))
			continue;
		for (unsigned k = 0; k < 4; k++)
			r.pdpte[k] = cpu.pdpte[k];
		m = mm_translate(&cpu, &a);
		if (!same(f, sh_walk(f->gm, &mode, &r, GVA(va), flags, &w), &w, &m)) {
			wrong++;
			fprintf(stderr,
				"%s va %#lx flags %#x: reference %d %#x %#lx, walk %#x %#lx\n",
				sh_formats[format].name, (unsigned long)va, flags, m.kind,
				m.error, (unsigned long)m.pa, w.error, (unsigned long)w.gpa.v);
		}
	}
	return wrong;
}

static void test_formats(void)
{
	static const unsigned widths[] = {32, 36, 40, 52};

	for (unsigned i = 0; i < 8; i++)
		for (unsigned format = 0; format < SH_FORMATS; format++) {
			struct fake_config cfg;
			struct fake f;

			fake_defaults(&cfg);
			cfg.model.maxphyaddr = (uint8_t)widths[i % 4];
			cfg.model.gb_pages = i / 4;
			fx_start(&f, &cfg);
			CU_ASSERT_EQUAL(random_walks(&f, format, 4000), 0);
			fx_end(&f);
		}
}

/* SH_PEEK changes nothing. */
static void test_peek(void)
{
	struct sh_walk w;
	struct fake f;

	fx_default(&f);
	gmem_store(f.gm, GPA(G_PT << 12), fx_pte(G_DATA, PTE_P | PTE_W), 8);
	CU_ASSERT_EQUAL(sh_translate(f.vcpu[0].v, GVA(0), SH_WRITE | SH_PEEK, &w), SH_WALK_OK);
	CU_ASSERT_EQUAL(fx_get(&f, G_PT, 0), fx_pte(G_DATA, PTE_P | PTE_W));
	fx_end(&f);
}

const struct tap_case suite_walk[] = {
	{"every format against the reference", test_formats},
	{"peeking changes nothing", test_peek},
	{0},
};

static uint64_t all_ones(void *ctx, uint64_t pa, unsigned bytes)
{
	(void)ctx, (void)pa;
	return bytes == 8 ? UINT64_MAX : UINT32_MAX;
}

/* An open bus reads as all ones: reserved bits in long mode, a 4-MByte page's bit 21 in PSE. */
static void test_examples(void)
{
	struct mm_cpu cpu = {.cr0 = 1u << 31,
			     .cr4 = 1 << 5,
			     .efer = 1 << 10,
			     .maxphyaddr = 40,
			     .read = all_ones};
	struct mm_access a = {.va = 0x1234, .write = true, .user = true};
	struct mm_result m = mm_translate(&cpu, &a);

	CU_ASSERT(m.kind == MM_PF && m.error == 0xf);
	cpu.cr4 = 1 << 4;
	cpu.efer = 0;
	m = mm_translate(&cpu, &a);
	CU_ASSERT(m.kind == MM_PF && m.error == 0xf);
	cpu.cr4 = 0; /* no PSE: a directory entry of all ones names a table of all ones */
	m = mm_translate(&cpu, &a);
	CU_ASSERT(m.kind == MM_OK && m.pa == 0xfffff234 && m.page_bytes == 4096 && !m.marks);
	cpu.cr0 = 0;
	a.va = 0x512345678;
	m = mm_translate(&cpu, &a);
	CU_ASSERT(m.kind == MM_OK && m.pa == 0x12345678);
}

const struct tap_case suite_model[] = {{"examples", test_examples}, {0}};
