/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the suites of the software CPU's TLB share: a few tables written by hand, and TLBs on them.
 * Read first: vmm/soft/tlb.h.
 */
#ifndef UMBRA_TESTS_TLB_TEST_H
#define UMBRA_TESTS_TLB_TEST_H

#include "shadow/format.h"
#include "tests/unit/tap.h"
#include "vmm/soft/tlb.h"

#define TB_TABLES 16u
#define TB_MFN	  0x100000ull
#define TB_SEEDS  200u

/* Tables by number; [0] is the root. tb_open() links 0 -> 1 -> 2 -> 3 for addresses from 0 on and
 * tables 0 to 3 are in use. */
struct tlb_box {
	struct tlb_tables tt;
	struct tlb *t;
	uint64_t mem[TB_TABLES * 512];
	unsigned reports;
	char text[4096]; /* of the last report */
};

struct tlb_config tb_config(enum tlb_kind kind, uint64_t seed);
/* levels 4 or 5 (then tables 0 to 4 are linked). */
struct tlb_box *tb_open(const struct tlb_config *cfg, unsigned levels);
struct tlb_box *tb_adversarial(uint64_t seed, unsigned evict, unsigned speculate);
void tb_close(struct tlb_box *b);

void tb_put(struct tlb_box *b, unsigned table, unsigned index, uint64_t entry);
/* An entry that leads to table n, user, writable; one that maps frame f with these bits. */
uint64_t tb_link(unsigned n);
uint64_t tb_leaf(uint64_t f, uint64_t bits);
void tb_event(struct tlb_box *b, unsigned table, enum sh_table_event e);

/* Frame that va leads to, or UINT64_MAX at a fault. */
uint64_t tb_look(struct tlb_box *b, uint64_t va, unsigned flags);

extern const struct tap_case tlb_walk_tests[], tlb_stale_tests[], tlb_report_tests[];

#endif
