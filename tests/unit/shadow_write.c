/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suites: tracked writes and tracking; reclaim and recycling. Read first: shadow_fixture.h.
 */
#include "tests/unit/shadow_fixture.h"

#define ENTRY(table, i) GPA(((uint64_t)(table) << 12) + 8 * (i))

/* Entry 1 goes from one frame to another by pieces of every size. */
static void test_sizes(void)
{
	uint64_t to = fx_pte(0x155, T_RWU);

	for (unsigned size = 1; size <= 8; size *= 2) {
		struct fake f;

		fx_default(&f);
		fx_try(&f, 0, 0x1000, SH_USER);
		for (unsigned at = 0; at < 8; at += size)
			sh_write(f.mmu, f.vcpu[0].v, GPA(ENTRY(G_PT, 1).v + at),
				 (uint8_t *)&to + at, size);
		fx_audit(&f);
		fx_invlpg(&f, 0, 0x1000);
		CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).gpa, 0x155000);
		fx_end(&f);
	}
}

static void test_misaligned(void)
{
	uint64_t two[2] = {fx_pte(0x111, T_RWU), fx_pte(0x122, T_RWU)};
	struct fake f;

	fx_default(&f);
	fx_try(&f, 0, 0x1000, 0);
	fx_try(&f, 0, 0x2000, 0);
	/* 8 bytes over two entries, then the missing ends. */
	sh_write(f.mmu, f.vcpu[0].v, GPA(ENTRY(G_PT, 1).v + 5), (uint8_t *)two + 5, 8);
	fx_audit(&f);
	sh_write(f.mmu, NULL, ENTRY(G_PT, 1), two, 5);
	sh_write(f.mmu, NULL, GPA(ENTRY(G_PT, 2).v + 5), (uint8_t *)&two[1] + 5, 3);
	fx_audit(&f);
	fx_invlpg(&f, 0, 0x1000);
	fx_invlpg(&f, 0, 0x2000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).gpa, 0x111000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x2000, 0).gpa, 0x122000);
	fx_end(&f);
}

/* Across the end of one table into another. */
static void test_page_crossing(void)
{
	uint64_t two[2] = {fx_pte(0x111, T_RWU), fx_pte(G_PT, T_RW)};
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 511, fx_pte(G_PT, T_RWU));
	fx_put(&f, G_PT, 0, fx_pte(G_DATA, T_RWU));
	fx_try(&f, 0, (511ull << 21) + 0x1000, 0);
	fx_try(&f, 0, 0, 0);
	sh_write(f.mmu, f.vcpu[0].v, GPA(ENTRY(G_PT, 0).v - 8), two, 16);
	fx_audit(&f);
	fx_end(&f);
	fx_default(&f);
	CU_ASSERT(sh_write(f.mmu, NULL, GPA((4 << 20) - 4), two, 8) < 0);
	CU_ASSERT(sh_write(f.mmu, NULL, GPA(~7ull), two, 16) < 0);
	CU_ASSERT_EQUAL(sh_write(f.mmu, NULL, GPA(0x40000), two, 0), 0);
	fx_end(&f);
}

static void test_cmpxchg(void)
{
	uint64_t expect = 0;
	struct fake f;

	fx_default(&f);
	fx_try(&f, 0, 0x1000, 0);
	CU_ASSERT_EQUAL(sh_cmpxchg(f.mmu, f.vcpu[0].v, ENTRY(G_PT, 1), &expect, 0, 8), 0);
	CU_ASSERT_EQUAL(expect >> 12, G_DATA + 1);
	CU_ASSERT_EQUAL(sh_cmpxchg(f.mmu, f.vcpu[0].v, ENTRY(G_PT, 1), &expect, 0, 8), 1);
	fx_audit(&f);
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	CU_ASSERT(sh_cmpxchg(f.mmu, NULL, GPA(1ull << 40), &expect, 0, 8) < 0);
	fx_end(&f);
}

/* A writable, cached page becomes a table: writable to nobody when that is done. */
static void become_table(struct fake *f)
{
	fx_store(f, 0, 0x6000, SH_USER, 0);
	fx_store(f, 0, 0x6000, 0, 0);
	fx_put(f, G_PD, 8, fx_pte(G_DATA + 6, T_RWU));
	fx_try(f, 0, 8ull << 21, 0); /* a true fault: the table is empty */
	fx_store(f, 0, 0x6008, 0, fx_pte(G_DATA + 7, T_RWU));
	fx_store(f, 0, 0x6000, 0, 0);
	fx_try(f, 0, (8ull << 21) + 0x1000, 0);
}

static void test_becomes_table(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.tagged = true; /* so that a change of view is no flush */
	sh_options_set(&cfg.options, "unsync", false);
	fx_start(&f, &cfg);
	become_table(&f);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_DATA + 6)));
	CU_ASSERT(fx_store(&f, 0, 0x6008, 0, fx_pte(G_DATA + 9, T_RWU)).emulated);
	CU_ASSERT(fx_store(&f, 0, 0x6010, SH_USER, fx_pte(G_DATA + 8, T_RWU)).emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, (8ull << 21) + 0x2000, 0).gpa, (G_DATA + 8) << 12);
	fx_invlpg(&f, 0, (8ull << 21) + 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, (8ull << 21) + 0x1000, 0).gpa, (G_DATA + 9) << 12);
	fx_end(&f);
}

/* The writable entry is gone from the tables but not from the TLB when the page becomes a table. */
static void test_dropped_then_table(void)
{
	struct fake f;

	fx_default(&f);
	/* All tables of the new path but the last are there, so nothing else makes a flush. */
	fx_put(&f, G_PD, 8, fx_pte(G_DATA + 6, T_RWU));
	fx_store(&f, 0, 0x6000, 0, fx_pte(G_DATA + 7, T_RWU));
	fx_put(&f, G_PT, 6, 0); /* no INVLPG: the TLB keeps it, as it may */
	fx_try(&f, 0, 8ull << 21, 0);
	fx_store(&f, 0, 0x6000, 0, fx_pte(G_DATA + 8, T_RWU)); /* now a true fault */
	fx_end(&f);
}

static void test_flood(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	sh_options_set(&cfg.options, "unsync", false);
	fx_start(&f, &cfg);
	fx_store(&f, 0, 0x7000, 0, 0);
	fx_put(&f, G_PT, 30, fx_pte(G_PT, T_RWUD));
	fx_try(&f, 0, 30 << 12, 0);
	for (unsigned i = 100; i < 130; i++)
		fx_put(&f, G_PT, i, 0);
	CU_ASSERT(fx_stat(&f, SH_ST_FLOODED) > 0);
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(G_PT)));
	/* Through a mapping whose own table is another one. */
	fx_put(&f, G_PD, 9, fx_pte(G_PT_B, T_RWU));
	fx_put(&f, G_PT_B, 0, fx_pte(G_DATA + 7, T_RWUD));
	CU_ASSERT_FALSE(fx_store(&f, 0, 9ull << 21, 0, 1).emulated);
	fx_put(&f, G_PT_B, 1, fx_pte(G_PT, T_RWUD));
	CU_ASSERT_FALSE(fx_store(&f, 0, (9ull << 21) + 0x1000 + 8 * 140, 0, 1).emulated);
	fx_try(&f, 0, 0x7000, 0);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_PT)));
	CU_ASSERT(fx_store(&f, 0, (9ull << 21) + 0x1000 + 8 * 141, 0, 1).emulated);
	fx_end(&f);
}

/* With each set of techniques a written table is seen alike. */
static void test_techniques(void)
{
	for (unsigned set = 0; set < 1u << SH_OPTIONS; set++) {
		struct fake_config cfg;
		struct fake f;

		fake_defaults(&cfg);
		for (unsigned o = 0; o < SH_OPTIONS; o++)
			cfg.options.on[o] = set >> o & 1;
		fx_start(&f, &cfg);
		become_table(&f);
		for (unsigned i = 0; i < 40; i++) {
			fx_put(&f, G_PT, i, fx_pte(G_DATA + 40 + i, T_RWU));
			fx_invlpg(&f, 0, (uint64_t)i << 12);
			CU_ASSERT_EQUAL(fx_try(&f, 0, (uint64_t)i << 12, SH_USER).gpa,
					(G_DATA + 40 + i) << 12);
		}
		fx_end(&f);
	}
}

const struct tap_case suite_write[] = {
	{"tracked writes of 1, 2, 4 and 8 bytes", test_sizes},
	{"misaligned writes", test_misaligned},
	{"writes across a page", test_page_crossing},
	{"compare and exchange", test_cmpxchg},
	{"a writable page becomes a table", test_becomes_table},
	{"a dropped translation, then a table", test_dropped_then_table},
	{"flood: no longer shadowed, writable again", test_flood},
	{"every set of techniques", test_techniques},
	{0},
};

static void many_spaces(struct fake *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned base = 512 + 4 * i;

		for (unsigned l = 0; l < 3; l++)
			gmem_store(f->gm, ENTRY(base + l, 0), fx_pte(base + l + 1, T_RWU), 8);
		gmem_store(f->gm, ENTRY(base + 3, 0), fx_pte(G_DATA + i, T_RWU), 8);
	}
}

static void test_limit(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.limit = SH_MIN_TABLES;
	cfg.vcpus = 2;
	fx_start(&f, &cfg);
	many_spaces(&f, 60);
	for (unsigned i = 0; i < 600; i++) {
		struct sh_regs r = fx_regs(512 + 4 * (i * 7 % 60));
		unsigned v = i & 1;

		fake_set_regs(&f, v, &r, true);
		CU_ASSERT_EQUAL(fx_store(&f, v, 0x100, i & 2 ? SH_USER : 0, i).kind, FAKE_OK);
		/* The other one's root was pinned all along. */
		CU_ASSERT_EQUAL(fx_try(&f, v ^ 1, i ? 0x100 : 0, SH_USER).kind, FAKE_OK);
	}
	CU_ASSERT(fx_stat(&f, SH_ST_RECYCLED) > 100);
	fx_end(&f);
}

/* Tables are reused only when no processor can still walk them: one that caches directory entries
 * must not find a reused table under an old address. */
static void test_reuse(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.tables = cfg.limit = SH_MIN_TABLES;
	cfg.pde_cache = true;
	cfg.size = 128 << 20;
	cfg.options.on[SH_OPT_LARGE] = false; /* every 2 MiB must want a table */
	fx_start(&f, &cfg);
	for (unsigned i = 0; i < 32; i++)
		fx_put(&f, G_PD, 16 + i, PTE_PS | fx_pte(512 * (i + 1), T_RWUD));
	for (unsigned i = 0; i < 500; i++) {
		unsigned at = 16 + i * 5 % 32;
		uint64_t va = ((uint64_t)at << 21) + 0x80000 + (i / 32 % 256 << 12);
		uint64_t v = 0;
		struct fake_result r = fake_access(&f, 0, va, SH_USER, &v, 8);

		CU_ASSERT_EQUAL(r.kind, FAKE_OK);
		CU_ASSERT_EQUAL(r.gpa, ((at - 15ull) << 21) + (va & 0x1fffff));
	}
	CU_ASSERT(fx_stat(&f, SH_ST_RECYCLED) > 10);
	fx_end(&f);
}

/* Almost all the pool pinned: progress or an error, not an endless loop. */
static void test_out_of_tables(void)
{
	struct fake_config cfg;
	struct fake f;
	unsigned host = 0;

	fake_defaults(&cfg);
	cfg.limit = SH_MIN_TABLES;
	cfg.vcpus = 4;
	fx_start(&f, &cfg);
	many_spaces(&f, 8);
	for (unsigned i = 0; i < 4; i++) {
		struct sh_regs r = fx_regs(512 + 4 * i);
		static const unsigned views[] = {SH_USER, 0, SH_AC};

		r.cr4 |= R_SMAP;
		fake_set_regs(&f, i, &r, true);
		for (unsigned k = 0; k < 3; k++) {
			uint64_t v = 0;
			struct fake_result got = fake_access(&f, i, 0x100, views[k], &v, 8);

			CU_ASSERT(got.kind == FAKE_OK || got.kind == FAKE_HOST ||
				  got.kind == FAKE_PF);
			host += got.kind == FAKE_HOST;
		}
	}
	fx_end(&f);
}

const struct tap_case suite_reclaim[] = {
	{"many address spaces at the least limit", test_limit},
	{"tables reused after a shootdown only", test_reuse},
	{"all tables pinned", test_out_of_tables},
	{0},
};
