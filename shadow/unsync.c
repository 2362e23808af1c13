/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unsync tables: records, resync, and what ends one. Read first: unsync.h.
 *
 * Order in sh_unsync_start(): snapshot while the frame is tracked -> every page knows its record ->
 * writable. In sh_unsync_end(): tracked and shot down -> in step -> the pages forget the record.
 * A resync takes over the new value and clears the mark first and updates the pages after, each
 * under its lock; a fault that makes an entry from yet another value meanwhile sets the mark again.
 */
#include <errno.h>
#include <stdlib.h>

#include "shadow/audit_report.h"
#include "shadow/spte.h"
#include "shadow/unsync.h"

#define WORDS 512u
/* Tracked writes since the last use after which the next one finds the table writable. The first is
 * worth its exit: a single new entry is filled by it, and needs no fault when it is used. */
#define UNSYNC_AFTER 1u
/* Resyncs running that found nothing, after which the table is tracked again. */
#define UNSYNC_IDLE 16u
/* Parents looked at before a record counts as reachable without looking further. */
#define LOOK_UP 256u

struct sh_unsync {
	gfn_t gfn;
	bool used;
	uint8_t entry_bytes;
	unsigned idle;
	uint64_t since; /* clock of the set when it began */
	_Atomic uint64_t snap[WORDS];
	_Atomic uint64_t mark[WORDS / 64];
};

struct sh_unsync_set {
	_Atomic unsigned count;
	uint64_t clock;
	_Atomic uint64_t changes;
	struct sh_unsync rec[SH_UNSYNC_MAX];
};

int sh_unsync_init(struct sh_mmu *mmu)
{
	sh_may_wait();
	mmu->unsync = calloc(1, sizeof(*mmu->unsync));
	return mmu->unsync ? 0 : -ENOMEM;
}

void sh_unsync_fini(struct sh_mmu *mmu)
{
	free(mmu->unsync);
}

unsigned sh_unsync_count(const struct sh_mmu *mmu)
{
	return mmu->unsync->count;
}

uint64_t sh_unsync_changes(const struct sh_mmu *mmu)
{
	return atomic_load(&mmu->unsync->changes);
}

struct sh_unsync *sh_unsync_find(struct sh_mmu *mmu, gfn_t gfn)
{
	struct sh_unsync_set *set = mmu->unsync;

	for (unsigned i = 0, seen = 0; i < SH_UNSYNC_MAX && seen < set->count; i++) {
		if (!set->rec[i].used)
			continue;
		seen++;
		if (gfn_eq(set->rec[i].gfn, gfn))
			return &set->rec[i];
	}
	return NULL;
}

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
static unsigned differing(struct sh_mmu *mmu, struct sh_unsync *u, uint16_t at[WORDS],
			  uint64_t now[WORDS])
{
	const _Atomic uint64_t *table = gmem_map(mmu->gm, u->gfn);
	uint64_t marks = 0;
	unsigned n = 0;

	for (unsigned w = 0; w < WORDS; w++) {
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

static unsigned resync(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u)
{
	uint16_t at[WORDS];
	uint64_t now[WORDS];
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
	u->idle = resync(mmu, v, u) ? 0 : u->idle + 1;
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
			resync(mmu, v, u);
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

/* ---- beginning and end ---- */

static void set_bit(struct sh_mmu *mmu, gfn_t gfn, bool on)
{
	struct sh_stripe *st = sh_stripe(mmu, gfn);

	pthread_spin_lock(&st->lock);
	if (on)
		atomic_fetch_or(&mmu->rmap[gfn.v], SH_SET_UNSYNC);
	else
		atomic_fetch_and(&mmu->rmap[gfn.v], ~SH_SET_UNSYNC);
	pthread_spin_unlock(&st->lock);
}

/* Every page of the frame gets its record, or forgets it. */
static void tell_pages(struct sh_mmu *mmu, gfn_t gfn, struct sh_unsync *u)
{
	struct sh_page *p = NULL;

	while ((p = sh_page_of_gfn(mmu, gfn, p)))
		sh_unsync_join(u, p);
}

bool sh_unsync_fits(const struct sh_unsync *u, const struct sh_page *p)
{
	return sh_formats[p->role.format].entry_bytes == u->entry_bytes;
}

void sh_unsync_join(struct sh_unsync *u, struct sh_page *p)
{
	pthread_spin_lock(&p->lock);
	p->unsync = u;
	pthread_spin_unlock(&p->lock);
}

void sh_unsync_drop(struct sh_mmu *mmu, struct sh_unsync *u)
{
	set_bit(mmu, u->gfn, false);
	u->used = false;
	mmu->unsync->count--;
}

void sh_unsync_end(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u)
{
	sh_change_begin(mmu, v);
	sh_track(mmu, v, u->gfn);
	if (!sh_mutant(SH_MUT_END_UNSYNCED))
		resync(mmu, v, u);
	tell_pages(mmu, u->gfn, NULL);
	sh_unsync_drop(mmu, u);
	sh_change_end(mmu, v);
}

/* No entry leads to any page of the record. */
static bool forsaken(struct sh_mmu *mmu, const struct sh_unsync *u)
{
	struct sh_page *p = NULL;

	while ((p = sh_page_of_gfn(mmu, u->gfn, p)))
		if (sh_set_count(&p->parents) || atomic_load(&p->pins))
			return false;
	return true;
}

static void zap_record(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct sh_page *p;

	while ((p = sh_page_of_gfn(mmu, gfn, NULL)))
		sh_page_zap(mmu, v, p);
}

/* Frees a record: one that is of no use, or else the oldest. */
static void make_room(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	struct sh_unsync_set *set = mmu->unsync;
	struct sh_unsync *oldest = &set->rec[0];

	if (set->count < SH_UNSYNC_MAX)
		return;
	for (unsigned i = 0; i < SH_UNSYNC_MAX; i++) {
		if (forsaken(mmu, &set->rec[i])) {
			zap_record(mmu, v, set->rec[i].gfn);
			return;
		}
		if (set->rec[i].since < oldest->since)
			oldest = &set->rec[i];
	}
	sh_unsync_end(mmu, v, oldest);
}

static bool last_level_only(struct sh_mmu *mmu, gfn_t gfn, uint8_t *entry_bytes)
{
	struct sh_page *p = NULL;

	*entry_bytes = 0;
	while ((p = sh_page_of_gfn(mmu, gfn, p))) {
		uint8_t bytes = sh_formats[p->role.format].entry_bytes;

		if ((p->role.level > 1 && !sh_mutant(SH_MUT_UNSYNC_UPPER)) ||
		    (*entry_bytes && *entry_bytes != bytes))
			return false;
		*entry_bytes = bytes;
	}
	return *entry_bytes;
}

static bool snapshot(struct sh_mmu *mmu, struct sh_unsync *u)
{
	const _Atomic uint64_t *table = gmem_map(mmu->gm, u->gfn);

	if (!table)
		return false;
	for (unsigned w = 0; w < WORDS; w++)
		atomic_store_explicit(&u->snap[w],
				      atomic_load_explicit(&table[w], memory_order_relaxed),
				      memory_order_relaxed);
	for (unsigned i = 0; i < WORDS / 64; i++)
		atomic_store(&u->mark[i], 0);
	gmem_unmap(mmu->gm, (void *)(uintptr_t)table);
	return true;
}

static struct sh_unsync *unused(struct sh_unsync_set *set)
{
	struct sh_unsync *u = set->rec;

	while (u->used)
		u++;
	return u;
}

bool sh_unsync_start(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct sh_unsync_set *set = mmu->unsync;
	struct sh_unsync *u;
	uint8_t bytes;

	if (!mmu->opt.on[SH_OPT_UNSYNC] || !sh_tracked(mmu, gfn) ||
	    !last_level_only(mmu, gfn, &bytes))
		return false;
	make_room(mmu, v);
	u = unused(set);
	u->gfn = gfn;
	if (!snapshot(mmu, u))
		return false;
	u->used = true;
	u->entry_bytes = bytes;
	u->idle = 0;
	u->since = ++set->clock;
	set->count++;
	atomic_fetch_add(&set->changes, 1);
	tell_pages(mmu, gfn, u);
	set_bit(mmu, gfn, true);
	sh_untrack(mmu, v, gfn);
	sh_count(mmu, v, SH_ST_UNSYNC, 1);
	sh_trace(mmu, v, unsync_page, 0, gfn.v);
	return true;
}

static bool written_lately(struct sh_mmu *mmu, gfn_t gfn)
{
	struct sh_page *p = NULL;

	while ((p = sh_page_of_gfn(mmu, gfn, p)))
		if (atomic_load(&p->flood) >= UNSYNC_AFTER)
			return true;
	return false;
}

bool sh_unsync_on_fault(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	bool done;

	if (!mmu->opt.on[SH_OPT_UNSYNC])
		return false;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	done = sh_unsync_find(mmu, gfn) ||
	       (written_lately(mmu, gfn) && sh_unsync_start(mmu, v, gfn));
	pthread_mutex_unlock(&mmu->lock);
	return done;
}

/* ---- audit ---- */

void sh_unsync_audit(struct sh_mmu *mmu, struct sh_report *rep)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SH_UNSYNC_MAX; i++) {
		struct sh_unsync *u = &mmu->unsync->rec[i];
		struct sh_page *p = NULL;

		if (!u->used)
			continue;
		count++;
		if (!sh_page_of_gfn(mmu, u->gfn, NULL) || sh_tracked(mmu, u->gfn) ||
		    !sh_shadowed(mmu, u->gfn))
			sh_report(rep, "unsync record of a frame that is not so", SH_SLOT_NONE,
				  u->gfn.v);
		while ((p = sh_page_of_gfn(mmu, u->gfn, p)))
			if (p->unsync != u || p->role.level > 1)
				sh_report(rep, "page of an unsync frame does not know it",
					  sh_slot(mmu, p, 0), u->gfn.v);
	}
	if (count != mmu->unsync->count)
		sh_report(rep, "count of unsync records is wrong", SH_SLOT_NONE, count);
}
