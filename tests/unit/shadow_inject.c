/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: trouble on demand. Every point fails at its kth call, for each k that comes up in a program
 * that uses everything: what failed says so and can be done again, the audit is clean, nothing is
 * lost. And points stall without harm. Read first: shadow_gather.h, shadow/inject.h.
 */
#include <errno.h>

#include "shadow/defer.h"
#include "shadow/dmap.h"
#include "shadow/map.h"
#include "shadow/reserve.h"
#include "shadow/share.h"
#include "shadow/trace.h"
#include "tests/unit/shadow_gather.h"

static struct released rel;

static void start(struct fake *f)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.tables = 512;
	cfg.lowmem = 0;
	cfg.size = 32 << 20;
	fx_start(f, &cfg);
}

/* Steps that may fail each; returns how many did. */
static unsigned program(struct fake *f)
{
	struct sh_dmap_req req = {.clear = SH_DM_W}, back = {.set = SH_DM_W};
	struct sh_root_info root;
	struct sh_mapped m;
	struct sh_zap z;
	unsigned failed = 0;
	void *w;

	gmem_thread_exit(f->gm); /* as a thread that has opened no window yet */
	w = gmem_pool_map(f->gm, GFN(G_DATA));
	failed += !w;
	if (w)
		gmem_pool_unmap(f->gm, w);
	for (unsigned i = 0; i < 12; i++) {
		struct sh_walk walk;

		failed += sh_fault(f->vcpu[i % 2].v, GVA((uint64_t)i << 12), SH_USER | SH_WRITE,
				   &walk) == SH_FAULT_HOST;
	}
	failed += sh_map_range(f->vcpu[0].v, GVA(0), 24, SH_USER, &m) != 0;
	failed += sh_trace_set(f->mmu, 1ull << SH_TR_flush) != 0;
	failed += sh_dmap_create(f->mmu, NULL) != 0;
	failed += sh_dmap_change(f->mmu, NULL, GFN(1000), 1, &req) != 0;
	failed += sh_dmap_change(f->mmu, NULL, GFN(1000), 1, &back) != 0;
	for (unsigned i = 0; i < 9; i++) {
		uint64_t e = fx_pte(G_DATA + 3 + i, T_RWU);

		failed += sh_write(f->mmu, f->vcpu[0].v, GPA((G_PT << 12) + 8 * i), &e, 8) != 0;
	}
	if (sh_roots(f->mmu, &root, 1))
		failed += sh_zap_range(f->mmu, NULL, root.gfn, root.role, GVA(0x3000),
				       GVA(0x5fff), &z) != 0;
	gather_unmap(f, &rel, 0, G_DATA, 24); /* does not fail */
	CU_ASSERT_EQUAL(rel.n, 24);
	CU_ASSERT_EQUAL(rel.stale, 0);
	gather_unmap(f, &rel, 0, G_PT, 1); /* a table goes, by whatever way */
	return failed;
}

static void whole_again(struct fake *f)
{
	CU_ASSERT_EQUAL(program(f), 0);
	fx_settle(f);
	CU_ASSERT_EQUAL(f->mmu->dying, f->mmu->defer->in_kept);
	CU_ASSERT_EQUAL(gmem_held(f->gm), 0);
	fx_end(f);
}

static void fail_each(enum sh_inject_point p, unsigned least, bool says_so)
{
	struct sh_inject_state s;
	unsigned hits = 0;

	for (unsigned k = 0;; k++) {
		unsigned failed;
		struct fake f;

		start(&f);
		sh_inject_arm(sh_mmu_inject(f.mmu), p, k, 1, 0);
		failed = program(&f);
		sh_inject_look(sh_mmu_inject(f.mmu), p, &s);
		sh_inject_arm(sh_mmu_inject(f.mmu), p, 0, 0, 0);
		if (says_so && s.hits)
			CU_ASSERT(failed > 0);
		whole_again(&f);
		if (!s.hits)
			break;
		hits++;
	}
	CU_ASSERT(hits >= least);
}

static void test_table(void)
{
	fail_each(SH_INJECT_TABLE, 2, false); /* the low water mark is no error */
}

static void test_record(void)
{
	fail_each(SH_INJECT_RECORD, 20, false);
}

static void test_window(void)
{
	fail_each(SH_INJECT_WINDOW, 5, false); /* a prefetch goes without */
	fail_each(SH_INJECT_THREAD, 1, true);
}

static void test_pool(void)
{
	fail_each(SH_INJECT_POOL, 1, true);
	fail_each(SH_INJECT_POOL_MAP, 1, true);
}

static void test_split(void)
{
	fail_each(SH_INJECT_SPLIT, 1, true);
}

static void test_gathers(void)
{
	fail_each(SH_INJECT_BATCH, 1, false);
	fail_each(SH_INJECT_DEFER, 1, false);
	fail_each(SH_INJECT_MAP_PAGE, 24, true);
}

static void test_made_late(void)
{
	fail_each(SH_INJECT_DMAP, 1, true);
	fail_each(SH_INJECT_TRACE, 1, true);
}

/* Without paging and without memory for the direct map a guest runs on direct pages; it is made when
 * there is memory. */
static void test_no_direct_map(void)
{
	struct sh_regs off = {.cr0 = 1};
	uint64_t val = 0;
	mfn_t root;
	struct fake f;

	start(&f);
	sh_inject_arm(sh_mmu_inject(f.mmu), SH_INJECT_DMAP, 0, SH_INJECT_ALWAYS, 0);
	fake_set_regs(&f, 0, &off, true);
	CU_ASSERT_EQUAL(fake_access(&f, 0, G_DATA << 12, SH_WRITE, &val, 8).kind, FAKE_OK);
	CU_ASSERT_FALSE(sh_dmap_root(f.mmu, &root));
	sh_inject_arm(sh_mmu_inject(f.mmu), SH_INJECT_DMAP, 0, 0, 0);
	CU_ASSERT_EQUAL(sh_dmap_create(f.mmu, NULL), 0);
	fake_set_regs(&f, 0, &off, true);
	CU_ASSERT_EQUAL(fake_access(&f, 0, G_DATA << 12, SH_WRITE, &val, 8).kind, FAKE_OK);
	CU_ASSERT(sh_dmap_root(f.mmu, &root) && root.v == f.vcpu[0].root);
	fx_settle(&f);
	fx_end(&f);
}

/* Parked windows that the host does not show again stay parked; once more, and they are back. */
static void test_parked(void)
{
	struct gmem_parked parked;
	uint64_t *w;
	struct fake f;

	start(&f);
	w = gmem_map(f.gm, GFN(G_DATA));
	*w = 77;
	gmem_park(f.gm, &parked);
	sh_inject_arm(sh_mmu_inject(f.mmu), SH_INJECT_WINDOW, 0, 1, 0);
	CU_ASSERT_EQUAL(gmem_unpark(f.gm, &parked), -ENOMEM);
	CU_ASSERT_EQUAL(gmem_held(f.gm), 0);
	CU_ASSERT_EQUAL(gmem_unpark(f.gm, &parked), 0);
	CU_ASSERT_EQUAL(*w, 77);
	gmem_unmap(f.gm, w);
	CU_ASSERT_EQUAL(gmem_held(f.gm), 0);
	fx_end(&f);
}

/* All that can wait does. */
static void test_stalls(void)
{
	static const enum sh_inject_point points[] = {
		SH_INJECT_GRACE, SH_INJECT_SHOOT, SH_INJECT_POOL,     SH_INJECT_ANSWER,
		SH_INJECT_DEFER, SH_INJECT_TABLE, SH_INJECT_POOL_MAP, SH_INJECT_THREAD,
		SH_INJECT_DMAP,	 SH_INJECT_TRACE};
	struct fake f;

	start(&f);
	for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		sh_inject_arm(sh_mmu_inject(f.mmu), points[i], 0, 0, 3);
	CU_ASSERT_EQUAL(program(&f), 0);
	whole_again(&f);
}

static void test_names(void)
{
	for (int i = 0; i < SH_INJECTS; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(sh_inject_names[i]);
		CU_ASSERT_EQUAL(sh_inject_find(sh_inject_names[i]), i);
	}
	CU_ASSERT_EQUAL(sh_inject_find("moon"), -1);
}

const struct tap_case suite_inject[] = {
	{"tables can't be had", test_table},
	{"records can't be had", test_record},
	{"windows can't be had", test_window},
	{"persistent windows can't be had", test_pool},
	{"tables for splits can't be had", test_split},
	{"gathers, queues and ranges go without", test_gathers},
	{"what is made late can't be had", test_made_late},
	{"a guest without paging and without a direct map", test_no_direct_map},
	{"parked windows that can't be shown", test_parked},
	{"everything stalls", test_stalls},
	{"points by name", test_names},
	{0},
};
