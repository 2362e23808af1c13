/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a TLB keeps and what it must not: flush, INVLPG, faults, page sizes, paging-structure
 * entries, chance and seed. Where the manuals allow two outcomes, both must be seen over the seeds.
 */
#include "tests/unit/tlb_test.h"

#define USER (PTE_P | PTE_W | PTE_U)
#define NONE UINT64_MAX

/* The adversarial one keeps a translation whatever happens to the tables, for as long as it is not
 * told; the other may. */
static void keeps_until_told(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 0);

		tb_put(b, 3, 1, tb_leaf(9, USER));
		tb_put(b, 3, 2, tb_leaf(8, USER));
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 9);
		CU_ASSERT_EQUAL(tb_look(b, 0x2000, SH_READ), 8);
		tb_put(b, 3, 1, 0);
		tb_put(b, 3, 2, 0);
		for (unsigned i = 0; i < 100; i++)
			CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_WRITE), 9);
		tlb_invlpg(b->t, GVA(0x1abc));
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), NONE);
		CU_ASSERT_EQUAL(tb_look(b, 0x2000, SH_READ), 8);
		tlb_flush(b->t);
		CU_ASSERT_EQUAL(tb_look(b, 0x2000, SH_READ), NONE);
		tb_close(b);
	}
}

/* Another root neither uses nor drops it; INVLPG takes it from all. */
static void tags(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 0);
		mfn_t other = MFN(TB_MFN + 8);

		tb_put(b, 3, 1, tb_leaf(9, USER));
		tb_event(b, 8, SH_TABLE_LIVE);
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 9);
		CU_ASSERT_PTR_NULL(tlb_lookup(b->t, other, GVA(0x1000), SH_READ));
		tb_put(b, 8, 0, tb_link(1));
		CU_ASSERT_PTR_NOT_NULL(tlb_lookup(b->t, other, GVA(0x1000), SH_READ));
		tb_put(b, 3, 1, 0);
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 9);
		tlb_invlpg(b->t, GVA(0x1000));
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), NONE);
		CU_ASSERT_PTR_NULL(tlb_lookup(b->t, other, GVA(0x1000), SH_READ));
		tb_close(b);
	}
}

/* A right that was added may be missed once: after a fault the new entry is used. */
static void fault_forgets(void)
{
	unsigned spurious = 0;

	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 0);

		tb_put(b, 3, 1, tb_leaf(9, PTE_P | PTE_U));
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 9);
		tb_put(b, 3, 1, tb_leaf(10, USER));
		if (tb_look(b, 0x1000, SH_WRITE) == NONE) {
			spurious++;
			CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_WRITE), 10);
		}
		tb_close(b);
	}
	CU_ASSERT(spurious > 0 && spurious < TB_SEEDS);
}

/* An upper entry that leads elsewhere now: the old way may be taken, until INVLPG of any address. */
static void paging_structures(void)
{
	for (unsigned level = 0; level < 3; level++) {
		unsigned old = 0;

		for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
			struct tlb_box *b = tb_adversarial(seed, 0, 0);
			uint64_t f;

			for (unsigned i = level + 1; i < 4; i++) {
				tb_event(b, 4 + i, SH_TABLE_LIVE);
				tb_put(b, 4 + i, 0, i == 3 ? 0 : tb_link(4 + i + 1));
			}
			tb_put(b, 3, 1, tb_leaf(9, USER));
			tb_put(b, 3, 2, tb_leaf(10, USER));
			tb_put(b, 7, 2, tb_leaf(20, USER));
			tb_put(b, 7, 3, tb_leaf(30, USER));
			tb_put(b, 3, 3, tb_leaf(31, USER));
			CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 9);
			tb_put(b, level, 0, tb_link(4 + level + 1));
			f = tb_look(b, 0x2000, SH_READ);
			CU_ASSERT(f == 10 || f == 20);
			old += f == 10;
			tlb_invlpg(b->t, GVA(0xffff800000000000));
			CU_ASSERT_EQUAL(tb_look(b, 0x3000, SH_READ), 30);
			CU_ASSERT_EQUAL(b->reports, 0);
			tb_close(b);
		}
		CU_ASSERT(old > 0 && old < TB_SEEDS);
	}
}

/* Nothing of a way that ended in a fault is remembered, nor any entry that is not present. */
static void absent_not_kept(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 2);

		for (unsigned level = 0; level < 4; level++) {
			uint64_t was = b->mem[level * 512];

			tb_put(b, level, 0, 0);
			tlb_flush(b->t);
			CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), NONE);
			tb_put(b, level, 0, level == 3 ? tb_leaf(9, USER) : was);
		}
		CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), 9);
		tb_close(b);
	}
}

/* A large page that is split: pieces and the whole may live side by side, and INVLPG of one address
 * drops all of them (SDM vol. 3, 4.10.2.3). */
static void large_pages(void)
{
	unsigned old = 0, new = 0;

	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 0);

		tb_put(b, 2, 0, tb_leaf(0x200, USER | PTE_PS));
		for (unsigned i = 0; i < 8; i++)
			CU_ASSERT_EQUAL(tb_look(b, i << 12, SH_READ), 0x200 + i);
		tb_put(b, 2, 0, tb_link(3));
		for (unsigned i = 0; i < 16; i++)
			tb_put(b, 3, i, tb_leaf(0x300 + i, USER));
		for (unsigned i = 0; i < 16; i++) {
			uint64_t f = tb_look(b, i << 12, SH_READ);

			CU_ASSERT(f == 0x200 + i || f == 0x300 + i);
			old += f == 0x200 + i;
			new += f == 0x300 + i;
		}
		tlb_invlpg(b->t, GVA(0x1ff000));
		for (unsigned i = 0; i < 16; i++)
			CU_ASSERT_EQUAL(tb_look(b, i << 12, SH_READ), 0x300 + i);
		tb_close(b);
	}
	CU_ASSERT(old > 0 && new > 0);
}

static void plain_large_pages(void)
{
	struct tlb_config c = tb_config(TLB_PLAIN, 0);
	struct tlb_box *b = tb_open(&c, 4);

	tb_put(b, 2, 0, tb_leaf(0x200, USER | PTE_PS));
	CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), 0x200);
	CU_ASSERT_EQUAL(tb_look(b, 0x7000, SH_READ), 0x207);
	tb_put(b, 2, 0, 0);
	tlb_invlpg(b->t, GVA(0x7000));
	CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), NONE);
	tb_close(b);
}

/* Chance: with eviction a dropped translation is found out some day; without telling. */
static void evicts(void)
{
	struct tlb_counts n;

	for (unsigned seed = 0; seed < 20; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 3, 0);
		unsigned i = 0;

		tb_put(b, 3, 1, tb_leaf(9, USER));
		CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 9);
		tb_put(b, 3, 1, 0);
		while (i < 1000 && tb_look(b, 0x1000, SH_READ) == 9)
			i++;
		CU_ASSERT(i < 1000);
		tlb_counts(b->t, &n);
		CU_ASSERT(n.evictions > 0);
		CU_ASSERT_EQUAL(n.speculative, 0);
		tb_close(b);
	}
}

/* A page nobody asked for is known all the same. */
static void speculates(void)
{
	unsigned known = 0;
	struct tlb_counts n;

	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 2);

		for (unsigned i = 0; i < 8; i++)
			tb_put(b, 3, i, tb_leaf(0x40 + i, USER));
		for (unsigned i = 0; i < 100; i++)
			tb_look(b, 0x4000, SH_READ);
		tb_put(b, 3, 5, 0);
		known += tb_look(b, 0x5000, SH_READ) == 0x45;
		tlb_counts(b->t, &n);
		CU_ASSERT(n.speculative > 0);
		CU_ASSERT_EQUAL(n.evictions, 0);
		tb_close(b);
	}
	CU_ASSERT(known > 0);
}

static uint64_t digest(uint64_t seed)
{
	struct tlb_box *b = tb_adversarial(seed, 5, 3);
	struct tlb_counts n;
	uint64_t h = 0;

	for (unsigned i = 0; i < 3000; i++) {
		unsigned page = i * 7 % 64;

		tb_put(b, 3, page, i % 3 ? tb_leaf(i, USER) : 0);
		h = (h ^ tb_look(b, (uint64_t)page << 12, i & 1)) * 0x100000001b3ull;
		if (i % 97 == 0)
			tlb_invlpg(b->t, GVA((uint64_t)(i % 64) << 12));
		if (i % 501 == 0)
			tlb_flush(b->t);
	}
	tlb_counts(b->t, &n);
	tb_close(b);
	return h ^ n.hits ^ n.psc_hits << 16 ^ n.evictions << 32 ^ n.speculative << 48;
}

static void determinism(void)
{
	unsigned different = 0;

	for (unsigned seed = 0; seed < 20; seed++) {
		CU_ASSERT_EQUAL(digest(seed), digest(seed));
		different += digest(seed) != digest(seed + 1);
	}
	CU_ASSERT(different > 15);
}

const struct tap_case tlb_stale_tests[] = {
	{"a translation is kept until a flush or its INVLPG", keeps_until_told},
	{"roots are tags", tags},
	{"a fault forgets", fault_forgets},
	{"paging-structure entries", paging_structures},
	{"what is not present is not kept", absent_not_kept},
	{"a large page, whole and in pieces", large_pages},
	{"pieces in the plain TLB", plain_large_pages},
	{"evictions", evicts},
	{"speculation", speculates},
	{"the same seed, the same results", determinism},
	TAP_NO_CASE,
};
