/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The plain TLB: one slot for each value of the low bits of a page number, whatever the root, so
 * that INVLPG has one slot to look at. Large pages are kept as 4-KByte pieces (SDM vol. 3, section
 * 4.10.2.3); INVLPG of any address of one must drop all pieces, so while there are any it drops
 * everything.
 *
 * A flush changes the epoch that is part of every tag: 1 ns, where clearing the 192 KiB of slots
 * takes 3 us. A hit without the right it needs is walked again before it is a fault.
 * Locks: none, the vCPU's thread only. Read first: tlb_internal.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/soft/tlb_internal.h"

#define SLOTS 4096u

struct plain {
	struct tlb tlb; /* first */
	struct tlb_tables *tables;
	bool pieces; /* of large pages, made since the last flush */
	struct tlb_counts counts;
	struct tlb_entry slots[SLOTS];
};

static struct plain *of(struct tlb *t)
{
	return (struct plain *)t;
}

static struct tlb_entry *plain_lookup(struct tlb *t, mfn_t root, gva_t va, unsigned flags)
{
	struct plain *p = of(t);
	struct tlb_entry *e = tlb_hit(t, root, va, tlb_need(flags));
	struct tlb_path path;

	p->counts.lookups++;
	if (e) {
		p->counts.hits++;
		return e;
	}
	p->counts.walks++;
	e = &t->slot[va.v >> SH_PAGE_SHIFT & t->mask];
	tlb_path_root(p->tables, root, va, &path);
	if (tlb_path_walk(p->tables, &path) != TLB_MAPPED || (tlb_need(flags) & ~path.rights)) {
		p->counts.faults++;
		if (e->page == va.v >> SH_PAGE_SHIFT)
			e->tag = 0;
		return NULL;
	}
	p->pieces |= path.level > 1;
	*e = (struct tlb_entry){.page = va.v >> SH_PAGE_SHIFT,
				.tag = root.v + t->epoch,
				.frame = path.frame,
				.rights = (uint8_t)path.rights};
	return e;
}

/* After so many flushes that the epoch comes around, old tags must be gone. */
static void plain_flush(struct tlb *t)
{
	struct plain *p = of(t);

	p->pieces = false;
	t->epoch += 1ull << TLB_TAG_BITS;
	if (t->epoch >> TLB_TAG_BITS)
		return;
	memset(p->slots, 0, sizeof(p->slots));
	t->epoch = 1;
}

static void plain_invlpg(struct tlb *t, gva_t va)
{
	struct tlb_entry *e = &t->slot[va.v >> SH_PAGE_SHIFT & t->mask];

	if (of(t)->pieces)
		plain_flush(t);
	else if (e->page == va.v >> SH_PAGE_SHIFT)
		e->tag = 0;
}

static void plain_tracked_store(struct tlb *t, const struct tlb_entry *e)
{
	(void)e;
	of(t)->counts.reports++; /* it keeps no stories */
}

static void plain_counts(const struct tlb *t, struct tlb_counts *out)
{
	*out = ((const struct plain *)t)->counts;
}

static void plain_destroy(struct tlb *t)
{
	free(of(t));
}

static const struct tlb_model model = {
	.lookup = plain_lookup,
	.invlpg = plain_invlpg,
	.flush = plain_flush,
	.tracked_store = plain_tracked_store,
	.counts = plain_counts,
	.destroy = plain_destroy,
};

int tlb_plain_create(const struct tlb_config *cfg, struct tlb **out)
{
	struct plain *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->tables = cfg->tables;
	p->tlb = (struct tlb){.slot = p->slots, .mask = SLOTS - 1, .epoch = 1, .model = &model};
	*out = &p->tlb;
	return 0;
}
