/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: races with one outcome each, played on one thread with the hooks of shadow_hook.c.
 * Read first: shadow_fixture.h.
 */
#include "tests/unit/shadow_fixture.h"

static void start_without_lowmem(struct fake *f, unsigned vcpus)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	cfg.vcpus = vcpus;
	fx_start(f, &cfg);
}

static void move_table(void *ctx)
{
	struct fake *f = ctx;

	gmem_store(f->gm, GPA(G_PD << 12), fx_pte(G_PT_B, T_RWU), 8);
}

/* An upper entry changes after it was read and before A is set in it: the walk starts anew, or A
 * would be set in a table that is no longer on the way. */
static void test_lost_exchange(void)
{
	static const unsigned table[] = {G_PML4, G_PDPT, G_PD, G_PT};
	struct sh_walk w;
	struct fake f;

	start_without_lowmem(&f, 1);
	gmem_store(f.gm, GPA(G_PT_B << 12), fx_pte(G_DATA + 30, PTE_P | PTE_W | PTE_U), 8);
	for (unsigned i = 0; i < 4; i++)
		gmem_store(f.gm, GPA(table[i] << 12), fx_get(&f, table[i], 0) & ~PTE_A, 8);
	gmem_store(f.gm, GPA(0x300000), 0, 8); /* the window is elsewhere now */
	fx_hook_window(5, move_table, &f);     /* 0..3 read, 4 marks PML4 */
	CU_ASSERT_EQUAL(sh_translate(f.vcpu[0].v, GVA(0), SH_USER, &w), SH_WALK_OK);
	CU_ASSERT(fx_hooks_ran());
	CU_ASSERT(w.retries > 0);
	CU_ASSERT_EQUAL(w.gpa.v, (G_DATA + 30) << 12);
	CU_ASSERT(!(fx_get(&f, G_PT, 0) & PTE_A));
	CU_ASSERT(fx_get(&f, G_PT_B, 0) & PTE_A);
	fx_end(&f);
}

static void change_leaf(void *ctx)
{
	struct fake *f = ctx;

	fx_put(f, G_PT, 1, fx_pte(G_DATA + 30, T_RWU));
}

/* The leaf's guest entry is changed, by a write that is complete, between the walk that read it and
 * the install: what is installed is what it reads then. */
static void test_revalidated(void)
{
	struct fake f;

	start_without_lowmem(&f, 1);
	fx_try(&f, 0, 0x1000, SH_USER);
	fx_put(&f, G_PML4, 0, fx_get(&f, G_PML4, 0) & ~PTE_A);
	fx_invlpg(&f, 0, 0x1000);
	gmem_store(f.gm, GPA(0x300000), 0, 8);
	fx_hook_window(4, change_leaf, &f);
	{
		uint64_t v = 0;

		CU_ASSERT_EQUAL(fake_access(&f, 0, 0x1000, SH_USER, &v, 8).kind, FAKE_OK);
	}
	CU_ASSERT(fx_hooks_ran());
	fx_audit(&f);
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).gpa, (G_DATA + 30) << 12);
	fx_end(&f);
}

static void make_table(void *ctx)
{
	struct fake *f = ctx;
	uint64_t v = 0;

	/* Through an address space of its own; the frame then is a table and must be tracked. */
	fake_access(f, 1, 1ull << 21, 0, &v, 8);
	CU_ASSERT(sh_is_tracked(f->mmu, GFN(G_DATA + 6)));
}

/* vCPU 0 drops a writable leaf in a fault, because the guest entry already reads otherwise; at that
 * moment vCPU 1 makes the frame a table. Either it finds the leaf, or it knows of the drop. */
static void test_drop_while_tracking(void)
{
	struct sh_regs b = fx_regs(G_PML4_B);
	uint64_t v = fx_pte(G_DATA + 7, T_RWU), entry = fx_pte(G_DATA + 30, T_RWUD);
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.tagged = true;
	fx_start(&f, &cfg);
	/* vCPU 1: another top level, PDPT and PD, the same PT. */
	gmem_store(f.gm, GPA(G_PML4_B << 12), fx_pte(20, T_RWU), 8);
	gmem_store(f.gm, GPA(20 << 12), fx_pte(21, T_RWU), 8);
	gmem_store(f.gm, GPA(21 << 12), fx_pte(G_PT, T_RWU), 8);
	gmem_store(f.gm, GPA((21 << 12) + 8), fx_pte(G_DATA + 6, T_RWU), 8);
	fake_set_regs(&f, 1, &b, true);
	fx_store(&f, 1, 0x6000, 0, fx_pte(G_DATA + 7, T_RWU));
	fx_store(&f, 0, 0x6000, 0, fx_pte(G_DATA + 7, T_RWU));
	/* First half of a write by a third party: it stores, and has not yet looked. */
	gmem_store(f.gm, GPA((G_PT << 12) + 8 * 6), entry, 8);
	fx_invlpg(&f, 0, 0x6000);
	fx_hook_spin(1, make_table, &f);
	sh_fault(f.vcpu[0].v, GVA(0x6000), 0, &(struct sh_walk){0});
	CU_ASSERT(fx_hooks_ran());
	/* Its second half. */
	CU_ASSERT_EQUAL(sh_write(f.mmu, NULL, GPA((G_PT << 12) + 8 * 6), &entry, 8), 0);
	/* Does the other processor still have its old, writable mapping of the frame? */
	fake_access(&f, 1, 0x6000, SH_WRITE, &v, 8);
	fx_end(&f);
}

const struct tap_case suite_race[] = {
	{"a lost exchange restarts the walk", test_lost_exchange},
	{"the guest entry is read again before the install", test_revalidated},
	{"a leaf is dropped while its frame becomes a table", test_drop_while_tracking},
	{0},
};
