/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unsync tables: which words differ from what the shadow entries were made of, and bringing those in
 * step, by address, by root, or below a page.
 *
 * A resync takes over the new value and clears the mark first and updates the pages after, each
 * under its lock; a fault that makes an entry from yet another value meanwhile sets the mark again.
 * Locks: mmu->lock, but for the words, where the page's is enough.
 * Read first: unsync.h, unsync_record.h. Read next: unsync.c.
 */
#include "shadow/spte.h"
#include "shadow/unsync_record.h"

/* Resyncs running that found nothing, after which the table is tracked again. */
#define UNSYNC_IDLE 16u
/* Parents looked at before a record counts as reachable without looking further. */
#define LOOK_UP 256u

/* ---- words ---- */

/* The word that holds the guest entry behind index of p, and where in it. */
static unsigned word_of(const struct sh_page *p, unsigned index, unsigned *shift)
{
	unsigned byte = sh_guest_index(p->role, index) * sh_formats[p->role.format].entry_bytes;

	*shift = byte % 8 * 8;
	return byte / 8;
}

static uint64_t part(const struct sh_unsync *u, uint64_t word, unsigned shift)
{
	return u->entry_bytes == 8 ? word : (uint32_t)(word >> shift);
}

static bool marked(const struct sh_unsync *u, unsigned w)
{
	return atomic_load(&u->mark[w / 64]) >> w % 64 & 1;
}

bool sh_unsync_note(struct sh_mmu *mmu, struct sh_page *p, unsigned index, uint64_t gpte)
{
	struct sh_unsync *u = p->unsync;
	unsigned w, shift;

	if (!u)
		return false;
	w = word_of(p, index, &shift);
	if (part(u, atomic_load(&u->snap[w]), shift) == gpte)
		return marked(u, w);
	if (!sh_mutant(SH_MUT_FILL_NOT_MARKED))
		atomic_fetch_or(&u->mark[w / 64], 1ull << w % 64);
	atomic_fetch_add(&mmu->unsync->changes, 1);
	return true;
}

bool sh_unsync_was(const struct sh_page *p, unsigned index, bool *is_marked, uint64_t *gpte)
{
	unsigned w, shift;

	if (!p->unsync)
		return false;
	w = word_of(p, index, &shift);
	*is_marked = marked(p->unsync, w);
	*gpte = part(p->unsync, atomic_load(&p->unsync->snap[w]), shift);
	return true;
}

/* ---- resync ---- */

static void sync_word(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u, unsigned w,
		      uint64_t now)
{
	unsigned first = w * 8 / u->entry_bytes, last = (w * 8 + 7) / u->entry_bytes;
	struct sh_page *p = NULL;
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_SYNC);

	sh_trace(mmu, v, sync_entry, 0, gfn_gpa(u->gfn).v + w * 8, atomic_load(&u->snap[w]),
		 now);
	atomic_store(&u->snap[w], now);
	atomic_fetch_and(&u->mark[w / 64], ~(1ull << w % 64));
	atomic_fetch_add(&mmu->unsync->changes, 1);
	while ((p = sh_page_of_gfn(mmu, u->gfn, p))) {
		sh_update_entries(mmu, v, p, first, last);
		if (sh_mutant(SH_MUT_SYNC_FIRST_ROLE_ONLY))
			break;
	}
	sh_count(mmu, v, SH_ST_SYNC_ENTRY, 1);
}

/* Which words differ; their values in now. */
static unsigned differing(struct sh_mmu *mmu, struct sh_unsync *u, uint16_t at[SH_UNSYNC_WORDS],
			  uint64_t now[SH_UNSYNC_WORDS])
{
	const _Atomic uint64_t *table = gmem_map(mmu->gm, u->gfn);
	uint64_t marks = 0;
	unsigned n = 0;

	for (unsigned w = 0; w < SH_UNSYNC_WORDS; w++) {
		uint64_t snap = atomic_load_explicit(&u->snap[w], memory_order_relaxed), val;

		if (w % 64 == 0)
			marks = atomic_load(&u->mark[w / 64]);
		val = table ? atomic_load_explicit(&table[w], memory_order_relaxed) : ~snap;
		if (val != snap || marks >> w % 64 & 1) {
			at[n] = (uint16_t)w;
			now[n++] = val;
		}
	}
	if (table)
		gmem_unmap(mmu->gm, (void *)(uintptr_t)table);
	return n;
}

unsigned sh_unsync_resync(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u)
{
	uint16_t at[SH_UNSYNC_WORDS];
	uint64_t now[SH_UNSYNC_WORDS];
	unsigned n = differing(mmu, u, at, now);

	sh_trace(mmu, v, sync_page, 0, u->gfn.v, n);
	for (unsigned i = 0; i < n; i++)
		sync_word(mmu, v, u, at[i], now[i]);
	sh_count(mmu, v, SH_ST_SYNC, 1);
	return n;
}

/* A flush that reaches the record. */
static void flush_record(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u)
{
	u->idle = sh_unsync_resync(mmu, v, u) ? 0 : u->idle + 1;
	if (u->idle >= UNSYNC_IDLE)
		sh_unsync_end(mmu, v, u);
}

/* The word that a last-level table translates gva by. */
static void sync_va(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u, gva_t gva)
{
	unsigned bits = u->entry_bytes == 8 ? 9 : 10;
	unsigned w =
		(unsigned)(gva.v >> SH_PAGE_SHIFT & ((1u << bits) - 1)) * u->entry_bytes / 8;
	uint64_t now;

	if (sh_mutant(SH_MUT_SYNC_WRONG_ENTRY))
		w ^= 1;
	if (gmem_load64(mmu->gm, GPA(gfn_gpa(u->gfn).v + w * 8), &now))
		return;
	if (now != atomic_load(&u->snap[w]) || marked(u, w))
		sync_word(mmu, v, u, w, now);
}

void sh_unsync_sync_va(struct sh_mmu *mmu, struct sh_vcpu *v, gva_t gva)
{
	struct sh_unsync_set *set = mmu->unsync;

	for (unsigned i = 0; i < SH_UNSYNC_MAX && set->count; i++)
		if (set->rec[i].used)
			sync_va(mmu, v, &set->rec[i], gva);
}

void sh_unsync_sync_walked(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t table, gva_t gva)
{
	struct sh_unsync *u;

	if (!sh_is_unsync(mmu, table))
		return;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	u = sh_unsync_find(mmu, table);
	if (u)
		sync_va(mmu, v, u, gva);
	pthread_mutex_unlock(&mmu->lock);
}

/* ---- what lies below what ---- */

/* A page, or (NULL) every root page of a top table. */
struct target {
	const struct sh_page *page;
	gfn_t top;
	unsigned format;
};

static bool is_target(const struct sh_mmu *mmu, const struct sh_page *p, const struct target *t)
{
	if (t->page)
		return p == t->page;
	return p->role.level == mmu->be.levels && p->role.format == t->format &&
	       gfn_eq(p->gfn, t->top);
}

static bool below(const struct sh_mmu *mmu, const struct sh_page *p, const struct target *t,
		  unsigned *budget)
{
	sh_slot_t s;

	if (is_target(mmu, p, t))
		return true;
	for (unsigned i = 0; (s = sh_set_at(&p->parents, i)) != SH_SLOT_NONE; i++) {
		if (!*budget)
			return true;
		--*budget;
		if (below(mmu, sh_slot_page(mmu, s), t, budget))
			return true;
	}
	return false;
}

static bool record_below(struct sh_mmu *mmu, const struct sh_unsync *u, const struct target *t)
{
	unsigned budget = LOOK_UP;
	struct sh_page *p = NULL;

	while ((p = sh_page_of_gfn(mmu, u->gfn, p)))
		if (below(mmu, p, t, &budget))
			return true;
	return false;
}

static void sync_target(struct sh_mmu *mmu, struct sh_vcpu *v, const struct target *t)
{
	struct sh_unsync_set *set = mmu->unsync;

	for (unsigned i = 0; i < SH_UNSYNC_MAX && set->count; i++) {
		struct sh_unsync *u = &set->rec[i];

		if (!u->used || !record_below(mmu, u, t))
			continue;
		if (t->page)
			sh_unsync_resync(mmu, v, u);
		else
			flush_record(mmu, v, u);
	}
}

void sh_unsync_sync_below(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_page *p)
{
	struct target t = {.page = p};

	if (!sh_mutant(SH_MUT_LINK_UNSYNCED))
		sync_target(mmu, v, &t);
}

void sh_unsync_sync_root(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	struct target t = {.top = sh_root_gfn(v), .format = v->mode.format};

	if (!sh_mutant(SH_MUT_FLUSH_UNSYNCED))
		sync_target(mmu, v, &t);
}
