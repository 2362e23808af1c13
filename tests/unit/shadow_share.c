/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: shared tables, one party at a time. Two roots have tables in common; one is zapped whole or in
 * part, and what the other sees is compared word by word. Read first: shadow_share_rig.h.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/shadow_share_rig.h"

/* ---- one at a time ---- */

/* A part of what A maps goes. As many tables as the two have in common on the way are copied; B's stay
 * where they are, word by word, and A keeps the rest without a fault. */
static void partial(unsigned level)
{
	uint64_t before[512];
	const uint64_t *table;
	struct sh_zap z;
	struct fake f;

	sr_start_touched(&f, level);
	table = sr_table_of(&f, 1);
	memcpy(before, table, sizeof(before));
	z = sr_zap_pages(&f, 0, 16, 31);
	CU_ASSERT_EQUAL(z.unshared, level);
	CU_ASSERT_EQUAL(z.tables, 0);
	CU_ASSERT_PTR_EQUAL(sr_table_of(&f, 1), table);
	CU_ASSERT(!memcmp(before, table, sizeof(before)));
	CU_ASSERT_EQUAL(sr_mapped(&f, 1), PAGES);
	CU_ASSERT_EQUAL(sr_mapped(&f, 0), PAGES - 16);
	fx_audit(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 20 << 12, 0).faults, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 100 << 12, 0).faults, 0);
	CU_ASSERT(fx_try(&f, 0, 20 << 12, 0).faults > 0);
	/* A's own now: no second copy. */
	CU_ASSERT_EQUAL(sr_zap_pages(&f, 0, 16, 31).unshared, 0);
	/* A write of the guest's reaches both. */
	fx_put(&f, G_PT, 5, fx_pte(G_DATA + 9, T_RWUD));
	for (unsigned v = 0; v < 2; v++) {
		fx_invlpg(&f, v, 5 << 12);
		CU_ASSERT_EQUAL(fx_try(&f, v, 5 << 12, 0).gpa, (G_DATA + 9) << 12);
	}
	fx_end(&f);
}

static void test_partial(void)
{
	for (unsigned level = 1; level <= 3; level++)
		partial(level);
}

/* All of what A maps goes: a table both have loses one from its count, and of all table memory one
 * word changes. */
static void test_whole(void)
{
	static uint64_t before[256 * 512];
	unsigned changed = 0, touches;
	struct sh_zap z;
	struct fake f;

	sr_start_touched(&f, 3);
	CU_ASSERT_EQUAL(sh_share_count(sr_page_at(&f, 0, 3)), 2);
	memcpy(before, f.tables, sizeof(before));
	touches = f.touches;
	z = sr_zap_root(&f, 0);
	for (unsigned i = 0; i < 256 * 512; i++)
		changed += before[i] != f.tables[i];
	CU_ASSERT_EQUAL(changed, 1);
	CU_ASSERT_EQUAL(f.touches - touches, 1);
	CU_ASSERT_EQUAL(z.released, 1);
	CU_ASSERT_EQUAL(z.tables + z.unshared, 0);
	CU_ASSERT_EQUAL(sh_share_count(sr_page_at(&f, 1, 3)), 1);
	CU_ASSERT_EQUAL(sr_leaves(&f), PAGES);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 7 << 12, 0).faults, 0);
	CU_ASSERT_FALSE(fx_try(&f, 0, 7 << 12, 0).tlb_hit);
	fx_end(&f);
}

/* ---- who pays ---- */

#define SHARERS 8u

/* Eight roots have the same tables. Seven go for one entry each; the last one's tables wait for the
 * walkers. Nobody does so with the lock, here. */
static void test_last_pays(void)
{
	struct sh_root_info root[SHARERS];
	struct sh_zap z;
	struct fake f;

	sr_start(&f, 3);
	for (unsigned i = 0; i < SHARERS; i++) {
		struct sh_regs r = fx_regs(40 + i);

		gmem_store(f.gm, GPA((40ull + i) << 12), fx_pte(G_PDPT, T_RWU), 8);
		fake_set_regs(&f, 0, &r, true);
		sr_touch_all(&f, 0);
		root[i] = sr_root_of(&f, 0);
	}
	CU_ASSERT_EQUAL(sh_share_count(sr_page_at(&f, 0, 3)), SHARERS);
	for (unsigned i = SHARERS; i-- > 0;) {
		unsigned periods = sr_grace_periods, here = sr_waited_here();
		unsigned flushes = f.shootdowns;
		bool own = i == 0, top = i < SHARERS - 1; /* the last is the vCPU's: it stays */

		/* The tops are out of the way first, so that what is counted is the sharing. */
		sh_zap_range(f.mmu, NULL, root[i].gfn, root[i].role, GVA(0),
			     GVA((1ull << 39) - 1), &z);
		fx_settle(&f);
		CU_ASSERT_EQUAL(sr_grace_periods - periods, own);
		CU_ASSERT_EQUAL(sr_waited_here(), here);
		CU_ASSERT_EQUAL(z.syncs, own);
		CU_ASSERT_EQUAL(z.released, !own);
		CU_ASSERT_EQUAL(z.entries, own ? PAGES + 3 : 1);
		CU_ASSERT_EQUAL(f.shootdowns - flushes, 1);
		CU_ASSERT_EQUAL(sh_zap_root(f.mmu, NULL, root[i].gfn, root[i].role, &z), 0);
		CU_ASSERT_EQUAL(z.tables, top);
		fx_settle(&f);
	}
	CU_ASSERT_EQUAL(sh_zap_root(f.mmu, NULL, root[0].gfn, root[0].role, &z), -ENOENT);
	fx_end(&f);
}

/* A fork and an exit of one who shares this many tables: flushes and kicks of both. */
static unsigned fork_and_exit(unsigned tables)
{
	unsigned before;
	struct sh_zap z;
	struct fake f;

	sr_start(&f, 1);
	for (unsigned t = 1; t < tables; t++) {
		fx_put(&f, G_PD, t, fx_pte(600 + t, T_RWU));
		fx_put(&f, OWN_PD, t, fx_pte(600 + t, T_RWU));
		fx_put(&f, 600 + t, 0, fx_pte(G_DATA + t, T_RWUD));
	}
	for (unsigned v = 0; v < 2; v++)
		for (unsigned t = 0; t < tables; t++)
			CU_ASSERT_EQUAL(fx_try(&f, v, (uint64_t)t << 21, 0).gpa,
					(uint64_t)(G_DATA + t) << 12);
	f.vcpu[0].running = f.vcpu[1].running = true;
	before = f.shootdowns + f.requests + f.vcpu[0].kicks + f.vcpu[1].kicks;
	z = sr_zap_pages(&f, 1, 0, 512 * tables - 1); /* the child's exit */
	CU_ASSERT_EQUAL(z.released, tables);
	z = sr_zap_pages(&f, 0, 0, 512 * tables - 1); /* the parent's: the last of each */
	CU_ASSERT(z.tables >= tables);
	before = f.shootdowns + f.requests + f.vcpu[0].kicks + f.vcpu[1].kicks - before;
	f.vcpu[0].running = f.vcpu[1].running = false;
	fx_settle(&f);
	fx_end(&f);
	return before;
}

static void test_storm(void)
{
	unsigned one = fork_and_exit(1);

	CU_ASSERT(one > 0);
	CU_ASSERT_EQUAL(fork_and_exit(16), one);
	CU_ASSERT_EQUAL(fork_and_exit(120), one);
}

/* A walker holds on to the last-level table, one reads it: A's own stays A's own and is zapped in place;
 * a shared one is as shared as it was. */
static void test_walkers(void)
{
	struct sh_page *pt;
	struct sh_zap z;
	struct fake f;

	sr_start(&f, 1);
	sr_touch_all(&f, 0);
	pt = sr_page_at(&f, 0, 1);
	atomic_fetch_add(&pt->pins, 1);
	CU_ASSERT_EQUAL(sh_share_count(pt), 1);
	CU_ASSERT_EQUAL(sr_zap_pages(&f, 0, 0, 15).unshared, 0);
	CU_ASSERT_PTR_EQUAL(sr_page_at(&f, 0, 1), pt);
	sr_touch_all(&f, 1);
	CU_ASSERT_EQUAL(sh_share_count(pt), 2);
	CU_ASSERT_EQUAL(sr_zap_root(&f, 1).released, 1);
	z = sr_zap_root(&f, 0);
	CU_ASSERT_EQUAL(z.released, 0);
	CU_ASSERT_EQUAL(sr_leaves(&f), 0);
	CU_ASSERT_EQUAL(pt->state, SH_PAGE_LIVE); /* empty, until the walker lets go */
	fx_audit(&f);
	atomic_fetch_sub(&pt->pins, 1);
	sr_touch_all(&f, 0);
	fx_end(&f);
}

/* Each root has a table of its own with 32 pages; what they have in common makes no difference. */
static void test_cost(void)
{
	uint64_t cost[2];

	for (unsigned big = 0; big < 2; big++) {
		unsigned touches;
		struct fake f;

		sr_start(&f, 1);
		gmem_store(f.gm, GPA((G_PD << 12) + 8), fx_pte(G_PT_B, T_RWU), 8);
		for (unsigned i = 0; i < 32; i++)
			gmem_store(f.gm, GPA((G_PT_B << 12) + 8 * i),
				   fx_pte(G_DATA + i, T_RWUD), 8);
		for (unsigned i = 0; i < 32; i++)
			fx_try(&f, 0, (512ull + i) << 12, 0);
		for (unsigned i = 0; i < (big ? PAGES : 16); i++) {
			fx_try(&f, 0, (uint64_t)i << 12, 0);
			fx_try(&f, 1, (uint64_t)i << 12, 0);
		}
		touches = f.touches;
		sr_zap_root(&f, 0);
		cost[big] = f.touches - touches;
		fx_end(&f);
	}
	CU_ASSERT_EQUAL(cost[0], 32 + 4); /* and four upper entries */
	CU_ASSERT_EQUAL(cost[1], cost[0]);
}

/* B's way to the table forbids writing: none of its 512 leaves permits it, all of A's do. */
static void test_parent_rights(void)
{
	const uint64_t *a, *b;
	struct fake f;

	sr_start(&f, 1);
	fx_put(&f, OWN_PD, 0, fx_pte(G_PT, T_RWU & ~PTE_W));
	sr_touch_all(&f, 0);
	sr_touch_all(&f, 1);
	a = sr_table_of(&f, 0);
	b = sr_table_of(&f, 1);
	CU_ASSERT_PTR_NOT_EQUAL(a, b);
	for (unsigned i = 0; i < PAGES; i++) {
		CU_ASSERT(a[i] & PTE_W);
		CU_ASSERT_EQUAL(b[i] & (PTE_P | PTE_W), PTE_P);
	}
	CU_ASSERT_EQUAL(sr_zap_root(&f, 1).released, 0);
	CU_ASSERT_EQUAL(sr_mapped(&f, 0), PAGES);
	fx_end(&f);
}

/* Tables or records run out at any point of the copying. The zap is done all the same, and B has what
 * it had; A may have lost more than was asked for. */
static void test_nothing_to_copy_with(void)
{
	for (unsigned records = 0; records < 2; records++)
		for (unsigned k = 0; k < 1100; k += records && k > 8 ? 101 : 1) {
			bool refused;
			struct fake f;

			sr_start_touched(&f, 3);
			fx_refuse_part(records, k);
			sr_zap_pages(&f, 0, 16, 31);
			refused = fx_part_refused(records);
			CU_ASSERT_EQUAL(sr_mapped(&f, 1), PAGES);
			CU_ASSERT(sr_mapped(&f, 0) <= PAGES - 16);
			fx_audit(&f);
			sr_touch_all(&f, 0);
			fx_end(&f);
			if (!refused)
				break;
		}
}

/* The last-level table is out of step when it is copied: the copy knows the record. */
static void test_unsync_copied(void)
{
	struct fake f;

	sr_start_touched(&f, 1);
	for (unsigned i = 0; i < 12; i++)
		fx_put(&f, G_PT, 40, fx_pte(G_DATA + 100 + i, T_RWUD));
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(G_PT)));
	CU_ASSERT_EQUAL(sr_zap_pages(&f, 0, 0, 0).unshared, 1);
	fx_audit(&f);
	gmem_store(f.gm, GPA((G_PT << 12) + 8 * 41), fx_pte(G_DATA + 200, T_RWUD), 8);
	for (unsigned v = 0; v < 2; v++) {
		fx_invlpg(&f, v, 41 << 12);
		CU_ASSERT_EQUAL(fx_try(&f, v, 41 << 12, 0).gpa, (G_DATA + 200) << 12);
	}
	fx_end(&f);
}

const struct tap_case suite_share[] = {
	{"PS-2 a part of a shared table", test_partial},
	{"PS-3 all of a shared table", test_whole},
	{"PS-7 the last sharer pays", test_last_pays},
	{"TG-19 flushes and kicks of an exit are of the batch, not of its tables", test_storm},
	{"PS-8 walkers are no sharers", test_walkers},
	{"PS-13 the parent entry forbids writing", test_parent_rights},
	{"a zap costs what the root owns", test_cost},
	{"nothing to copy with", test_nothing_to_copy_with},
	{"an unsync table is copied", test_unsync_copied},
	{0},
};
