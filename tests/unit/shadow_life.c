/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: what must outlive what. Roots the hardware is on, frames that several roles have as their
 * table, translations and the flushes that end them. Read first: shadow_fixture.h.
 */
#include "tests/unit/shadow_fixture.h"

static void start_without(struct fake *f, enum sh_option o)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.options.on[o] = false;
	cfg.tagged = true;
	fx_start(f, &cfg);
}

/* Both views have the same tables; the user view's go, the frames stay tracked. */
static void test_two_roles(void)
{
	struct sh_regs r = fx_regs(G_PML4);
	struct fake f;

	start_without(&f, SH_OPT_ROOTCACHE);
	fx_try(&f, 0, 0x1000, SH_USER);
	fx_try(&f, 0, 0x1000, 0);
	fake_set_regs(&f, 0, &r, true);
	fx_audit(&f);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_PML4)));
	fx_put(&f, G_PML4, 0, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	fx_end(&f);
}

/* The same CR3 once more is a flush (SDM vol. 3, section 4.10.4.1). */
static void test_cr3_flushes(void)
{
	struct sh_regs r = fx_regs(G_PML4);
	struct fake f;

	fx_default(&f);
	fx_try(&f, 0, 0x3000, 0);
	fx_put(&f, G_PT, 3, fx_pte(G_DATA + 9, T_RWU));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, 0).gpa, (G_DATA + 3) << 12); /* may be stale */
	fake_set_regs(&f, 0, &r, true);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, 0).gpa, (G_DATA + 9) << 12);
	fx_end(&f);
}

/* The guest is in another address space, the hardware not yet. */
static void test_loaded_root(void)
{
	struct sh_regs b = fx_regs(G_PML4_B);
	struct sh_path path;
	uint64_t old;
	struct fake f;

	start_without(&f, SH_OPT_ROOTCACHE);
	fx_try(&f, 0, 0x1000, 0);
	old = f.vcpu[0].root;
	fake_set_regs(&f, 0, &b, true);
	CU_ASSERT(sh_path(f.mmu, MFN(old), GVA(0x1000), &path) && path.level == 1);
	fx_try(&f, 0, 0x1000, 0);
	CU_ASSERT_FALSE(sh_path(f.mmu, MFN(old), GVA(0x1000), &path));
	fx_end(&f);
}

/* An entry without A has no shadow: the first access must fault, or A would never be set. */
static void test_neighbour_not_accessed(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PT, 9, fx_pte(G_DATA + 9, T_RWU & ~PTE_A));
	fx_try(&f, 0, 8 << 12, SH_USER);
	fx_audit(&f);
	CU_ASSERT(fx_try(&f, 0, 9 << 12, SH_USER).faults > 0);
	CU_ASSERT(fx_get(&f, G_PT, 9) & PTE_A);
	fx_end(&f);
}

/* Writes to a top-level table without a use between them: it stays, the hardware is on it. */
static void test_flooded_root(void)
{
	struct sh_path path;
	struct fake f;

	fx_default(&f);
	fx_try(&f, 0, 0x1000, 0);
	for (unsigned i = 8; i < 40; i++)
		fx_put(&f, G_PML4, i, fx_pte(G_PDPT, T_RWU));
	CU_ASSERT(sh_path(f.mmu, MFN(f.vcpu[0].root), GVA(0x1000), &path));
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_PML4)));
	CU_ASSERT_EQUAL(fx_try(&f, 0, (9ull << 39) + 0x1000, 0).gpa, (G_DATA + 1) << 12);
	fx_end(&f);
}

/* A processor that sleeps on its root while others use up all tables finds it as it was. */
static void test_reclaim_spares_roots(void)
{
	struct fake_config cfg;
	struct sh_path path;
	struct fake f;

	fake_defaults(&cfg);
	cfg.limit = SH_MIN_TABLES;
	cfg.vcpus = 2;
	fx_start(&f, &cfg);
	fx_try(&f, 1, 0x1000, 0);
	for (unsigned i = 0; i < 80; i++) {
		unsigned top = 512 + 4 * (i % 40);
		struct sh_regs r = fx_regs(top);

		for (unsigned l = 0; l < 4; l++)
			fx_put(&f, top + l, 0, fx_pte(l < 3 ? top + l + 1 : G_DATA, T_RWU));
		fake_set_regs(&f, 0, &r, true);
		CU_ASSERT_EQUAL(fx_try(&f, 0, 0, SH_USER).gpa, G_DATA << 12);
	}
	CU_ASSERT(fx_stat(&f, SH_ST_RECYCLED) > 10);
	CU_ASSERT(sh_path(f.mmu, MFN(f.vcpu[1].root), GVA(0x1000), &path));
	CU_ASSERT_EQUAL(path.gfn[4].v, G_PML4);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 0x1000, 0).gpa, (G_DATA + 1) << 12);
	fx_end(&f);
}

/* The writable entry became read-only in the tables but not in the TLB when the page becomes a
 * table. */
static void test_narrowed_then_table(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 8, fx_pte(G_DATA + 6, T_RWU));
	fx_store(&f, 0, 0x6000, 0, fx_pte(G_DATA + 7, T_RWU));
	fx_put(&f, G_PT, 6, fx_pte(G_DATA + 6, T_RWU)); /* D is clear again; no INVLPG */
	fx_try(&f, 0, 8ull << 21, 0);
	fx_store(&f, 0, 0x6000, 0, fx_pte(G_DATA + 8, T_RWU));
	fx_end(&f);
}

const struct tap_case suite_life[] = {
	{"one of two roles goes, the table stays tracked", test_two_roles},
	{"MOV CR3 drops translations", test_cr3_flushes},
	{"a loaded root lives until another is loaded", test_loaded_root},
	{"a neighbour not yet accessed is not mapped", test_neighbour_not_accessed},
	{"a root in use outlives a flood", test_flooded_root},
	{"reclaim spares the roots in use", test_reclaim_spares_roots},
	{"a narrowed translation, then a table", test_narrowed_then_table},
	{0},
};
