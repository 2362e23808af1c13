/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The auditor: everything that must hold at a quiescent point, checked from scratch.
 *
 *   - every shadow entry is what its page's key and the guest entry (or PDPTE) allow, or less
 *   - leaf entries and reverse map are a bijection; upper entries and parent sets likewise
 *   - no writable entry for a tracked frame; a frame is tracked exactly if a live page has it,
 *     unless it is unsync: then its entries are what they may be since the last flush
 *   - what audit_large.c says of large leaves
 *   - a key names one page and private copies; counts of entries agree; free and dying tables are all zeroes
 *
 * Locks: takes mmu->lock; the caller has brought all vCPUs to rest. Read first: spte.h, locks.h.
 */
#include <stdarg.h>
#include <string.h>

#include "shadow/audit_report.h"
#include "shadow/dmap_internal.h"
#include "shadow/defer.h"
#include "shadow/spte.h"
#include "shadow/unsync.h"

struct audit {
	struct sh_mmu *mmu;
	struct sh_report *rep;
	uint64_t leaves, large, uppers, rmap_slots, parent_slots;
};

static void check_leaf(struct audit *a, struct sh_page *p, unsigned i, uint64_t spte)
{
	struct sh_mmu *mmu = a->mmu;
	uint64_t gpte = sh_page_gpte(mmu, p, i), most;
	gfn_t gfn = gmem_gfn(mmu->gm, sh_spte_mfn(spte));
	bool lags = false;
	struct sh_expect e;

	a->leaves++;
	sh_unsync_was(p, i, &lags, &gpte);
	e = sh_expect(mmu, p->gfn, p->role, i, gpte);
	if (gfn.v >= mmu->rmap_frames) {
		sh_report(a->rep, "leaf maps no guest frame", sh_slot(mmu, p, i), spte);
		return;
	}
	if (spte & PTE_W && sh_tracked(mmu, gfn))
		sh_report(a->rep, "writable leaf of a tracked frame", sh_slot(mmu, p, i), spte);
	if (lags)
		return; /* since the last flush, made from a value that may have changed again */
	if (e.kind != SH_EXPECT_LEAF || !gfn_eq(e.gfn, gfn)) {
		sh_report(a->rep, "leaf is not what the guest entry says", sh_slot(mmu, p, i),
			  spte);
		return;
	}
	most = sh_spte_leaf(p->role, e.access, e.dirty, true, sh_spte_mfn(spte));
	if (sh_spte_narrows(spte, most))
		sh_report(a->rep, "leaf permits more than the guest", sh_slot(mmu, p, i), spte);
}

/* A walk sets D in a large guest entry without a tracked write, on behalf of one view or of the
 * emulator; the tables of the others are replaced when they fault, and permit less until then. */
static bool key_agrees(const struct sh_expect *e, const struct sh_page *child)
{
	struct sh_role want = e->role;

	if (child->role.direct && !child->role.dirty)
		want.dirty = 0;
	return gfn_eq(e->gfn, child->gfn) && sh_role_eq(want, child->role);
}

static void check_upper(struct audit *a, struct sh_page *p, unsigned i, uint64_t spte)
{
	struct sh_mmu *mmu = a->mmu;
	struct sh_expect e = sh_expect(mmu, p->gfn, p->role, i, sh_page_gpte(mmu, p, i));
	struct sh_page *child = sh_spte_child(mmu, spte);

	if (sh_spte_is_large(spte)) {
		a->large++;
		sh_audit_large_leaf(mmu, a->rep, p, i, spte);
		return;
	}
	a->uppers++;
	if (!child || child->state != SH_PAGE_LIVE || atomic_load(&child->invalid)) {
		sh_report(a->rep, "upper entry names no live page", sh_slot(mmu, p, i), spte);
		return;
	}
	if (e.kind != SH_EXPECT_TABLE || !key_agrees(&e, child))
		sh_report(a->rep, "upper entry names a page of another key", sh_slot(mmu, p, i),
			  spte);
}

static void check_entries(struct audit *a, struct sh_page *p)
{
	_Atomic uint64_t *table = sh_page_table(a->mmu, p);
	uint32_t present = 0;

	for (unsigned i = 0; i < SH_ENTRIES; i++) {
		uint64_t spte = atomic_load(&table[i]);

		if (!spte ||
		    (i == 256 && p->role.level == a->mmu->be.levels && a->mmu->be.gate_entry))
			continue;
		if (!(spte & PTE_P)) {
			sh_report(a->rep, "entry neither present nor zero",
				  sh_slot(a->mmu, p, i), spte);
			continue;
		}
		present++;
		(p->role.level > 1 ? check_upper : check_leaf)(a, p, i, spte);
	}
	if (present != atomic_load(&p->present))
		sh_report(a->rep, "count of present entries is wrong", sh_slot(a->mmu, p, 0),
			  present);
}

struct set_check {
	struct audit *a;
	uint64_t want; /* frame bits an entry of the set must hold */
	uint64_t *count;
	const char *what;
};

static void check_slot(void *ctx, sh_slot_t s)
{
	struct set_check *c = ctx;
	uint64_t spte = atomic_load(sh_slot_ptr(c->a->mmu, s));

	(*c->count)++;
	if (!(spte & PTE_P) || sh_spte_mfn(spte).v != c->want)
		sh_report(c->a->rep, c->what, s, spte);
}

static void check_page(struct audit *a, struct sh_page *p)
{
	struct set_check c = {.a = a,
			      .want = sh_page_mfn(a->mmu, p).v,
			      .count = &a->parent_slots,
			      .what = "parent set names an entry that points elsewhere"};

	if (p->state != SH_PAGE_LIVE || atomic_load(&p->invalid))
		sh_report(a->rep, "page in the live list is not live", sh_slot(a->mmu, p, 0),
			  0);
	if (p->copy && sh_share_count(p) > 1)
		sh_report(a->rep, "private copy has several parents", sh_slot(a->mmu, p, 0), 0);
	if (!p->copy && sh_page_find(a->mmu, p->gfn, p->role) != p)
		sh_report(a->rep, "key finds another page", sh_slot(a->mmu, p, 0), p->gfn.v);
	if (sh_role_is_table(p->role) && p->gfn.v < a->mmu->rmap_frames &&
	    !sh_shadowed(a->mmu, p->gfn))
		sh_report(a->rep, "table is not tracked", sh_slot(a->mmu, p, 0), p->gfn.v);
	sh_set_each(&p->parents, check_slot, &c);
	check_entries(a, p);
}

static void check_rmap(struct audit *a)
{
	struct sh_mmu *mmu = a->mmu;

	for (uint64_t f = 0; f < mmu->rmap_frames; f++) {
		struct set_check c = {.a = a,
				      .count = &a->rmap_slots,
				      .what = "reverse map names an entry that maps elsewhere"};

		if (!atomic_load_explicit(&mmu->rmap[f], memory_order_relaxed))
			continue;
		c.want = gmem_mfn(mmu->gm, GFN(f)).v;
		sh_set_each(&mmu->rmap[f], check_slot, &c);
		if (sh_shadowed(mmu, GFN(f)) && !sh_page_of_gfn(mmu, GFN(f), NULL))
			sh_report(a->rep, "frame is tracked for no page", SH_SLOT_NONE, f);
	}
}

static void check_unused(struct audit *a, struct sh_page *head)
{
	static const uint64_t zeroes[SH_ENTRIES];

	for (struct sh_page *p = head->list_next; p != head; p = p->list_next)
		if (memcmp((const void *)sh_page_table(a->mmu, p), zeroes, sizeof(zeroes)))
			sh_report(a->rep, "table out of use is not zero", sh_slot(a->mmu, p, 0),
				  0);
}

unsigned sh_audit(struct sh_mmu *mmu, char *buf, size_t n)
{
	struct sh_report rep = {.buf = buf, .size = n};
	struct audit a = {.mmu = mmu, .rep = &rep};

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	for (struct sh_page *p = mmu->lru.list_next; p != &mmu->lru; p = p->list_next)
		check_page(&a, p);
	check_rmap(&a);
	sh_unsync_audit(mmu, &rep);
	sh_dmap_audit(mmu, &rep);
	check_unused(&a, &mmu->free_list);
	check_unused(&a, &mmu->dying_list);
	check_unused(&a, &mmu->defer->queued);
	check_unused(&a, &mmu->defer->grace);
	check_unused(&a, &mmu->defer->kept);
	if (a.leaves != a.rmap_slots || a.leaves != sh_leaves(mmu))
		sh_report(&rep, "leaves and reverse map differ in number", SH_SLOT_NONE,
			  a.leaves - a.rmap_slots);
	if (a.large != sh_audit_regions(mmu, &rep))
		sh_report(&rep, "large leaves and regions' sets differ in number", SH_SLOT_NONE,
			  a.large);
	if (a.uppers != a.parent_slots)
		sh_report(&rep, "upper entries and parent sets differ in number", SH_SLOT_NONE,
			  a.uppers - a.parent_slots);
	pthread_mutex_unlock(&mmu->lock);
	return rep.count;
}
