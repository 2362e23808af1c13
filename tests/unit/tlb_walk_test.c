/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Walks: every combination of P, W, U and NX over the levels against a rule written down
 * independently, page sizes, canonical addresses, the gate's slot; for both kinds of TLB.
 */
#include "tests/unit/tlb_test.h"

#define USER (PTE_P | PTE_W | PTE_U)
#define NONE UINT64_MAX

static const enum tlb_kind kinds[] = {TLB_PLAIN, TLB_ADVERSARIAL};

/* Bits of one entry by a number from 0 to 15. */
static uint64_t bits_of(unsigned n)
{
	return (n & 1 ? PTE_P : 0) | (n & 2 ? PTE_W : 0) | (n & 4 ? PTE_U : 0) |
	       (n & 8 ? PTE_NX : 0);
}

/* SDM vol. 3, section 4.6.1, user-mode accesses, said of the four numbers. */
static bool allowed(const unsigned n[4], unsigned flags)
{
	unsigned all = n[0] & n[1] & n[2] & n[3], any = n[0] | n[1] | n[2] | n[3];

	return (all & 5) == 5 && (!(flags & SH_WRITE) || (all & 2)) &&
	       (!(flags & SH_FETCH) || !(any & 8));
}

static unsigned try_rights(struct tlb_box *b, unsigned code)
{
	static const unsigned flags[] = {SH_READ, SH_WRITE, SH_FETCH};
	unsigned wrong = 0, n[4];

	for (unsigned i = 0; i < 4; i++) {
		n[i] = code >> (4 * i) & 15;
		tb_put(b, i, 0, (i < 3 ? (TB_MFN + i + 1) << 12 : 77ull << 12) | bits_of(n[i]));
	}
	tlb_flush(b->t);
	for (unsigned f = 0; f < 3; f++)
		wrong += (tb_look(b, 0x123, flags[f]) == 77) != allowed(n, flags[f]);
	return wrong;
}

/* 65,536 tables, three accesses each. */
static void rights(void)
{
	for (unsigned k = 0; k < 2; k++) {
		struct tlb_config c = tb_config(kinds[k], 1);
		struct tlb_box *b = tb_open(&c, 4);
		unsigned wrong = 0;

		for (unsigned code = 0; code < 1u << 16; code++)
			wrong += try_rights(b, code);
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(b->reports, 0);
		tb_close(b);
	}
}

static void shown_rights(void)
{
	for (unsigned k = 0; k < 2; k++) {
		struct tlb_config c = tb_config(kinds[k], 1);
		struct tlb_box *b = tb_open(&c, 4);
		struct tlb_entry *e;

		tb_put(b, 3, 5, tb_leaf(9, PTE_P | PTE_U | PTE_NX));
		e = tlb_lookup(b->t, MFN(TB_MFN), GVA(0x5000), SH_READ);
		CU_ASSERT_FATAL(e != NULL);
		CU_ASSERT_EQUAL(e->rights, 0);
		CU_ASSERT_PTR_NULL(e->host);
		CU_ASSERT_EQUAL(e->page, 5);
		tb_put(b, 3, 6, tb_leaf(9, USER));
		e = tlb_lookup(b->t, MFN(TB_MFN), GVA(0x6000), SH_READ);
		CU_ASSERT_FATAL(e != NULL);
		CU_ASSERT_EQUAL(e->rights, TLB_W | TLB_X);
		tb_close(b);
	}
}

static void sizes(void)
{
	for (unsigned seed = 0; seed < 2 * 20; seed++) {
		struct tlb_config c = tb_config(kinds[seed & 1], seed);
		struct tlb_box *b = tb_open(&c, 4);

		tb_put(b, 2, 3, tb_leaf(0x4000, USER | PTE_PS));
		tb_put(b, 1, 2, tb_leaf(0x80000, USER | PTE_PS));
		tb_put(b, 0, 1, tb_leaf(TB_MFN + 1, USER | PTE_PS)); /* reserved there */
		for (unsigned i = 0; i < 512; i += 37) {
			CU_ASSERT_EQUAL(tb_look(b, 3ull << 21 | i << 12, SH_READ), 0x4000 + i);
			CU_ASSERT_EQUAL(tb_look(b, 2ull << 30 | 5ull << 21 | i << 12, SH_WRITE),
					0x80000 + 5 * 512 + i);
		}
		CU_ASSERT_EQUAL(tb_look(b, 1ull << 39, SH_READ), NONE);
		tb_close(b);
	}
}

static void canonical(void)
{
	for (unsigned k = 0; k < 4; k++) {
		unsigned levels = k & 1 ? 5 : 4, bits = levels * 9 + 12;
		struct tlb_config c = tb_config(kinds[k >> 1], 1);
		struct tlb_box *b = tb_open(&c, levels);

		tb_put(b, levels - 1, 0, tb_leaf(9, USER));
		tb_put(b, 0, 511, tb_link(1));
		CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), 9);
		CU_ASSERT_EQUAL(tb_look(b, 1ull << bits, SH_READ), NONE);
		CU_ASSERT_EQUAL(tb_look(b, ~0ull << (bits - 9), SH_READ), 9);
		CU_ASSERT_EQUAL(tb_look(b, 511ull << (bits - 9), SH_READ), NONE);
		CU_ASSERT_EQUAL(b->reports, 0);
		tb_close(b);
	}
}

static void gate(void)
{
	for (unsigned k = 0; k < 2; k++) {
		struct tlb_config c = tb_config(kinds[k], 1);
		struct tlb_box *b = tb_open(&c, 4);

		tb_put(b, 3, 0, tb_leaf(9, USER));
		tb_put(b, 0, 256, tb_link(1));
		tb_put(b, 0, 257, tb_link(1));
		CU_ASSERT_EQUAL(tb_look(b, ~0ull << 47, SH_READ), NONE);
		CU_ASSERT_EQUAL(tb_look(b, (~0ull << 47) + (1ull << 39), SH_READ), 9);
		tb_close(b);
	}
}

/* The short way says the same as the long one, or nothing. */
static void short_way(void)
{
	struct tlb_config c = tb_config(TLB_PLAIN, 0);
	struct tlb_box *b = tb_open(&c, 4);
	mfn_t root = MFN(TB_MFN);
	struct tlb_entry *e;

	CU_ASSERT_PTR_NULL(tlb_hit(b->t, root, GVA(0), 0));
	tb_put(b, 3, 0, tb_leaf(9, PTE_P | PTE_U));
	e = tlb_lookup(b->t, root, GVA(0), SH_READ);
	CU_ASSERT_PTR_EQUAL(tlb_hit(b->t, root, GVA(0xfff), 0), e);
	CU_ASSERT_PTR_EQUAL(tlb_hit(b->t, root, GVA(0), TLB_X), e);
	CU_ASSERT_PTR_NULL(tlb_hit(b->t, root, GVA(0), TLB_W));
	CU_ASSERT_PTR_NULL(tlb_hit(b->t, root, GVA(0x1000000), 0));
	CU_ASSERT_PTR_NULL(tlb_hit(b->t, MFN(TB_MFN + 1), GVA(0), 0));
	tlb_flush(b->t);
	CU_ASSERT_PTR_NULL(tlb_hit(b->t, root, GVA(0), 0));
	CU_ASSERT_PTR_NOT_NULL(tlb_lookup(b->t, root, GVA(0), SH_READ));
	tlb_invlpg(b->t, GVA(0x10));
	CU_ASSERT_PTR_NULL(tlb_hit(b->t, root, GVA(0), 0));
	tb_close(b);
}

/* The plain TLB's tags come around after 2^24 flushes. */
static void many_flushes(void)
{
	struct tlb_config c = tb_config(TLB_PLAIN, 0);
	struct tlb_box *b = tb_open(&c, 4);

	tb_put(b, 3, 0, tb_leaf(9, USER));
	CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), 9);
	tb_put(b, 3, 0, tb_leaf(10, USER));
	for (unsigned i = 0; i < 1u << 24; i++)
		tlb_flush(b->t);
	CU_ASSERT_EQUAL(tb_look(b, 0, SH_READ), 10);
	tb_close(b);
}

const struct tap_case tlb_walk_tests[] = {
	{"every combination of rights", rights},
	{"rights as shown", shown_rights},
	{"pages of 4 KiB, 2 MiB and 1 GiB", sizes},
	{"canonical addresses of 4 and 5 levels", canonical},
	{"the gate's slot", gate},
	{"the short way", short_way},
	{"2^24 flushes", many_flushes},
	TAP_NO_CASE,
};
