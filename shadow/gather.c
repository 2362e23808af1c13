/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Gathers: unhook, flush, release. Read first: gather.h. Read next: ways.c, shootdown.c.
 */
#include <stdlib.h>

#include "shadow/gather.h"
#include "shadow/spte.h"
#include "shadow/ways.h"

void sh_gather_begin(struct sh_gather *g, struct sh_mmu *mmu, struct sh_vcpu *cur,
		     const struct sh_release *rel, struct sh_unmapped *out)
{
	*g = (struct sh_gather){.mmu = mmu, .cur = cur, .rel = rel, .out = out};
	g->epoch = mmu->sd->epoch;
	g->requests = atomic_load(&mmu->sd->requests);
}

/* ---- invalidations ---- */

/* With the bug: a flush of some addresses is taken for one of ours. */
static bool claimed(const struct sh_gather *g)
{
	return sh_mutant(SH_MUT_INNER_FLUSH_CLAIMS) &&
	       g->requests != atomic_load(&g->mmu->sd->requests);
}

/* What everybody was made to forget meanwhile needs no flush of ours any more. */
static void look_at_epoch(struct sh_gather *g)
{
	if (g->epoch == g->mmu->sd->epoch && !claimed(g))
		return;
	g->epoch = g->mmu->sd->epoch;
	g->drops = g->roots = 0;
	g->invals = g->levels = 0;
	g->all = g->tables = g->cleared = false;
}

static void add_inval(struct sh_gather *g, gva_t gva, uint64_t old, unsigned level)
{
	if (g->invals >= sh_ceiling(g->mmu)) {
		g->all = true;
		return;
	}
	if (!g->invals || gva.v < g->start.v)
		g->start = gva;
	if (!g->invals || gva.v > g->last_gva.v)
		g->last_gva = gva;
	g->inval[g->invals++] = (struct sh_inval){gva, old, (uint8_t)level};
}

struct noted {
	struct sh_gather *g;
	uint64_t old;
	unsigned level;
};

static void note_way(void *ctx, gva_t gva, uint64_t root)
{
	struct noted *n = ctx;

	unsigned pieces = sh_mutant(SH_MUT_STRIDE_OF_4K) && n->level > 1 ? SH_ENTRIES : 1;

	n->g->roots |= root;
	for (unsigned i = 0; i < pieces && !n->g->all; i++)
		add_inval(n->g, gva, n->old, n->level);
}

/* Before the entry goes: by which addresses it is reached, on which roots. */
static void note_entry(struct sh_gather *g, struct sh_page *p, unsigned index, uint64_t old)
{
	struct noted n = {g, old, p->role.level};

	look_at_epoch(g);
	g->cleared = true;
	g->levels |= 1u << p->role.level;
	if (!sh_ways(g->mmu, p, index, note_way, &n)) {
		g->all = true;
		g->roots = ~0ull;
	}
}

static void count_drop(struct sh_gather *g)
{
	g->drops++;
	g->mmu->sd->precise++;
}

/* ---- unhooking ---- */

/* A fault may have put something else here since the reverse map was read. */
static void drop_if(struct sh_gather *g, struct sh_page *p, unsigned index, mfn_t mfn)
{
	uint64_t old;

	pthread_spin_lock(&p->lock);
	old = atomic_load(&sh_page_table(g->mmu, p)[index]);
	if (old & PTE_P && (mfn_eq(mfn, MFN_NONE) || mfn_eq(sh_spte_mfn(old), mfn))) {
		note_entry(g, p, index, old);
		sh_leaf_drop(g->mmu, g->cur, p, index);
		count_drop(g);
	}
	pthread_spin_unlock(&p->lock);
}

/* mmu->lock guards large leaves. */
static void unlink_large(struct sh_gather *g, struct sh_page *p, unsigned index)
{
	note_entry(g, p, index, atomic_load(&sh_page_table(g->mmu, p)[index]));
	sh_unlink(g->mmu, g->cur, p, index);
	count_drop(g);
}

void sh_gather_leaf(struct sh_gather *g, struct sh_page *p, unsigned index)
{
	if (p->role.level > 1)
		unlink_large(g, p, index);
	else
		drop_if(g, p, index, MFN_NONE);
}

void sh_gather_table(struct sh_gather *g, struct sh_page *p)
{
	look_at_epoch(g);
	sh_page_zap(g->mmu, g->cur, p);
	g->tables = g->cleared = true;
}

static void drop_large(struct sh_gather *g, gfn_t gfn)
{
	struct sh_mmu *mmu = g->mmu;

	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++) {
		sh_set_t *set = &sh_region(mmu, l, gfn)->leaves;
		sh_slot_t s;

		while ((s = sh_set_at(set, 0)) != SH_SLOT_NONE)
			unlink_large(g, sh_slot_page(mmu, s), s % SH_ENTRIES);
	}
}

static void drop_small(struct sh_gather *g, gfn_t gfn)
{
	struct sh_mmu *mmu = g->mmu;
	struct sh_stripe *st = sh_stripe(mmu, gfn);

	for (;;) {
		sh_slot_t s;

		pthread_spin_lock(&st->lock);
		s = sh_set_at(&mmu->rmap[gfn.v], 0);
		pthread_spin_unlock(&st->lock);
		if (s == SH_SLOT_NONE)
			return;
		drop_if(g, sh_slot_page(mmu, s), s % SH_ENTRIES, gmem_mfn(mmu->gm, gfn));
	}
}

static void hold_back(struct sh_mmu *mmu, gfn_t gfn, bool on)
{
	struct sh_stripe *st = sh_stripe(mmu, gfn);

	pthread_spin_lock(&st->lock);
	if (on)
		atomic_fetch_or(&mmu->rmap[gfn.v], SH_SET_BACK);
	else
		atomic_fetch_and(&mmu->rmap[gfn.v], ~SH_SET_BACK);
	pthread_spin_unlock(&st->lock);
}

/* The frame is about to lose what it holds: what was made from it as a table goes. */
static bool drop_tables(struct sh_gather *g, gfn_t gfn)
{
	struct sh_page *p = NULL;

	while ((p = sh_page_of_gfn(g->mmu, gfn, p)))
		if (atomic_load(&p->pins))
			return false;
	while ((p = sh_page_of_gfn(g->mmu, gfn, NULL)))
		sh_gather_table(g, p);
	return true;
}

/* ---- frames ---- */

static bool grow(struct sh_gather *g)
{
	struct sh_batch *b = NULL;

	if (g->batches == SH_BATCHES || sh_mutant(SH_MUT_BATCHES_UNUSED))
		return false;
	sh_may_wait();
	if (!sh_inject(&g->mmu->inject, SH_INJECT_BATCH))
		b = malloc(sizeof(*b));
	if (!b)
		return false;
	b->next = NULL;
	b->n = 0;
	if (g->last)
		g->last->next = b;
	else
		g->first = b;
	g->last = b;
	g->batches++;
	return true;
}

static gfn_t *room(struct sh_gather *g)
{
	if (g->frames < SH_GATHER_STACK)
		return &g->frame[g->frames++];
	if ((g->last && g->last->n < SH_BATCH_FRAMES) || grow(g))
		return &g->last->frame[g->last->n++];
	return NULL;
}

bool sh_gather_frame(struct sh_gather *g, gfn_t gfn)
{
	gfn_t *at;

	if (!drop_tables(g, gfn))
		return false;
	at = room(g);
	if (!at) {
		sh_gather_flush(g);
		at = room(g);
	}
	*at = gfn;
	if (!sh_mutant(SH_MUT_NOT_HELD_BACK))
		hold_back(g->mmu, gfn, true);
	drop_large(g, gfn);
	drop_small(g, gfn);
	return true;
}

/* ---- the flush ---- */

static void make_request(const struct sh_gather *g, struct sh_forget *f)
{
	f->roots = g->roots;
	f->all = g->all;
	f->n = g->all ? 0 : g->invals;
	for (unsigned i = 0; i < f->n; i++)
		f->gva[i] = g->inval[i].gva;
}

/* Some way that no gather knows of may still lead to what was unhooked. */
static bool others_pending(const struct sh_mmu *mmu)
{
	return atomic_load(&mmu->drops) != atomic_load(&mmu->drops_flushed) + mmu->sd->precise;
}

static void flush_hardware(struct sh_gather *g)
{
	struct sh_mmu *mmu = g->mmu;
	bool loose = others_pending(mmu) && !sh_mutant(SH_MUT_LOOSE_DROPS_IGNORED);
	struct sh_forget f;
	unsigned kicks;

	look_at_epoch(g);
	if ((!g->cleared && !loose && !sh_mutant(SH_MUT_FLUSH_FOR_NOTHING)) ||
	    sh_mutant(SH_MUT_GATHER_UNFLUSHED))
		return;
	if (g->tables)
		loose = !sh_mutant(SH_MUT_TABLES_LEAF_FLUSH);
	if (loose || !sh_shootdown_can_choose(&mmu->be)) {
		kicks = sh_shootdown_all(mmu, g->cur);
	} else {
		make_request(g, &f);
		kicks = sh_shootdown(mmu, g->cur, &f);
		mmu->sd->settled += g->drops;
		g->drops = g->roots = 0;
		g->invals = g->levels = 0;
		g->all = g->tables = g->cleared = false;
	}
	look_at_epoch(g);
	g->out->flushes++;
	g->out->kicks += kicks;
	sh_count(mmu, g->cur, SH_ST_REMOTE_FLUSH, 1);
	sh_count(mmu, g->cur, SH_ST_KICKS, kicks);
}

static void release(struct sh_gather *g, const gfn_t *frame, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		g->out->released += sh_release_frame(g->mmu, g->rel, frame[i]);
		hold_back(g->mmu, frame[i], false);
	}
}

static void release_frames(struct sh_gather *g)
{
	release(g, g->frame, g->frames);
	g->frames = 0;
	while (g->first) {
		struct sh_batch *b = g->first;

		release(g, b->frame, b->n);
		g->first = b->next;
		free(b);
	}
	g->last = NULL;
	g->batches = 0;
}

void sh_gather_flush(struct sh_gather *g)
{
	if (sh_mutant(SH_MUT_RELEASE_BEFORE_FLUSH))
		release_frames(g);
	flush_hardware(g);
	release_frames(g);
}

void sh_gather_finish(struct sh_gather *g)
{
	sh_gather_flush(g);
}
