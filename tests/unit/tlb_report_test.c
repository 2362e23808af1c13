/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is reported: use of anything made from a table that was given back since, in every seed, and
 * nothing where the owner kept the order: unhook, flush, give back.
 */
#include <string.h>

#include "tests/unit/tlb_test.h"

#define USER (PTE_P | PTE_W | PTE_U)

/* Table n is given back, flushed before or not, and taken for something else. */
static void recycle(struct tlb_box *b, unsigned n, bool flush)
{
	tb_put(b, n - 1, 0, 0);
	tb_event(b, n, SH_TABLE_UNUSED);
	if (flush)
		tlb_flush(b->t);
	tb_event(b, n, SH_TABLE_FREE);
	tb_event(b, n, SH_TABLE_LIVE);
	tb_put(b, n - 1, 0, tb_link(n));
}

static struct tlb_box *filled(uint64_t seed)
{
	struct tlb_box *b = tb_adversarial(seed, 0, 0);

	for (unsigned i = 0; i < 8; i++)
		tb_put(b, 3, i, tb_leaf(0x40 + i, USER));
	tb_look(b, 0x1000, SH_READ);
	return b;
}

static void translation(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++)
		for (unsigned n = 1; n < 4; n++) {
			struct tlb_box *b = filled(seed);

			recycle(b, n, false);
			CU_ASSERT_EQUAL(tb_look(b, 0x1000, SH_READ), 0x41);
			CU_ASSERT_EQUAL(b->reports, 1);
			CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "translation of an older"));
			CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "made at"));
			CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "given back at"));
			for (unsigned i = 0; i < 20; i++)
				tb_look(b, (uint64_t)(i % 8) << 12, SH_READ);
			CU_ASSERT_EQUAL(b->reports, 1);
			tb_close(b);
		}
}

static void flushed_before(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++)
		for (unsigned n = 1; n < 4; n++) {
			struct tlb_box *b = filled(seed);

			recycle(b, n, true);
			for (unsigned i = 0; i < 50; i++)
				tb_look(b, (uint64_t)(i % 8) << 12, SH_READ);
			CU_ASSERT_EQUAL(b->reports, 0);
			tb_close(b);
		}
}

/* Another page of the table: only the paging-structure entries are left to give it away. */
static void structure_entry(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = filled(seed);

		recycle(b, 3, false);
		for (unsigned i = 2; i < 8; i++)
			tb_look(b, (uint64_t)i << 12, SH_READ);
		tb_look(b, 0x1000, SH_READ);
		CU_ASSERT_EQUAL(b->reports, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "older life"));
		tb_close(b);
	}
}

static void free_table(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 0);

		tb_event(b, 2, SH_TABLE_UNUSED);
		tb_look(b, 0, SH_READ);
		CU_ASSERT_EQUAL(b->reports, 0); /* lawful until the flush that comes */
		tb_event(b, 2, SH_TABLE_FREE);
		tlb_flush(b->t);
		tb_look(b, 0, SH_READ);
		CU_ASSERT_EQUAL(b->reports, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "not in use"));
		tb_close(b);
	}
}

static void no_table(void)
{
	for (unsigned seed = 0; seed < TB_SEEDS; seed++) {
		struct tlb_box *b = tb_adversarial(seed, 0, 0);

		tb_put(b, 1, 0, tb_link(TB_TABLES));
		CU_ASSERT_PTR_NULL(tlb_lookup(b->t, MFN(TB_MFN), GVA(0), SH_READ));
		CU_ASSERT_PTR_NULL(tlb_lookup(b->t, MFN(TB_MFN), GVA(0), SH_READ));
		CU_ASSERT_EQUAL(b->reports, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "no shadow table"));
		tb_close(b);
	}
}

static void tracked_store(void)
{
	struct tlb_box *b = filled(1);
	struct tlb_entry *e = tlb_lookup(b->t, MFN(TB_MFN), GVA(0x1000), SH_WRITE);

	CU_ASSERT_FATAL(e != NULL);
	tlb_tracked_store(b->t, e);
	CU_ASSERT_EQUAL(b->reports, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "tracked frame"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b->text, "0x41"));
	tb_close(b);
}

static void unwatched(void)
{
	uint64_t mem[512] = {0};
	struct tlb_tables tt = {.mem = mem, .tables = 1, .levels = 4};
	struct tlb_config c = tb_config(TLB_ADVERSARIAL, 1);
	struct tlb *t = NULL;

	c.tables = &tt;
	CU_ASSERT(tlb_create(&c, &t) < 0);
	CU_ASSERT_PTR_NULL(t);
}

const struct tap_case tlb_report_tests[] = {
	{"a translation outlives its table", translation},
	{"flushed before the table was given back", flushed_before},
	{"a paging-structure entry outlives its table", structure_entry},
	{"a walk over a table that was given back", free_table},
	{"a walk that leads out of the tables", no_table},
	{"a store into a tracked frame", tracked_store},
	{"tables nobody watches", unwatched},
	TAP_NO_CASE,
};
