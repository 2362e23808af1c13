/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: reserved frames and the sweep. Read first: shadow_gather.h, shadow/reserve.h.
 */
#include <errno.h>

#include "shadow/reserve.h"
#include "tests/unit/shadow_gather.h"

static struct released rel;

static void start(struct fake *f, enum sh_reserved_kind kind)
{
	gather_start(f, 1);
	for (unsigned i = 0; i < 16; i++)
		fx_store(f, 0, (uint64_t)i << 12, SH_USER, i);
	CU_ASSERT_EQUAL(sh_reserve_frames(f->mmu, GFN(G_DATA + 4), 8, kind), 0);
}

/* All RAM but tables is swept; the reserved range is as it was, and costs no fault. */
static void test_left_alone(void)
{
	struct sh_swept s;
	struct fake f;

	start(&f, SH_RESERVED_RAW);
	CU_ASSERT_EQUAL(sh_sweep_frames(f.mmu, f.vcpu[0].v, 1u << 20, NULL, &s), 0);
	CU_ASSERT_EQUAL(s.reserved, 8);
	CU_ASSERT(s.freed >= 8);
	CU_ASSERT(s.looked <= gmem_end(f.gm).v - 8);
	for (unsigned i = 4; i < 12; i++) {
		uint64_t v = 0;

		CU_ASSERT_EQUAL(sh_set_count(&f.mmu->rmap[G_DATA + i]), 1);
		CU_ASSERT_EQUAL(fake_access(&f, 0, (uint64_t)i << 12, SH_USER, &v, 8).faults,
				0);
		CU_ASSERT_EQUAL(v, i);
	}
	fx_end(&f);
}

static bool lie(void *ctx, gfn_t gfn)
{
	(void)ctx;
	(void)gfn;
	return true;
}

/* Nothing but reserved frames and tables: one turn, and the truth. Nor is a release believed. */
static void test_no_false_progress(void)
{
	const struct sh_release liar = {lie, NULL};
	struct sh_swept s;
	struct fake f;

	gather_start(&f, 1);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(0), gmem_end(f.gm).v, SH_RESERVED_RAW), 0);
	CU_ASSERT_EQUAL(sh_sweep_frames(f.mmu, NULL, 8, NULL, &s), -ENOMEM);
	CU_ASSERT_EQUAL(s.looked, 0);
	CU_ASSERT_EQUAL(s.claimed + s.freed, 0);
	fx_end(&f);
	start(&f, SH_RESERVED_RAW);
	CU_ASSERT_EQUAL(sh_sweep_frames(f.mmu, NULL, 8, &liar, &s), -ENOMEM);
	CU_ASSERT_EQUAL(s.freed, 0);
	CU_ASSERT(s.claimed > 8);
	fx_end(&f);
}

static void test_ends(void)
{
	struct sh_release how;
	struct sh_unmapped u;
	struct fake f;

	for (unsigned counted = 0; counted < 2; counted++) {
		start(&f, counted ? SH_RESERVED_COUNTED : SH_RESERVED_RAW);
		CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA + 4, 8).reserved, 8);
		CU_ASSERT_EQUAL(rel.n, 0);
		how = gather_release(&f, &rel);
		CU_ASSERT_EQUAL(
			sh_unreserve_frames(f.mmu, f.vcpu[0].v, GFN(G_DATA + 4), &how, &u), 0);
		CU_ASSERT_EQUAL(rel.n, counted ? 8 : 0);
		CU_ASSERT_EQUAL(rel.stale, 0);
		for (unsigned i = 4; i < 12; i++)
			CU_ASSERT_FALSE(gather_in_tlb(&f, 0, G_DATA + i));
		/* Nothing remains of it. */
		CU_ASSERT_EQUAL(
			sh_unreserve_frames(f.mmu, f.vcpu[0].v, GFN(G_DATA + 4), &how, &u),
			-ENOENT);
		CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA + 4, 8).released, 8);
		fx_end(&f);
	}
}

static void test_tables_go(void)
{
	struct sh_stats before, after;
	struct sh_unmapped u;
	struct fake f;

	gather_start(&f, 1);
	fx_try(&f, 0, 8ull << 21, SH_USER); /* the way there, as far as it goes */
	fx_put(&f, G_PT_B, 0, fx_pte(G_DATA + 40, T_RWU));
	fx_try(&f, 0, 0x1000, SH_USER);
	sh_mmu_stats(f.mmu, &before);
	fx_put(&f, G_PD, 9, fx_pte(G_PT_B, T_RWU));
	sh_reserve_frames(f.mmu, GFN(G_DATA + 40), 1, SH_RESERVED_RAW);
	fx_try(&f, 0, 9ull << 21, SH_USER);
	sh_mmu_stats(f.mmu, &after);
	CU_ASSERT_EQUAL(after.tables_used, before.tables_used + 1);
	sh_unreserve_frames(f.mmu, f.vcpu[0].v, GFN(G_DATA + 40), NULL, &u);
	sh_mmu_stats(f.mmu, &after);
	CU_ASSERT_EQUAL(after.tables_used, before.tables_used);
	fx_end(&f);
}

static void test_refused(void)
{
	struct fake f;

	start(&f, SH_RESERVED_RAW);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA + 11), 2, SH_RESERVED_RAW),
			-EEXIST);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(1ull << 40), 2, SH_RESERVED_RAW), -EINVAL);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA), 0, SH_RESERVED_RAW), -EINVAL);
	for (unsigned i = 1; i < SH_RESERVED_MAX; i++)
		CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(200 + i), 1, SH_RESERVED_COUNTED),
				0);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(300), 1, SH_RESERVED_RAW), -ENOSPC);
	fx_end(&f);
}

const struct tap_case suite_reserve[] = {
	{"VR-1 a sweep leaves reserved frames alone", test_left_alone},
	{"VR-2 VR-3 progress is what the host has back", test_no_false_progress},
	{"VR-6 who counts frames gets each back once", test_ends},
	{"VR-10 the tables of a reserved range go with it", test_tables_go},
	{"ranges that can't be reserved", test_refused},
	{0},
};
