/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suites: hidden and true faults, large pages, rights. Read first: shadow_fixture.h.
 */
#include "tests/unit/shadow_fixture.h"

static void test_hidden_then_hit(void)
{
	struct fake f;
	struct fake_result r;

	fx_default(&f);
	r = fx_try(&f, 0, 0x1000, SH_USER);
	CU_ASSERT(r.faults >= 1 && !r.emulated);
	r = fx_try(&f, 0, 0x1000, SH_USER);
	CU_ASSERT(r.faults == 0 && r.tlb_hit);
	CU_ASSERT_EQUAL(r.gpa, (G_DATA + 1) << 12);
	fx_end(&f);
}

/* Every error code a data access or fetch can have, by the entry that causes it. */
static void test_true_faults(void)
{
	static const struct {
		uint64_t bits;
		unsigned flags;
		uint32_t error;
	} c[] = {
		{0, SH_READ, 0},
		{0, SH_WRITE, SH_PF_W},
		{0, SH_USER, SH_PF_U},
		{0, SH_USER | SH_WRITE, SH_PF_U | SH_PF_W},
		{0, SH_USER | SH_FETCH, SH_PF_U | SH_PF_I},
		{T_RW, SH_USER, SH_PF_U | SH_PF_P},
		{T_RW, SH_USER | SH_WRITE, SH_PF_U | SH_PF_W | SH_PF_P},
		{PTE_P | PTE_A, SH_WRITE, SH_PF_W | SH_PF_P},
		{PTE_P | PTE_U | PTE_A, SH_USER | SH_WRITE, SH_PF_U | SH_PF_W | SH_PF_P},
		{T_RW | PTE_NX, SH_FETCH, SH_PF_I | SH_PF_P},
		{T_RWU | PTE_NX, SH_FETCH | SH_USER, SH_PF_U | SH_PF_I | SH_PF_P},
		{T_RW | 1ull << 45, SH_READ, SH_PF_RSVD | SH_PF_P},
		{T_RWU | 1ull << 51, SH_USER | SH_WRITE,
		 SH_PF_RSVD | SH_PF_P | SH_PF_U | SH_PF_W},
	};
	struct fake f;

	fx_default(&f);
	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct fake_result r;

		fx_put(&f, G_PT, 40, fx_pte(G_DATA, c[i].bits));
		fx_invlpg(&f, 0, 40 << 12);
		r = fx_try(&f, 0, 40 << 12, c[i].flags);
		CU_ASSERT_EQUAL(r.kind, FAKE_PF);
		CU_ASSERT_EQUAL(r.error, c[i].error);
	}
	fx_end(&f);
}

static void test_not_canonical(void)
{
	struct fake f;

	fx_default(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x0000800000000000ull, 0).kind, FAKE_NOT_CANON);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xffff7fffffffffffull, 0).kind, FAKE_NOT_CANON);
	fx_end(&f);
}

static void test_dirty_on_write(void)
{
	struct fake f;

	fx_default(&f);
	fx_try(&f, 0, 0x2000, SH_USER);
	CU_ASSERT(!(fx_get(&f, G_PT, 2) & PTE_D));
	fx_store(&f, 0, 0x2000, SH_USER, 7);
	CU_ASSERT(fx_get(&f, G_PT, 2) & PTE_D);
	fx_end(&f);
}

static void test_accessed_bits(void)
{
	static const unsigned table[] = {G_PML4, G_PDPT, G_PD, G_PT};
	struct fake f;

	fx_default(&f);
	for (unsigned i = 0; i < 4; i++)
		fx_put(&f, table[i], 0, fx_get(&f, table[i], 0) & ~PTE_A);
	fx_try(&f, 0, 0, SH_USER);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT(fx_get(&f, table[i], 0) & PTE_A);
	fx_end(&f);
}

static void test_device_and_gate(void)
{
	struct fake_config cfg;
	struct fake f;
	struct fake_result r;

	fake_defaults(&cfg);
	cfg.gate_entry = fx_pte(FAKE_TABLE_MFN + cfg.tables, PTE_P);
	fx_start(&f, &cfg);
	fx_put(&f, G_PT, 33, fx_pte(0x80000, T_RWU));
	r = fx_try(&f, 0, 33 << 12, SH_USER);
	CU_ASSERT_EQUAL(r.last, SH_FAULT_NO_RAM);
	fx_put(&f, G_PML4, 256, fx_pte(G_PDPT, T_RWU));
	r = fx_try(&f, 0, 0xffff800000001000ull, SH_USER);
	CU_ASSERT_EQUAL(r.last, SH_FAULT_GATE);
	fx_end(&f);
}

static void test_paging_off(void)
{
	struct sh_regs r = {.cr0 = 1};
	struct fake f;

	fx_default(&f);
	fake_set_regs(&f, 0, &r, true);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x12345678 & 0x3ffff8, 0, 1).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, SH_USER | SH_FETCH).gpa, 0x3000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xd0000000, 0).last, SH_FAULT_NO_RAM);
	fx_end(&f);
}

static void test_cr3_switch(void)
{
	for (unsigned cache = 0; cache < 2; cache++) {
		struct sh_regs a = fx_regs(G_PML4), b = fx_regs(G_PML4_B);
		struct fake_config cfg;
		struct fake f;
		uint64_t made;

		fake_defaults(&cfg);
		cfg.options.on[SH_OPT_ROOTCACHE] = cache;
		fx_start(&f, &cfg);
		fx_try(&f, 0, 0x1000, 0);
		fake_set_regs(&f, 0, &b, true);
		fx_try(&f, 0, 0x1000, 0);
		made = fx_stat(&f, SH_ST_CACHE_MISS);
		for (unsigned i = 0; i < 10; i++) {
			fake_set_regs(&f, 0, i & 1 ? &b : &a, true);
			CU_ASSERT(fx_try(&f, 0, 0x1000, 0).kind == FAKE_OK);
		}
		CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_CACHE_MISS) == made, cache);
		CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_CR3_LOAD), 12);
		fx_end(&f);
	}
}

static void test_invlpg_after_change(void)
{
	struct fake f;

	fx_default(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, 0).gpa, (G_DATA + 3) << 12);
	fx_put(&f, G_PT, 3, fx_pte(G_DATA + 9, T_RWU));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, 0).gpa, (G_DATA + 3) << 12); /* may be stale */
	fx_invlpg(&f, 0, 0x3000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, 0).gpa, (G_DATA + 9) << 12);
	fx_end(&f);
}

/* Counters: each fault has one outcome. */
static void test_statistics(void)
{
	struct fake f;
	uint64_t sum;

	fx_default(&f);
	for (unsigned i = 0; i < 64; i++)
		fx_store(&f, 0, (uint64_t)i << 12, i & 1 ? SH_USER : 0, i);
	fx_put(&f, G_PT, 50, fx_pte(G_PT, T_RWU));
	fx_store(&f, 0, 50 << 12, SH_USER, fx_pte(G_DATA, T_RWUD));
	sum = fx_stat(&f, SH_ST_PF_FIXED) + fx_stat(&f, SH_ST_PF_GUEST) +
	      fx_stat(&f, SH_ST_PF_SPURIOUS) + fx_stat(&f, SH_ST_PF_EMULATE);
	CU_ASSERT_EQUAL(sum, fx_stat(&f, SH_ST_PF_TAKEN));
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_PF_TAKEN), f.faults);
	CU_ASSERT(fx_stat(&f, SH_ST_PF_GUEST) > 0 && fx_stat(&f, SH_ST_PF_EMULATE) == 1);
	for (unsigned i = 0; i < SH_STATS; i++)
		CU_ASSERT_PTR_NOT_NULL(sh_stat_names[i]);
	fx_end(&f);
}

/* A page that becomes a table in the walk of the very fault: present faults at once. */
static void test_root_views(void)
{
	struct sh_root_info info[8];
	struct sh_path path;
	struct fake f;

	fx_default(&f);
	fx_try(&f, 0, 0x1000, 0);
	fx_try(&f, 0, 0x1000, SH_USER);
	CU_ASSERT_EQUAL(sh_roots(f.mmu, info, 8), 2);
	CU_ASSERT(info[0].pins && info[1].pins && info[0].gfn.v == G_PML4);
	CU_ASSERT(sh_path(f.mmu, MFN(f.vcpu[0].root), GVA(0x1000), &path));
	CU_ASSERT(path.top == 4 && path.level == 1 && path.gfn[1].v == G_PT);
	CU_ASSERT_EQUAL(path.spte[1] >> 12 & 0xffffff, G_DATA + 1);
	CU_ASSERT_FALSE(sh_path(f.mmu, MFN(1), GVA(0), &path));
	fx_end(&f);
}

const struct tap_case suite_fault[] = {
	{"a hidden fault, then a hit", test_hidden_then_hit},
	{"true faults and their error codes", test_true_faults},
	{"addresses that are not canonical", test_not_canonical},
	{"D on the first write", test_dirty_on_write},
	{"A on all levels", test_accessed_bits},
	{"device memory and the gate's slot", test_device_and_gate},
	{"paging off", test_paging_off},
	{"CR3 switches with and without the root cache", test_cr3_switch},
	{"INVLPG after a change", test_invlpg_after_change},
	{"statistics add up", test_statistics},
	{"roots and paths can be looked at", test_root_views},
	{0},
};
