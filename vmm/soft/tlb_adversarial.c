/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The adversarial TLB: whatever the manuals let a processor remember, it remembers (SDM vol. 3,
 * section 4.10; APM vol. 2, section 5.5).
 *
 *   remembers   every translation, a large page as one or in pieces or both (4.10.2.3), and every
 *               paging-structure entry on the way (4.10.3), by root
 *   forgets     at tlb_flush(); at tlb_invlpg() the address and all paging-structure entries; at a
 *               fault what it had for the address in this root (4.10.4.1); and at random
 *   a walk      starts below any paging-structure entry it remembers for the address, or at the root
 *   a hit       without the right it needs is a fault, or is walked again
 *   speculates  in the root it is on only, near addresses used before (4.10.2.3); nothing that is
 *               not present is ever remembered
 *
 * Which of several lawful things it does is the seed's choice: the same calls have the same results.
 *
 * Every entry carries the walk it was made by with the generations of the tables, so each use can be
 * held against what has become of those. An entry made before a table was given back must have been
 * flushed by then (pool.c: unhook, shootdown, free), so its use is reported whatever is there now.
 *
 * Locks: none, the vCPU's thread only. Read first: tlb_cache.h, tlb_story.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/soft/tlb_cache.h"
#include "vmm/soft/tlb_story.h"

#define RECENT 32u

struct adversarial {
	struct tlb tlb; /* first */
	struct tlb_config cfg;
	uint64_t rng;
	uint64_t now;
	struct tlb_cache pages, tables;
	struct tlb_entry none;	 /* for tlb_hit() */
	struct tlb_node inside;	 /* the page of a large translation that was asked for last */
	uint64_t recent[RECENT]; /* page numbers */
	uint32_t *told;		 /* by table: the generation of which a report was made */
	mfn_t told_outside;
	struct tlb_counts counts;
};

static struct adversarial *of(struct tlb *t)
{
	return (struct adversarial *)t;
}

static uint64_t rnd(struct adversarial *a)
{
	a->rng ^= a->rng << 13;
	a->rng ^= a->rng >> 7;
	a->rng ^= a->rng << 17;
	return (a->rng * 0x2545f4914f6cdd1dull) >> 16;
}

static bool one_in(struct adversarial *a, unsigned n)
{
	return n && rnd(a) % n == 0;
}

static void report(struct adversarial *a, const char *text)
{
	a->counts.reports++;
	if (a->cfg.report)
		a->cfg.report(a->cfg.ctx, text);
}

static struct tlb_story story_of(const struct adversarial *a, const struct tlb_node *n)
{
	return (struct tlb_story){
		.tt = a->cfg.tables, .vcpu = a->cfg.vcpu, .now = a->now, .made = n};
}

/* Once for each life of a table that was used after its end. */
static void report_table(struct adversarial *a, const struct tlb_node *n, const char *what,
			 mfn_t table)
{
	struct tlb_tables *tt = a->cfg.tables;
	uint64_t i = table.v - tt->mfn.v;
	uint32_t generation = atomic_load(&tt->generation[i]);
	struct tlb_story s = story_of(a, n);

	if (a->told[i] == generation + 1)
		return;
	a->told[i] = generation + 1;
	s.what = what;
	s.table = table;
	report(a, tlb_story_text(&s));
}

static void report_outside(struct adversarial *a, const struct tlb_node *n, mfn_t frame)
{
	struct tlb_story s = story_of(a, n);

	if (mfn_eq(a->told_outside, frame))
		return;
	a->told_outside = frame;
	s.what = "walks memory that is no shadow table";
	s.table = frame;
	report(a, tlb_story_text(&s));
}

/* Whether every table the entry was made from still lives the same life; else it is reported. */
static bool lives(struct adversarial *a, const struct tlb_node *n, const char *what)
{
	struct tlb_tables *tt = a->cfg.tables;

	for (unsigned l = n->low; l <= n->top; l++) {
		const struct tlb_step *s = &n->step[l];
		uint32_t g = atomic_load(&tt->generation[s->table.v - tt->mfn.v]);

		if (tlb_same_life(s->generation, g))
			continue;
		report_table(a, n, what, s->table);
		return false;
	}
	return true;
}

/* ---- Walks ---- */

static struct tlb_node node_of(const struct adversarial *a, mfn_t root,
			       const struct tlb_path *p, unsigned low)
{
	struct tlb_node n = {.low = low, .top = a->cfg.tables->levels};

	n.e.page = p->va.v >> SH_PAGE_SHIFT;
	n.e.tag = root.v + 1;
	n.e.filled = a->now;
	memcpy(n.step, p->step, sizeof(n.step));
	return n;
}

/* An entry to start below, by chance among those there are and none: NULL. */
static struct tlb_node *choose_start(struct adversarial *a, mfn_t root, gva_t va)
{
	struct tlb_node *found[TLB_MAX_LEVEL + 1] = {NULL};
	unsigned n = 1;

	for (unsigned l = 2; l <= a->cfg.tables->levels; l++) {
		struct tlb_node *c = tlb_cache_find(&a->tables, root.v + 1, va, l);

		if (c)
			found[n++] = c;
	}
	return n == 1 ? NULL : found[rnd(a) % n];
}

static void start(struct adversarial *a, mfn_t root, gva_t va, struct tlb_path *p)
{
	struct tlb_node *n;

	tlb_path_root(a->cfg.tables, root, va, p);
	while ((n = choose_start(a, root, va))) {
		if (!lives(a, n, "walks from a paging-structure entry of an older life")) {
			tlb_cache_drop(&a->tables, n);
			continue;
		}
		a->counts.psc_hits++;
		p->level = n->level - 1;
		p->table = n->e.frame;
		p->rights = n->e.rights;
		memcpy(p->step, n->step, sizeof(p->step));
		return;
	}
}

/* Remembers the entries of levels [low, high] that lead to tables. */
static void keep_tables(struct adversarial *a, mfn_t root, const struct tlb_path *p,
			unsigned low, unsigned high)
{
	unsigned rights = TLB_ALL_RIGHTS;

	for (unsigned l = a->cfg.tables->levels; l >= low; l--) {
		uint64_t entry = p->step[l].entry;
		struct tlb_node n = node_of(a, root, p, l - 1);

		rights &= tlb_rights(entry);
		if (l > high)
			continue;
		n.level = l;
		n.e.page = tlb_base(n.e.page, l);
		n.e.rights = (uint8_t)rights;
		n.e.frame = MFN((entry & TLB_FRAME) >> SH_PAGE_SHIFT);
		tlb_cache_put(&a->tables, &n, rnd(a));
	}
}

/* A large page whole or as this piece of it. */
static void keep_page(struct adversarial *a, mfn_t root, const struct tlb_path *p)
{
	struct tlb_node n = node_of(a, root, p, p->level);
	uint64_t page = n.e.page;

	n.level = p->level > 1 && one_in(a, 2) ? 1 : p->level;
	n.e.page = tlb_base(page, n.level);
	n.e.frame = MFN(p->frame.v - (page - n.e.page));
	n.e.rights = (uint8_t)p->rights;
	tlb_cache_put(&a->pages, &n, rnd(a));
}

/* What the walk has read must have been tables. */
static void check_walk(struct adversarial *a, mfn_t root, const struct tlb_path *p,
		       enum tlb_end end, unsigned high)
{
	unsigned low = p->level + (end == TLB_NO_TABLE);
	struct tlb_node n = node_of(a, root, p, low);

	for (unsigned l = high; l >= low; l--)
		if (!tlb_in_use(p->step[l].generation))
			report_table(a, &n, "walks a table that is not in use",
				     p->step[l].table);
	if (end == TLB_NO_TABLE)
		report_outside(a, &n, p->table);
}

static enum tlb_end walk(struct adversarial *a, mfn_t root, gva_t va, struct tlb_path *p,
			 unsigned *high)
{
	enum tlb_end end;

	start(a, root, va, p);
	*high = p->level;
	memset(p->step, 0, (p->level + 1) * sizeof(p->step[0]));
	end = tlb_path_walk(a->cfg.tables, p);
	if (end != TLB_NOT_CANON)
		check_walk(a, root, p, end, *high);
	return end;
}

/* ---- What it does of its own accord ---- */

static void evict(struct adversarial *a)
{
	struct tlb_cache *c = one_in(a, 2) ? &a->tables : &a->pages;

	if (!c->n)
		return;
	tlb_cache_drop(c, &c->node[rnd(a) % c->n]);
	a->counts.evictions++;
}

static bool known(struct adversarial *a, mfn_t root, gva_t va)
{
	for (unsigned l = 1; l <= TLB_LARGEST; l++)
		if (tlb_cache_find(&a->pages, root.v + 1, va, l))
			return true;
	return false;
}

static gva_t guess(struct adversarial *a)
{
	uint64_t page = a->recent[rnd(a) % RECENT];

	if (one_in(a, 4))
		page ^= rnd(a) & 511;
	else
		page += rnd(a) % 9 - 4;
	return GVA(page << SH_PAGE_SHIFT);
}

/* Entries above the last one read are present and lead on: these may be remembered even where there
 * is nothing below. */
static void speculate(struct adversarial *a, mfn_t root)
{
	struct tlb_path p;
	gva_t va = guess(a);
	enum tlb_end end;
	unsigned high;

	if (known(a, root, va))
		return;
	end = walk(a, root, va, &p, &high);
	if (end == TLB_NOT_CANON || end == TLB_NO_TABLE)
		return;
	keep_tables(a, root, &p, p.level + 1, high);
	if (end == TLB_MAPPED)
		keep_page(a, root, &p);
	a->counts.speculative++;
}

/* ---- Lookups ---- */

static struct tlb_node *choose_page(struct adversarial *a, mfn_t root, gva_t va)
{
	struct tlb_node *found[TLB_LARGEST];
	unsigned n = 0;

	for (unsigned l = 1; l <= TLB_LARGEST; l++) {
		struct tlb_node *p = tlb_cache_find(&a->pages, root.v + 1, va, l);

		if (p)
			found[n++] = p;
	}
	return n ? found[rnd(a) % n] : NULL;
}

/* What the owner gets to see of it. */
static struct tlb_entry *shown(struct adversarial *a, struct tlb_node *n, gva_t va)
{
	uint64_t page = va.v >> SH_PAGE_SHIFT;

	if (n->level == 1)
		return &n->e;
	a->inside = *n;
	a->inside.e.page = page;
	a->inside.e.frame = MFN(n->e.frame.v + (page - n->e.page));
	return &a->inside.e;
}

static struct tlb_entry *fault(struct adversarial *a, mfn_t root, gva_t va)
{
	a->counts.faults++;
	tlb_cache_forget(&a->pages, root.v + 1, va);
	tlb_cache_forget(&a->tables, root.v + 1, va);
	return NULL;
}

static struct tlb_entry *miss(struct adversarial *a, mfn_t root, gva_t va, unsigned need)
{
	struct tlb_path p;
	unsigned high;

	a->counts.walks++;
	if (walk(a, root, va, &p, &high) != TLB_MAPPED || (need & ~p.rights))
		return fault(a, root, va);
	keep_tables(a, root, &p, p.level + 1, high);
	keep_page(a, root, &p);
	for (unsigned l = 1;; l = p.level) {
		struct tlb_node *n = tlb_cache_find(&a->pages, root.v + 1, va, l);

		/* A piece of an older, poorer translation may be there beside the new page. */
		if (n && n->e.filled == a->now && !(need & ~n->e.rights))
			return shown(a, n, va);
		if (l == p.level)
			return fault(a, root, va); /* no memory to keep it */
	}
}

static void by_itself(struct adversarial *a, mfn_t root, gva_t va)
{
	if (one_in(a, a->cfg.evict))
		evict(a);
	if (one_in(a, a->cfg.speculate))
		speculate(a, root);
	a->recent[rnd(a) % RECENT] = va.v >> SH_PAGE_SHIFT;
}

static struct tlb_entry *adv_lookup(struct tlb *t, mfn_t root, gva_t va, unsigned flags)
{
	struct adversarial *a = of(t);
	unsigned need = tlb_need(flags);
	struct tlb_node *n;

	a->now = atomic_fetch_add(&a->cfg.tables->clock, 1) + 1;
	a->counts.lookups++;
	by_itself(a, root, va);
	while ((n = choose_page(a, root, va)) &&
	       !lives(a, n, "uses a translation of an older life"))
		tlb_cache_drop(&a->pages, n);
	if (!n)
		return miss(a, root, va, need);
	if (need & ~n->e.rights)
		return one_in(a, 2) ? fault(a, root, va) : miss(a, root, va, need);
	a->counts.hits++;
	return shown(a, n, va);
}

static void adv_invlpg(struct tlb *t, gva_t va)
{
	tlb_cache_forget(&of(t)->pages, 0, va);
	tlb_cache_clear(&of(t)->tables);
}

static void adv_flush(struct tlb *t)
{
	tlb_cache_clear(&of(t)->pages);
	tlb_cache_clear(&of(t)->tables);
}

static void adv_tracked_store(struct tlb *t, const struct tlb_entry *e)
{
	struct adversarial *a = of(t);
	struct tlb_story s = story_of(a, (const struct tlb_node *)e);

	s.what = "stores into a tracked frame through a translation made before";
	s.table = MFN_NONE;
	report(a, tlb_story_text(&s));
}

static void adv_counts(const struct tlb *t, struct tlb_counts *out)
{
	*out = ((const struct adversarial *)t)->counts;
}

static void adv_destroy(struct tlb *t)
{
	struct adversarial *a = of(t);

	tlb_cache_fini(&a->pages);
	tlb_cache_fini(&a->tables);
	free(a->told);
	free(a);
}

static const struct tlb_model model = {
	.lookup = adv_lookup,
	.invlpg = adv_invlpg,
	.flush = adv_flush,
	.tracked_store = adv_tracked_store,
	.counts = adv_counts,
	.destroy = adv_destroy,
};

int tlb_adversarial_create(const struct tlb_config *cfg, struct tlb **out)
{
	struct adversarial *a;

	if (!cfg->tables->generation || !cfg->tables->history)
		return -EINVAL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->cfg = *cfg;
	a->told_outside = MFN_NONE;
	a->rng = ((cfg->seed + 1) * 0x9e3779b97f4a7c15ull ^ cfg->vcpu * 0xbf58476d1ce4e5b9ull) |
		 1;
	a->told = calloc(cfg->tables->tables, sizeof(*a->told));
	if (!a->told) {
		free(a);
		return -ENOMEM;
	}
	a->tlb = (struct tlb){.slot = &a->none, .epoch = 1, .model = &model};
	*out = &a->tlb;
	return 0;
}
