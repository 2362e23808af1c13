/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From how many single invalidations on it is no dearer for a TLB of this engine to forget
 * everything, measured on this host: what a flush costs is the misses after it, so both are timed
 * with a working set in use.
 * Read first: soft.h, shadow/backend.h (invalidate_ceiling).
 */
#include <string.h>

#include "vmm/clock.h"
#include "vmm/soft/soft.h"

#define WORKING_SET 64u /* pages that a guest goes on to use */
#define TIMES	    9u
#define MOST	    64u

struct rig {
	_Alignas(4096) uint64_t table[4][512];
	struct tlb_tables tables;
	struct tlb *tlb;
};

#define FIRST_TABLE 16u
#define FIRST_PAGE  1024u
#define BITS	    (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

static void build(struct rig *r)
{
	memset(r->table, 0, sizeof(r->table));
	for (unsigned i = 0; i < 3; i++)
		r->table[i][0] = (uint64_t)(FIRST_TABLE + i + 1) << 12 | BITS;
	for (unsigned i = 0; i < 512; i++)
		r->table[3][i] = (uint64_t)(FIRST_PAGE + i) << 12 | BITS;
	r->tables = (struct tlb_tables){.mem = r->table[0],
					.mfn = MFN(FIRST_TABLE),
					.tables = 4,
					.levels = 4,
					.gate_slot = UINT64_MAX};
}

static void use(struct rig *r)
{
	for (unsigned i = 0; i < WORKING_SET; i++)
		tlb_lookup(r->tlb, MFN(FIRST_TABLE), GVA((uint64_t)i << 12), 0);
}

/* ns of n single invalidations beside the working set, or (0) of a flush, and then its use. */
static uint64_t cost(struct rig *r, unsigned n)
{
	uint64_t best = UINT64_MAX;

	for (unsigned k = 0; k < TIMES; k++) {
		uint64_t t;

		use(r);
		t = clock_ns();
		for (unsigned i = 0; i < n; i++)
			tlb_invlpg(r->tlb, GVA((uint64_t)(WORKING_SET + i) << 12));
		if (!n)
			tlb_flush(r->tlb);
		use(r);
		t = clock_ns() - t;
		best = t < best ? t : best;
	}
	return best;
}

unsigned soft_ceiling(void)
{
	static const unsigned few = 32, many = 416;
	static _Thread_local struct rig r;
	struct tlb_config cfg = {.kind = TLB_PLAIN, .tables = &r.tables};
	uint64_t a, b, flush, n;

	build(&r);
	if (tlb_create(&cfg, &r.tlb))
		return 0;
	a = cost(&r, few);
	b = cost(&r, many);
	flush = cost(&r, 0);
	tlb_destroy(r.tlb);
	if (b <= a || flush <= a)
		return 1;
	n = (flush - a) * (many - few) / (b - a) + few;
	return n > MOST ? MOST : (unsigned)n;
}
