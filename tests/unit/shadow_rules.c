/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Cases that broke other shadow MMUs and have no place in another suite (docs/hazards.md names them
 * all). Read first: shadow_fixture.h.
 */
#include <CUnit/CUnit.h>

#include "shadow/page.h"
#include "tests/unit/shadow_fixture.h"
#include "tests/unit/tap.h"

/* A store into the very entry that maps the page it goes to: there is no entry under which the
 * instruction could simply be run again, so it must be emulated, and end. */
static void test_own_translation(void)
{
	for (unsigned level = 1; level <= 4; level++) {
		static const unsigned table[] = {0, G_PT, G_PD, G_PDPT, G_PML4};
		/* Entry 300 of the table names the table: the address repeats the index. */
		uint64_t va = 0, self;
		struct fake_result r;
		struct fake f;

		fx_default(&f);
		fx_put(&f, table[level], 300, fx_pte(table[level], T_RW | PTE_D));
		for (unsigned l = 1; l <= level; l++)
			va |= 300ull << (3 + 9 * l);
		va = (uint64_t)((int64_t)(va << 16) >> 16);
		self = va + 300 * 8;
		fx_try(&f, 0, va, 0);
		for (unsigned i = 0; i < 3; i++) {
			r = fx_store(&f, 0, self, 0, fx_pte(G_DATA + i, T_RW | PTE_D));
			CU_ASSERT_EQUAL(r.kind, FAKE_OK);
			CU_ASSERT_EQUAL(fx_get(&f, table[level], 300) >> 12, G_DATA + i);
			fx_audit(&f);
			fx_put(&f, table[level], 300, fx_pte(table[level], T_RW | PTE_D));
			fx_invlpg(&f, 0, va);
		}
		fx_end(&f);
	}
}

/* Frame numbers beyond 2^32 and up to the model's limit are not cut short anywhere: they lead to no
 * RAM, and never to the frame that their low bits name. */
static void test_high_frames(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.model.maxphyaddr = 52;
	fx_start(&f, &cfg);
	for (unsigned bit = 32; bit < 40; bit++) {
		uint64_t high = 1ull << bit;
		struct sh_walk w;

		fx_put(&f, G_PT, 5, fx_pte(high | G_DATA, T_RWU | PTE_D));
		fx_put(&f, G_PD, 20, fx_pte(high, T_RWU | PTE_D | PTE_PS));
		fx_put(&f, G_PDPT, 6, fx_pte(high, T_RWU | PTE_D | PTE_PS));
		fx_invlpg(&f, 0, 0x5000);
		CU_ASSERT_EQUAL(sh_fault(f.vcpu[0].v, GVA(0x5000), 0, &w), SH_FAULT_NO_RAM);
		CU_ASSERT_EQUAL(w.gpa.v >> 12, high | G_DATA);
		CU_ASSERT_EQUAL(sh_fault(f.vcpu[0].v, GVA(20ull << 21), SH_WRITE, &w),
				SH_FAULT_NO_RAM);
		CU_ASSERT_EQUAL(sh_fault(f.vcpu[0].v, GVA(6ull << 30), 0, &w), SH_FAULT_NO_RAM);
		fx_audit(&f);
	}
	fx_end(&f);
}

/* A new leaf for a frame that is a table is not writable, whoever makes it: a fault, the neighbour's
 * prefetch, a tracked write, a resync. */
static void test_new_leaf_of_a_table(void)
{
	for (unsigned how = 0; how < 4; how++) {
		struct sh_regs r = fx_regs(G_PML4);
		struct fake f;

		fx_default(&f);
		fx_put(&f, G_PD, 1, fx_pte(G_PT_B, T_RWU));
		for (unsigned i = 0; i < 8; i++)
			fx_put(&f, G_PT_B, i, fx_pte(G_DATA + i, T_RW | PTE_D));
		fx_try(&f, 0, 0x1000, 0); /* G_PT and G_PD are tables from here on */
		fx_try(&f, 0, 2ull << 20, 0);
		if (how == 3) /* G_PT_B goes out of step */
			for (unsigned i = 0; i < 6; i++)
				fx_put(&f, G_PT_B, 100 + i, 0);
		if (how == 3)
			gmem_store(f.gm, GPA((G_PT_B << 12) + 8), fx_pte(G_PD, T_RW | PTE_D),
				   8);
		else
			fx_put(&f, G_PT_B, 1, fx_pte(G_PD, T_RW | PTE_D));
		if (how == 1)
			fx_invlpg(&f, 0, (2ull << 20) + 0x1000);
		if (how == 3)
			fake_set_regs(&f, 0, &r, SH_FLUSH_CURRENT);
		if (how == 0)
			fx_try(&f, 0, (2ull << 20) + 0x1000, 0);
		fx_audit(&f);
		CU_ASSERT(fx_store(&f, 0, (2ull << 20) + 0x1000 + 8 * 77, 0, 0).emulated);
		fx_end(&f);
	}
}

/* A directory entry goes back and forth between a table and a large page, changed by no vCPU, while
 * others fault through it: after each change the old kind is gone, record and all. */
static void test_kinds_alternate(void)
{
	const uint64_t table = fx_pte(G_PT_B, T_RWU), large = fx_pte(0, T_RWU | PTE_D | PTE_PS);
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	fx_start(&f, &cfg);
	fx_put(&f, G_PT_B, 3, fx_pte(G_DATA + 3, T_RWU | PTE_D));
	for (unsigned i = 0; i < 40; i++) {
		uint64_t e = i & 1 ? large : table, va = (7ull << 21) + 0x3000;

		sh_write(f.mmu, NULL, GPA((G_PD << 12) + 8 * 7), &e, 8);
		fx_invlpg(&f, 0, va);
		fx_invlpg(&f, 1, va);
		CU_ASSERT_EQUAL(fx_try(&f, i % 2, va, SH_WRITE).gpa >> 12,
				i & 1 ? 3 : G_DATA + 3);
		fx_try(&f, 1 - i % 2, va, 0);
		fx_audit(&f);
	}
	fx_end(&f);
}

/* Pieces of a large page are cached one by one; INVLPG of any address of it drops all of them, before
 * its entry was changed and after. */
static void test_invlpg_of_large(void)
{
	for (unsigned after = 0; after < 2; after++) {
		struct fake_config cfg;
		struct fake f;

		fake_defaults(&cfg);
		cfg.options.on[SH_OPT_LARGE] = after;
		fx_start(&f, &cfg);
		fx_put(&f, G_PD, 9, fx_pte(0, T_RWU | PTE_D | PTE_PS));
		for (unsigned i = 0; i < 8; i++)
			fx_try(&f, 0, (9ull << 21) + i * 0x1000, 0);
		if (!after) /* behind the monitor's back, so that it finds a large page */
			gmem_store(f.gm, GPA((G_PD << 12) + 8 * 9),
				   fx_pte(512, T_RWU | PTE_D | PTE_PS), 8);
		else
			fx_put(&f, G_PD, 9, 0);
		fx_invlpg(&f, 0, (9ull << 21) + 0x100000);
		for (unsigned i = 0; i < 8; i++)
			CU_ASSERT_FALSE(fake_access(&f, 0, (9ull << 21) + i * 0x1000, 0,
						    &(uint64_t){0}, 8)
						.tlb_hit);
		if (!after)
			gmem_store(f.gm, GPA((G_PD << 12) + 8 * 9),
				   fx_pte(0, T_RWU | PTE_D | PTE_PS), 8);
		fx_end(&f);
	}
}

/* The guest frees an address space and its top table becomes data, or another address space's: no
 * entry of the old one is followed, and the frame is written natively again in the end. */
static void test_root_becomes_data(void)
{
	struct sh_regs other = fx_regs(G_PML4_B), again = fx_regs(G_PML4);
	struct fake f;
	unsigned native = 0;

	fx_default(&f);
	fx_put(&f, G_PT, 40, fx_pte(G_PML4, T_RW | PTE_D));
	fx_try(&f, 0, 0x1000, 0);
	fake_set_regs(&f, 0, &other, SH_FLUSH_CURRENT);
	for (unsigned i = 1; i < 40; i++)
		native += !fx_store(&f, 0, (40 << 12) + 8 * i, 0, 0x1234).emulated;
	CU_ASSERT(native > 30);
	fx_store(&f, 0, 40 << 12, 0, 0);
	fx_audit(&f);
	fake_set_regs(&f, 0, &again, SH_FLUSH_CURRENT);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	fx_end(&f);
}

/* Entries written as two halves: whatever lies between is never mapped writable elsewhere than the
 * reference says at that moment. */
static void test_torn_halves(void)
{
	for (unsigned order = 0; order < 2; order++) {
		uint64_t e = fx_pte((1ull << 20) | (G_DATA + 9), T_RWU);
		uint32_t half[2] = {(uint32_t)e, (uint32_t)(e >> 32)};
		struct sh_walk w;
		struct fake f;

		fx_default(&f);
		fx_try(&f, 0, 0x1000, 0);
		for (unsigned i = 0; i < 2; i++) {
			unsigned h = i ^ order;

			sh_write(f.mmu, f.vcpu[0].v, GPA((G_PT << 12) + 8 + 4 * h), &half[h],
				 4);
			fx_invlpg(&f, 0, 0x1000);
			fx_audit(&f);
			if (i == 0 && order == 0)
				CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).gpa >> 12, G_DATA + 9);
		}
		CU_ASSERT_EQUAL(sh_fault(f.vcpu[0].v, GVA(0x1000), 0, &w), SH_FAULT_NO_RAM);
		fx_end(&f);
	}
}

const struct tap_case suite_rules[] = {
	{"a store into its own translation", test_own_translation},
	{"high frame numbers", test_high_frames},
	{"a new leaf of a table", test_new_leaf_of_a_table},
	{"a directory entry of alternating kinds", test_kinds_alternate},
	{"a top-level table becomes data", test_root_becomes_data},
	{"an entry written in halves", test_torn_halves},
	{"INVLPG of a large page", test_invlpg_of_large},
	{0},
};
