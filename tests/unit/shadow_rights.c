/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suites: effective rights (WP, SMEP, SMAP, NXE, views, shared and self-mapped tables), and large
 * pages. Read first: shadow_fixture.h.
 */
#include "tests/unit/shadow_fixture.h"

#define MiB (1ull << 20)
#define GiB (1ull << 30)

static void set(struct fake *f, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	struct sh_regs r = fx_regs(G_PML4);

	r.cr0 = (r.cr0 & ~R_WP) | cr0;
	r.cr4 |= cr4;
	r.efer = (r.efer & ~R_NXE) | efer;
	fake_set_regs(f, 0, &r, true);
}

/* One page table under two directory entries of different rights: the rights are part of what a
 * shadow page is (Linux d28c6cfbbc5e, b1bd5cba3306). */
static void test_shared_table(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 1, fx_pte(G_PT, PTE_P | PTE_U | PTE_A)); /* read-only */
	fx_put(&f, G_PD, 2, fx_pte(G_PT, T_RW));		  /* supervisor */
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, SH_USER, 1).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * MiB + 0x1000, SH_USER, 1).kind, FAKE_PF);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x1000, SH_USER).kind, FAKE_OK);
	/* Now that it is mapped. */
	CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * MiB + 0x1000, SH_USER, 1).kind, FAKE_PF);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 4 * MiB + 0x1000, SH_USER, 1).kind, FAKE_PF);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 4 * MiB + 0x1000, 0, 1).kind, FAKE_OK);
	/* One write to the table is seen through all three. */
	fx_put(&f, G_PT, 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		fx_invlpg(&f, 0, i * 2 * MiB + 0x1000);
		CU_ASSERT_EQUAL(fx_try(&f, 0, i * 2 * MiB + 0x1000, 0).kind, FAKE_PF);
	}
	fx_end(&f);
}

static void test_self_map(void)
{
	uint64_t slot = 3, va = slot << 39 | slot << 30 | slot << 21 | slot << 12;
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PML4, 3, fx_pte(G_PML4, T_RW | PTE_D));
	CU_ASSERT_EQUAL(fx_try(&f, 0, va, 0).gpa, G_PML4 << 12);
	/* A store through it into the top-level table itself is a tracked write. */
	CU_ASSERT(fx_store(&f, 0, va + 8 * 7, 0, fx_pte(G_PDPT, T_RWU)).emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, (7ull << 39) + 0x1000, 0).gpa, (G_DATA + 1) << 12);
	/* G_PT through the self map: a table used as page, and G_PD used as PT and PD. */
	CU_ASSERT_EQUAL(fx_try(&f, 0, slot << 39, 0).gpa, G_PT << 12);
	CU_ASSERT(
		fx_store(&f, 0, (slot << 39) + 8 * 60, 0, fx_pte(G_DATA + 20, T_RWU)).emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 60 << 12, 0).gpa, (G_DATA + 20) << 12);
	fx_end(&f);
}

static void test_table_at_two_levels(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 5, fx_pte(G_PD, T_RWU | PTE_D)); /* the PD as a PT of its own */
	CU_ASSERT_EQUAL(fx_try(&f, 0, 10 * MiB, 0).gpa, G_PT << 12);
	CU_ASSERT(fx_store(&f, 0, 10 * MiB + 0x5000 + 8 * 6, SH_USER, fx_pte(G_PT, T_RWU))
			  .emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 12 * MiB + 0x2000, SH_USER).gpa, (G_DATA + 2) << 12);
	fx_end(&f);
}

/* A user fault fills neighbours too: never a supervisor page into the user view. */
static void test_user_view(void)
{
	struct fake f;

	fx_default(&f);
	for (unsigned i = 8; i < 16; i += 2)
		fx_put(&f, G_PT, i, fx_pte(G_DATA + i, T_RW | PTE_D));
	for (unsigned i = 8; i < 16; i++)
		fx_try(&f, 0, (uint64_t)i << 12, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 9 << 12, SH_USER).kind, FAKE_OK);
	for (unsigned i = 8; i < 16; i++)
		CU_ASSERT_EQUAL(fx_try(&f, 0, (uint64_t)i << 12, SH_USER).kind,
				i & 1 ? FAKE_OK : FAKE_PF);
	fx_end(&f);
}

static void test_wp(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PT, 1, fx_pte(G_DATA + 1, PTE_P | PTE_U | PTE_A | PTE_D));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, 0, 1).error, SH_PF_P | SH_PF_W);
	set(&f, 0, 0, R_NXE);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, 0, 1).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, SH_USER, 1).kind, FAKE_PF);
	set(&f, R_WP, 0, R_NXE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, 0, 1).kind, FAKE_PF);
	fx_end(&f);
}

static void test_smep(void)
{
	struct fake f;

	fx_default(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_FETCH).kind, FAKE_OK);
	set(&f, R_WP, R_SMEP, R_NXE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_FETCH).error, SH_PF_P | SH_PF_I);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_FETCH | SH_USER).kind, FAKE_OK);
	set(&f, R_WP, R_SMEP, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_FETCH).error, SH_PF_P | SH_PF_I);
	fx_end(&f);
}

static void test_smap(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PT, 2, fx_pte(G_DATA + 2, T_RW));
	set(&f, R_WP, R_SMAP | R_SMEP, R_NXE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_AC).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).error, SH_PF_P);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, SH_AC, 1).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, 0, 1).error, SH_PF_P | SH_PF_W);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x2000, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER | SH_AC).kind, FAKE_OK);
	/* SMAP says nothing about fetches. */
	set(&f, R_WP, R_SMAP, R_NXE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_FETCH).kind, FAKE_OK);
	fx_end(&f);
}

/* With NXE=0 bit 63 is reserved, so the same entry means two things (Linux 9645bb56b31a). */
static void test_nxe(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PT, 1, fx_pte(G_DATA + 1, T_RWU | PTE_NX));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).kind, FAKE_OK);
	set(&f, R_WP, 0, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).error, SH_PF_P | SH_PF_RSVD | SH_PF_U);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x2000, SH_USER | SH_FETCH).kind, FAKE_OK);
	set(&f, R_WP, 0, R_NXE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER | SH_FETCH).kind, FAKE_PF);
	fx_end(&f);
}

const struct tap_case suite_rights[] = {
	{"a table shared under different rights", test_shared_table},
	{"a top-level table that maps itself", test_self_map},
	{"a table used at two levels", test_table_at_two_levels},
	{"the user view has no supervisor page", test_user_view},
	{"CR0.WP", test_wp},
	{"CR4.SMEP", test_smep},
	{"CR4.SMAP with both values of AC", test_smap},
	{"EFER.NXE", test_nxe},
	{0},
};

static void test_2m(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 1, PTE_PS | T_RWU); /* 2 MiB at 0: tables and all */
	fx_try(&f, 0, 0, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x54321 * 8 % MiB, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * MiB + 0x70000, SH_USER, 5).gpa, 0x70000);
	/* Its part that is the page table: tracked. */
	CU_ASSERT(fx_store(&f, 0, 2 * MiB + (G_PT << 12) + 8 * 61, 0, fx_pte(G_DATA + 5, T_RWU))
			  .emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 61 << 12, 0).gpa, (G_DATA + 5) << 12);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWU));
	fx_invlpg(&f, 0, 2 * MiB + 0x70000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x70000, 0).gpa, 2 * MiB + 0x70000);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512 + 2, T_RWU)); /* bit 13: reserved */
	fx_invlpg(&f, 0, 2 * MiB + 0x70000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x70000, 0).error, SH_PF_P | SH_PF_RSVD);
	fx_end(&f);
}

/* D of a large page is in the key of what it is splintered into. */
static void test_large_dirty(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 1, PTE_PS | T_RWU);
	fx_try(&f, 0, 2 * MiB + 0x50000, SH_USER);
	CU_ASSERT(!(fx_get(&f, G_PD, 1) & PTE_D));
	fx_audit(&f);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * MiB + 0x51000, SH_USER, 5).kind, FAKE_OK);
	CU_ASSERT(fx_get(&f, G_PD, 1) & PTE_D);
	fx_end(&f);
}

/* D set by one view is no fault of the other view's entry. */
static void test_large_dirty_elsewhere(void)
{
	struct sh_walk w;
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PD, 1, PTE_PS | T_RWU);
	fx_try(&f, 0, 2 * MiB + 0x50000, SH_USER);
	fx_try(&f, 0, 2 * MiB + 0x50000, 0);
	fx_store(&f, 0, 2 * MiB + 0x50000, 0, 5);
	fx_audit(&f);
	fx_put(&f, G_PD, 2, PTE_PS | T_RWU);
	fx_try(&f, 0, 4 * MiB, SH_USER);
	CU_ASSERT_EQUAL(sh_translate(f.vcpu[0].v, GVA(4 * MiB), SH_WRITE, &w), SH_WALK_OK);
	fx_end(&f);
}

static void test_1g(void)
{
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PDPT, 1, PTE_PS | T_RWU);
	fx_try(&f, 0, 0, 0);
	CU_ASSERT_EQUAL(fx_store(&f, 0, GiB + 3 * MiB, SH_USER, 1).gpa, 3 * MiB);
	CU_ASSERT(fx_get(&f, G_PDPT, 1) & PTE_D);
	CU_ASSERT_EQUAL(fx_try(&f, 0, GiB + 64 * MiB, 0).last, SH_FAULT_NO_RAM);
	CU_ASSERT(fx_store(&f, 0, GiB + (G_PD << 12) + 8 * 9, 0, fx_pte(G_PT, T_RWU)).emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 18 * MiB, 0).gpa, G_DATA << 12);
	fx_end(&f);
}

/* Without 1-GByte pages PS of a PDPT entry is reserved. */
static void test_no_1g(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.model.gb_pages = false;
	fx_start(&f, &cfg);
	fx_put(&f, G_PDPT, 1, PTE_PS | T_RWU);
	CU_ASSERT_EQUAL(fx_try(&f, 0, GiB, 0).error, SH_PF_P | SH_PF_RSVD);
	fx_end(&f);
}

const struct tap_case suite_large[] = {
	{"2 MiB pages", test_2m},
	{"D of a large page", test_large_dirty},
	{"D of a large page, set by another view or the emulator", test_large_dirty_elsewhere},
	{"1 GiB pages", test_1g},
	{"no 1 GiB pages", test_no_1g},
	{0},
};
