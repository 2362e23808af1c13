/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: the four PDPTEs of PAE paging are registers of a vCPU: loaded and checked at MOV CR3,
 * cached since (SDM vol. 3, section 4.4.1). Read first: shadow_modes.h.
 */
#include <string.h>

#include "shadow/spte.h"
#include "tests/unit/shadow_modes.h"

/* What the reference refuses to load is what the format's table calls reserved, if P is set. */
static void test_reserved(void)
{
	static const uint8_t widths[] = {32, 36, 40, 52};
	struct mm_cpu cpu;
	struct fake f;

	fx_default(&f);
	cpu = fx_cpu(&f, 0);
	cpu.cr3 = M_PDPT << 12;
	for (unsigned i = 0; i < 4 * 4 * 63; i++) {
		unsigned bit = 1 + i % 63, index = i / 63 % 4;
		uint64_t e = fx_pte(M_PD, PTE_P) | 1ull << bit, rsvd;

		cpu.maxphyaddr = widths[i / 63 / 4];
		rsvd = sh_rsvd_bits(&sh_formats[SH_FMT_PAE], 3, false, cpu.maxphyaddr, true,
				    true);
		fx_put(&f, M_PDPT, index, e);
		CU_ASSERT_EQUAL(mm_load_pdptes(&cpu), !(e & rsvd));
		fx_put(&f, M_PDPT, index, e & ~PTE_P);
		CU_ASSERT(mm_load_pdptes(&cpu));
		fx_put(&f, M_PDPT, index, 0);
	}
	fx_end(&f);
}

/* An engine that loads one with a reserved bit all the same gets a fault and no translation. */
static void test_unchecked(void)
{
	struct sh_regs r;
	struct fake f;

	modes_start(&f, 4);
	modes_set(&f, 0, SH_FMT_PAE);
	r = *sh_vcpu_regs(f.vcpu[0].v);
	for (unsigned bit = 1; bit < 64; bit++) {
		r.pdpte[0] = fx_pte(M_PD, PTE_P) | 1ull << bit;
		fake_set_regs(&f, 0, &r, true);
		fx_try(&f, 0, 0x1000, 0);
		fx_audit(&f);
	}
	r.pdpte[0] = fx_pte(M_PD, PTE_P | PTE_W);
	fake_set_regs(&f, 0, &r, true);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).error, SH_PF_P | SH_PF_RSVD);
	fx_end(&f);
}

/* A change in memory is seen at the next MOV CR3 and not before, whatever is flushed. */
static void test_cached(void)
{
	struct fake f;

	modes_start(&f, 4);
	fx_put(&f, M_PD_B, 0, fx_pte(M_PT, T_RWU));
	fx_put(&f, M_PT, 512 - 1, fx_pte(G_DATA + 50, T_RWU));
	modes_set(&f, 0, SH_FMT_PAE);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, 0, 1).gpa, (G_DATA + 1) << 12);
	fx_put(&f, M_PDPT, 0, 0);
	fx_put(&f, M_PDPT, 3, fx_pte(M_PD_B, PTE_P));
	fx_invlpg(&f, 0, 0x1000);
	sh_flush_all(f.vcpu[0].v);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 3 * GiB + 0x1000, 0).kind, FAKE_PF);
	modes_set(&f, 0, SH_FMT_PAE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 3 * GiB + 0x1000, 0).gpa, (G_DATA + 1) << 12);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 3 * GiB + (511 << 12), 0).gpa, (G_DATA + 50) << 12);
	fx_end(&f);
}

/* CR3's frame is memory like any other; the directories are tables. */
static void test_tracking(void)
{
	struct fake f;

	modes_start(&f, 4);
	fx_put(&f, M_PT, 40, fx_pte(M_PDPT, T_RWUD));
	fx_put(&f, M_PT, 41, fx_pte(M_PD, T_RWUD));
	modes_set(&f, 0, SH_FMT_PAE);
	CU_ASSERT_FALSE(fx_store(&f, 0, (40 << 12) + 8, 0, 0).emulated);
	CU_ASSERT(fx_store(&f, 0, (41 << 12) + 8, 0, fx_pte(M_PT, T_RWU)).emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x1000, 0).gpa, (G_DATA + 1) << 12);
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(M_PDPT)));
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(M_PD)));
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(M_PT)));
	fx_end(&f);
}

/* One CR3, loaded by two vCPUs at different times; the directories below are shared. */
static void test_private(void)
{
	struct fake f;

	modes_start(&f, 4);
	modes_put32(&f, M_PD32, 0, 0);
	fx_put(&f, M_PD_B, 0, fx_pte(M_PT, T_RWU));
	fx_put(&f, M_PD_B, 1, fx_pte(M_PT, T_RWU));
	modes_set(&f, 0, SH_FMT_PAE);
	fx_put(&f, M_PDPT, 0, fx_pte(M_PD_B, PTE_P));
	modes_set(&f, 1, SH_FMT_PAE);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_OK);
		CU_ASSERT_EQUAL(fx_try(&f, 1, 0x1000, 0).kind, FAKE_OK);
		CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x1000, 0).kind, FAKE_PF);
		CU_ASSERT_EQUAL(fx_try(&f, 1, 2 * MiB + 0x1000, 0).kind, FAKE_OK);
		sh_flush_all(f.vcpu[i % 2].v);
		fx_audit(&f);
	}
	CU_ASSERT(f.vcpu[0].root != f.vcpu[1].root);
	modes_set(&f, 0, SH_FMT_PAE);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB + 0x1000, 0).kind, FAKE_OK);
	CU_ASSERT_PTR_NOT_NULL(sh_page_of_gfn(f.mmu, GFN(M_PD_B), NULL));
	fx_end(&f);
}

/* One directory under two PDPTEs, and a directory that is a page table of its own. */
static void test_self_map(void)
{
	struct fake f;

	modes_start(&f, 4);
	for (unsigned i = 1; i < 4; i++)
		fx_put(&f, M_PDPT, i, fx_pte(M_PD, PTE_P));
	fx_put(&f, M_PD, 511, fx_pte(M_PD, T_RWUD));
	modes_set(&f, 0, SH_FMT_PAE);
	for (uint64_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(fx_try(&f, 0, i * GiB + 0x1000, 0).gpa, (G_DATA + 1) << 12);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xfffff000, 0).gpa, M_PD << 12);
	CU_ASSERT(fx_store(&f, 0, 0xfffff000 + 8 * 7, 0, fx_pte(M_PT, T_RWU)).emulated);
	for (uint64_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(fx_try(&f, 0, i * GiB + 14 * MiB + 0x2000, SH_USER).gpa,
				(G_DATA + 2) << 12);
	fx_end(&f);
}

/* Directories of PDPTEs that were loaded over are data at the first write. */
static void test_left_behind(void)
{
	struct fake f;

	modes_start(&f, 4);
	f.mmu->opt.on[SH_OPT_FLOOD] = false;
	fx_put(&f, M_PD_B, 0, fx_pte(M_PT, T_RWU));
	fx_put(&f, M_PDPT, 4, fx_pte(M_PD_B, PTE_P));
	modes_set(&f, 0, SH_FMT_PAE);
	fx_try(&f, 0, 0, 0);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(M_PD)));
	modes_set_cr3(&f, 0, SH_FMT_PAE, (M_PDPT << 12) + 32);
	fx_try(&f, 0, 0, 0);
	fx_put(&f, M_PD, 0, 0);
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(M_PD)));
	/* Out of PAE the registers stay, and so does what was made of them, until it is written. */
	modes_set(&f, 0, SH_FMT_4LVL);
	fx_try(&f, 0, 0, 0);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(M_PD_B)));
	fx_put(&f, M_PD_B, 0, 0);
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(M_PD_B)));
	fx_end(&f);
}

/* A vCPU that goes takes its PDPTEs along; the next of its number starts without. */
static void test_gone(void)
{
	struct sh_regs r;
	struct fake f;

	modes_start(&f, 4);
	modes_set(&f, 1, SH_FMT_PAE);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 0x1000, 0).kind, FAKE_OK);
	r = *sh_vcpu_regs(f.vcpu[1].v);
	sh_vcpu_destroy(f.vcpu[1].v);
	CU_ASSERT_EQUAL(sh_page_of_vcpu(f.mmu, 1, NULL)->present, 0);
	fx_audit(&f);
	CU_ASSERT_EQUAL_FATAL(sh_vcpu_create(f.mmu, 1, &f.vcpu[1].v), 0);
	r.pdpte[0] = 0;
	fake_set_regs(&f, 1, &r, true);
	fx_audit(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 0x1000, 0).kind, FAKE_PF);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 0x1000, 0).tlb_hit, false);
	fx_end(&f);
}

/* What the auditor says of these pages. */
static void test_audit(void)
{
	char buf[1000] = "";
	_Atomic uint64_t *above;
	struct sh_page *regs;
	struct fake f;

	modes_start(&f, 4);
	modes_set(&f, 0, SH_FMT_PAE);
	fx_try(&f, 0, 0x1000, 0);
	regs = sh_page_of_vcpu(f.mmu, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(regs);
	atomic_store(&f.mmu->pdpte[0][0], fx_pte(M_PD_B, PTE_P));
	CU_ASSERT_EQUAL(sh_audit(f.mmu, buf, sizeof(buf)), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "upper entry names a page of another key"));
	atomic_store(&f.mmu->pdpte[0][0], fx_pte(M_PD, PTE_P));
	/* An entry that no 32-bit address leads through. */
	above = &sh_page_table(f.mmu, &f.mmu->pages[f.vcpu[0].root - FAKE_TABLE_MFN])[1];
	atomic_store(above, sh_spte_table(sh_page_mfn(f.mmu, regs)));
	CU_ASSERT(sh_audit(f.mmu, buf, sizeof(buf)) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "upper entry names a page of another key"));
	atomic_store(above, 0);
	fx_end(&f);
}

const struct tap_case suite_pae[] = {
	{"reserved bits of PDPTEs", test_reserved},
	{"PDPTEs loaded unchecked", test_unchecked},
	{"PDPTEs in memory change nothing before MOV CR3", test_cached},
	{"CR3's frame is not tracked, directories are", test_tracking},
	{"each vCPU has its own PDPTEs", test_private},
	{"a directory under all PDPTEs that maps itself", test_self_map},
	{"directories left behind by PDPTEs", test_left_behind},
	{"a vCPU's PDPTEs go with it", test_gone},
	{"what the auditor says of PDPTEs", test_audit},
	{0},
};
