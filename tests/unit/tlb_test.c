/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The TLB suites' fixture and their list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tlb_test.h"

static void on_report(void *ctx, const char *text)
{
	struct tlb_box *b = ctx;

	b->reports++;
	snprintf(b->text, sizeof(b->text), "%s", text);
}

struct tlb_config tb_config(enum tlb_kind kind, uint64_t seed)
{
	return (struct tlb_config){.kind = kind, .seed = seed};
}

struct tlb_box *tb_open(const struct tlb_config *cfg, unsigned levels)
{
	struct tlb_box *b = calloc(1, sizeof(*b));
	struct tlb_config c = *cfg;

	CU_ASSERT_FATAL(b != NULL);
	b->tt = (struct tlb_tables){.mem = b->mem,
				    .mfn = MFN(TB_MFN),
				    .tables = TB_TABLES,
				    .levels = levels,
				    .gate_slot = 256};
	c.tables = &b->tt;
	c.report = on_report;
	c.ctx = b;
	CU_ASSERT_FATAL(c.kind == TLB_PLAIN || tlb_tables_watch(&b->tt) == 0);
	CU_ASSERT_FATAL(tlb_create(&c, &b->t) == 0);
	for (unsigned i = 0; i < levels; i++)
		tb_event(b, i, SH_TABLE_LIVE);
	for (unsigned i = 0; i + 1 < levels; i++)
		tb_put(b, i, 0, tb_link(i + 1));
	return b;
}

struct tlb_box *tb_adversarial(uint64_t seed, unsigned evict, unsigned speculate)
{
	struct tlb_config c = tb_config(TLB_ADVERSARIAL, seed);

	c.evict = evict;
	c.speculate = speculate;
	return tb_open(&c, 4);
}

void tb_close(struct tlb_box *b)
{
	tlb_destroy(b->t);
	tlb_tables_unwatch(&b->tt);
	free(b);
}

void tb_put(struct tlb_box *b, unsigned table, unsigned index, uint64_t entry)
{
	b->mem[table * 512 + index] = entry;
}

uint64_t tb_link(unsigned n)
{
	return (TB_MFN + n) << 12 | PTE_P | PTE_W | PTE_U | PTE_A;
}

uint64_t tb_leaf(uint64_t f, uint64_t bits)
{
	return f << 12 | PTE_A | bits;
}

void tb_event(struct tlb_box *b, unsigned table, enum sh_table_event e)
{
	tlb_table_event(&b->tt, MFN(TB_MFN + table), e);
}

uint64_t tb_look(struct tlb_box *b, uint64_t va, unsigned flags)
{
	struct tlb_entry *e = tlb_lookup(b->t, MFN(TB_MFN), GVA(va), flags);

	return e ? e->frame.v : UINT64_MAX;
}

static const struct tap_suite suites[] = {
	{.name = "walk", .cases = tlb_walk_tests},
	{.name = "what is kept", .cases = tlb_stale_tests},
	{.name = "reports", .cases = tlb_report_tests},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
