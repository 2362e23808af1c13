/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: the direct map and guests: one without paging that runs on it, the entries of one with paging
 * that follow it, frames that are free. Read first: shadow_dmap.h.
 */
#include <errno.h>

#include "tests/unit/shadow_dmap.h"

static void start(struct fake *f, uint64_t size, bool gated)
{
	struct fake_config cfg;

	dmt_config(&cfg, size);
	cfg.vcpus = 2;
	cfg.gated = gated;
	dmt_start(f, &cfg);
}

static struct fake_result touch(struct fake *f, unsigned vcpu, uint64_t frame, unsigned flags)
{
	uint64_t v = 7;

	return fake_access(f, vcpu, frame << 12, flags, &v, 8);
}

/* Withheld, and at that page. */
static bool denied(struct fake *f, unsigned vcpu, uint64_t frame, unsigned flags)
{
	struct fake_result r = touch(f, vcpu, frame, flags);

	return r.kind == FAKE_HOST && r.error == EACCES;
}

static bool allowed(struct fake *f, unsigned vcpu, uint64_t frame, unsigned flags)
{
	struct fake_result r = touch(f, vcpu, frame, flags);

	return r.kind == FAKE_OK && r.gpa >> 12 == frame && !r.emulated;
}

static void paging_off(bool gated)
{
	struct sh_regs off = dmt_off();
	struct fake f;
	mfn_t root, peek;

	start(&f, 8 * BIGM, gated);
	fake_set_regs(&f, 1, &off, true);
	for (uint64_t i = 0; i < 4 * M2; i += 37) {
		CU_ASSERT(allowed(&f, 1, i, i % 2 ? SH_WRITE : 0));
		CU_ASSERT(allowed(&f, 1, i, SH_USER | SH_FETCH));
	}
	CU_ASSERT_EQUAL(f.faults, 0); /* all of it is there from the start */
	CU_ASSERT(sh_dmap_root(f.mmu, &root));
	CU_ASSERT_EQUAL(f.vcpu[1].root, root.v);
	CU_ASSERT(sh_root_peek(f.vcpu[1].v, SH_VIEW_USER, &peek) && peek.v == root.v);
	CU_ASSERT_EQUAL(touch(&f, 1, 8 * M2, 0).last, SH_FAULT_NO_RAM);
	/* Less than it needs. */
	dmt_change(&f, M2 + 1, 1, 0, SH_DM_W);
	CU_ASSERT(denied(&f, 1, M2 + 1, SH_WRITE));
	CU_ASSERT(allowed(&f, 1, M2 + 1, SH_FETCH));
	dmt_change(&f, M2 + 1, 1, SH_DM_W, SH_DM_X);
	CU_ASSERT(allowed(&f, 1, M2 + 1, SH_WRITE));
	CU_ASSERT(denied(&f, 1, M2 + 1, SH_FETCH));
	dmt_change(&f, M2 + 1, 1, SH_DM_X, SH_DM_U);
	CU_ASSERT(denied(&f, 1, M2 + 1, 0));
	dmt_change(&f, M2 + 1, 1, SH_DM_U, 0);
	CU_ASSERT(allowed(&f, 1, M2 + 1, SH_WRITE));
	fx_end(&f);
}

static void test_paging_off(void)
{
	paging_off(false);
	paging_off(true);
}

static void test_switched_off(void)
{
	struct sh_regs off = dmt_off();
	struct fake_config cfg;
	struct fake f;
	mfn_t root;

	/* The technique is off; the pool is too small; the map is not one to run on. */
	for (unsigned i = 0; i < 3; i++) {
		dmt_config(&cfg, 8 * BIGM);
		cfg.options.on[SH_OPT_DMAP] = i != 0;
		cfg.limit = i == 1 ? SH_MIN_TABLES + 4 : 0;
		cfg.dmap.attr = i == 2 ? SH_DM_P | SH_DM_W : 0;
		fx_start(&f, &cfg);
		fake_set_regs(&f, 0, &off, true);
		CU_ASSERT(allowed(&f, 0, 300, SH_WRITE));
		CU_ASSERT(f.faults > 0);
		CU_ASSERT_FALSE(sh_dmap_root(f.mmu, &root));
		CU_ASSERT_EQUAL(sh_dmap_create(f.mmu, f.vcpu[0].v), i == 0   ? -EOPNOTSUPP
								    : i == 1 ? -ENOMEM
									     : 0);
		fx_end(&f);
	}
}

/* vCPU 0 has paging on and makes tables, vCPU 1 has none and writes all over the place. */
static void test_tracked(void)
{
	struct sh_regs off = dmt_off();
	uint64_t e = fx_pte(G_DATA + 9, T_RWU);
	struct fake_result r;
	struct fake f;

	start(&f, 8 * BIGM, false);
	fake_set_regs(&f, 1, &off, true);
	CU_ASSERT(allowed(&f, 1, G_PT, SH_WRITE));
	fx_put(&f, G_PT, 0, fx_pte(G_DATA, T_RWU));
	fx_try(&f, 0, 0x1000, SH_USER); /* the tables become tables */
	fx_audit(&f);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_PT)));
	CU_ASSERT_FALSE(dmt_look(&f, G_PT).writable);
	CU_ASSERT_EQUAL(dmt_look(&f, G_PT).attr, SH_DM_RWXU);
	CU_ASSERT_EQUAL(dmt_look(&f, G_PT).level, 2); /* nobody wrote: nothing was split */
	/* A store to a table is emulated and brings the shadow in step. */
	r = fake_access(&f, 1, ((uint64_t)G_PT << 12) + 8, SH_WRITE, &e, 8);
	CU_ASSERT(r.emulated);
	CU_ASSERT_EQUAL(r.last, SH_FAULT_TRACKED);
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).gpa >> 12, G_DATA + 9);
	/* One to a neighbour splits, and is native; other regions don't notice. */
	CU_ASSERT(allowed(&f, 1, G_DATA + 60, SH_WRITE));
	CU_ASSERT_EQUAL(dmt_look(&f, G_PT).level, 1);
	CU_ASSERT_EQUAL(dmt_stats(&f).splits[2], 1);
	CU_ASSERT_EQUAL(dmt_look(&f, M2).level, 2);
	CU_ASSERT(dmt_look(&f, M2).writable);
	CU_ASSERT(touch(&f, 1, G_PD, SH_WRITE).emulated);
	fx_audit(&f);
	fx_end(&f);
}

/* No longer a table: writable again where it is a page of its own, and large again when asked. */
static void test_untracked(void)
{
	struct sh_regs off = dmt_off();
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	cfg.options.on[SH_OPT_ROOTCACHE] = false;
	cfg.options.on[SH_OPT_UNSYNC] = false;
	dmt_start(&f, &cfg);
	dmt_change(&f, G_PML4, 1, SH_DM_PIN, 0);
	fx_try(&f, 0, 0x1000, SH_USER);
	CU_ASSERT_FALSE(dmt_look(&f, G_PML4).writable);
	fake_set_regs(&f, 0, &off, true);
	CU_ASSERT_EQUAL(fake_enter(&f, 0, 0), 0); /* the old root is let go */
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(G_PML4)));
	CU_ASSERT(dmt_look(&f, G_PML4).writable);
	CU_ASSERT(allowed(&f, 0, G_PML4, SH_WRITE));
	fx_end(&f);
}

/* The map is made after there are tables. */
static void test_late(void)
{
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	fx_start(&f, &cfg);
	fx_try(&f, 0, 0x1000, SH_USER);
	CU_ASSERT_EQUAL(sh_dmap_create(f.mmu, f.vcpu[0].v), 0);
	CU_ASSERT_FALSE(dmt_look(&f, G_PT).writable);
	CU_ASSERT(dmt_look(&f, M2).writable);
	fx_end(&f);
}

static int alias(struct fake *f, uint64_t frame, unsigned set, unsigned clear)
{
	struct sh_dmap_req req = {.set = set, .clear = clear, .alias = true};

	return sh_dmap_change(f->mmu, f->vcpu[0].v, GFN(frame), 1, &req);
}

static struct fake_result store_at(struct fake *f, unsigned vcpu, uint64_t va)
{
	uint64_t v = 3;

	return fake_access(f, vcpu, va, SH_USER | SH_WRITE, &v, 8);
}

static struct fake_result load_at(struct fake *f, unsigned vcpu, uint64_t va, unsigned flags)
{
	uint64_t v;

	return fake_access(f, vcpu, va, SH_USER | flags, &v, 8);
}

/* Two addresses of vCPU 0's and 1's address space map the frame, and both have used them. */
static void test_alias(void)
{
	struct fake f;

	start(&f, 8 * BIGM, false);
	fx_put(&f, G_PT, 2, fx_pte(G_DATA + 1, T_RWUD));
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).kind, FAKE_OK);
	CU_ASSERT_EQUAL(store_at(&f, 1, 0x2000).kind, FAKE_OK);
	CU_ASSERT_EQUAL(alias(&f, G_DATA + 1, 0, SH_DM_W), 0);
	CU_ASSERT_EQUAL(dmt_stats(&f).alias_leaves, 2);
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).error, EACCES);
	CU_ASSERT_EQUAL(store_at(&f, 1, 0x2000).kind, FAKE_HOST);
	CU_ASSERT_EQUAL(load_at(&f, 0, 0x1000, SH_FETCH).kind, FAKE_OK);
	fx_audit(&f);
	/* Executable or not is none of the direct map's business. */
	CU_ASSERT_EQUAL(alias(&f, G_DATA + 1, 0, SH_DM_X), 0);
	CU_ASSERT_EQUAL(load_at(&f, 1, 0x2000, SH_FETCH).kind, FAKE_OK);
	CU_ASSERT_EQUAL(dmt_stats(&f).alias_leaves, 2);
	CU_ASSERT_EQUAL(alias(&f, G_DATA + 1, 0, SH_DM_P), 0);
	CU_ASSERT_EQUAL(load_at(&f, 0, 0x1000, 0).error, EACCES);
	CU_ASSERT_EQUAL(load_at(&f, 1, 0x2000, 0).kind, FAKE_HOST);
	CU_ASSERT_EQUAL(load_at(&f, 1, 0x3000, 0).kind, FAKE_OK);
	fx_audit(&f);
	CU_ASSERT_EQUAL(alias(&f, G_DATA + 1, SH_DM_P | SH_DM_W, 0), 0);
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).kind, FAKE_OK);
	CU_ASSERT_EQUAL(store_at(&f, 1, 0x2000).kind, FAKE_OK);
	fx_end(&f);
}

/* The guest maps the frame by a large page, and so does its shadow. */
static void test_alias_large(void)
{
	uint64_t va = 4 * BIGM, at = M2 + 9;
	struct sh_stats st;
	struct sh_wx wx;
	struct fake f;

	start(&f, 8 * BIGM, false);
	fx_put(&f, G_PD, 2, PTE_PS | fx_pte(M2, T_RWUD));
	CU_ASSERT_EQUAL(store_at(&f, 0, va + 0x9000).kind, FAKE_OK);
	sh_mmu_stats(f.mmu, &st);
	CU_ASSERT_EQUAL(st.pages_2m, 1);
	sh_wx_scan(f.mmu, &wx);
	CU_ASSERT(wx.leaves >= 4 * M2 + M2);
	CU_ASSERT_EQUAL(alias(&f, at, 0, SH_DM_W), 0);
	CU_ASSERT_EQUAL(store_at(&f, 0, va + 0x9000).error, EACCES);
	CU_ASSERT_EQUAL(store_at(&f, 0, va + 0xa000).kind, FAKE_OK);
	CU_ASSERT_EQUAL(load_at(&f, 0, va + 0x9000, 0).kind, FAKE_OK);
	fx_audit(&f);
	CU_ASSERT_EQUAL(alias(&f, at, SH_DM_W, 0), 0);
	CU_ASSERT_EQUAL(store_at(&f, 0, va + 0x9000).kind, FAKE_OK);
	fx_end(&f);
}

/* From writable to executable through the direct map; the guest's own entry is writable. */
static void test_alias_wx(void)
{
	struct fake_config cfg;
	struct sh_wx wx;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	cfg.dmap.attr = SH_DM_P | SH_DM_W | SH_DM_U;
	dmt_start(&f, &cfg);
	fx_put(&f, G_PT, 1, fx_pte(G_DATA + 1, T_RWUD) | PTE_NX);
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).kind, FAKE_OK);
	CU_ASSERT_EQUAL(alias(&f, G_DATA + 1, SH_DM_X, SH_DM_W), 0);
	sh_wx_scan(f.mmu, &wx);
	CU_ASSERT_EQUAL(wx.wx_alias, 0);
	CU_ASSERT(store_at(&f, 0, 0x1000).kind == FAKE_HOST);
	fx_end(&f);
}

static void pagealloc(unsigned largest)
{
	struct sh_regs off = dmt_off();
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	cfg.vcpus = 2;
	cfg.dmap.pagealloc = true;
	cfg.dmap.largest = largest;
	dmt_start(&f, &cfg);
	fake_set_regs(&f, 1, &off, true);
	CU_ASSERT(allowed(&f, 1, G_DATA + 1, SH_WRITE));
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).kind, FAKE_OK);
	CU_ASSERT_EQUAL(sh_dmap_frames_freed(f.mmu, NULL, GFN(G_DATA + 1), 1), 0);
	CU_ASSERT(denied(&f, 1, G_DATA + 1, 0));
	CU_ASSERT(denied(&f, 1, G_DATA + 1, SH_WRITE));
	CU_ASSERT(allowed(&f, 1, G_DATA + 2, SH_WRITE));
	CU_ASSERT(allowed(&f, 1, G_DATA, SH_WRITE));
	CU_ASSERT_EQUAL(load_at(&f, 0, 0x1000, 0).error, EACCES);
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).kind, FAKE_HOST);
	CU_ASSERT_EQUAL(load_at(&f, 0, 0x2000, 0).kind, FAKE_OK);
	fx_audit(&f);
	CU_ASSERT_EQUAL(sh_dmap_frames_used(f.mmu, NULL, GFN(G_DATA + 1), 1), 0);
	CU_ASSERT(allowed(&f, 1, G_DATA + 1, SH_WRITE));
	CU_ASSERT_EQUAL(store_at(&f, 0, 0x1000).kind, FAKE_OK);
	if (largest == 1)
		CU_ASSERT_EQUAL(dmt_stats(&f).splits[2] + dmt_stats(&f).splits[3], 0);
	fx_end(&f);
}

static void test_pagealloc(void)
{
	struct fake f;

	pagealloc(0);
	pagealloc(1);
	start(&f, 8 * BIGM, false); /* without the debug mode free is just free */
	CU_ASSERT_EQUAL(sh_dmap_frames_freed(f.mmu, NULL, GFN(G_DATA + 1), 1), 0);
	CU_ASSERT_EQUAL(dmt_look(&f, G_DATA + 1).attr, SH_DM_RWXU);
	fx_end(&f);
}

/* A persistent window without users still shows its frame; not when the frame has become free. */
static void test_windows(void)
{
	uint8_t *free_page, *held, *other;
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	cfg.lowmem = 0;
	cfg.dmap.pagealloc = true;
	dmt_start(&f, &cfg);
	free_page = gmem_pool_map(f.gm, GFN(G_DATA + 1));
	held = gmem_pool_map(f.gm, GFN(G_DATA + 2));
	other = gmem_pool_map(f.gm, GFN(G_DATA + 3));
	gmem_pool_unmap(f.gm, free_page);
	gmem_pool_unmap(f.gm, other);
	CU_ASSERT_FALSE(fx_faults(free_page));
	CU_ASSERT_EQUAL(sh_dmap_frames_freed(f.mmu, NULL, GFN(G_DATA + 1), 2), 0);
	CU_ASSERT(fx_faults(free_page));
	CU_ASSERT_FALSE(fx_faults(held));
	CU_ASSERT_FALSE(fx_faults(other));
	CU_ASSERT_EQUAL(sh_dmap_frames_used(f.mmu, NULL, GFN(G_DATA + 1), 2), 0);
	gmem_pool_unmap(f.gm, held);
	fx_end(&f);
}

const struct tap_case suite_dmap_guest[] = {
	{"a guest without paging runs on the direct map", test_paging_off},
	{"without a direct map it runs on direct pages", test_switched_off},
	{"tables of one vCPU, stores of another without paging", test_tracked},
	{"a frame that is no table any more is writable", test_untracked},
	{"a direct map made after tables were", test_late},
	{"PA-14: shadow leaves follow the direct map", test_alias},
	{"PA-14: large leaves follow the direct map", test_alias_large},
	{"PA-14: no hole for W and X by an alias", test_alias_wx},
	{"PA-14: windows of a frame go first", test_windows},
	{"PA-17: a frame that is free is mapped nowhere", test_pagealloc},
	TAP_NO_CASE,
};
