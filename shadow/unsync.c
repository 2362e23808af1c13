/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unsync tables: what begins a record and what ends one.
 *
 * Order in sh_unsync_start(): snapshot while the frame is tracked -> every page knows its record ->
 * writable. In sh_unsync_end(): tracked and shot down -> in step -> the pages forget the record.
 * Locks: mmu->lock.
 * Read first: unsync.h, unsync_record.h, unsync_sync.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "shadow/audit_report.h"
#include "shadow/spte.h"
#include "shadow/unsync_record.h"

/* Tracked writes since the last use after which the next one finds the table writable. The first is
 * worth its exit: a single new entry is filled by it, and needs no fault when it is used. */
#define UNSYNC_AFTER 1u

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
		sh_unsync_resync(mmu, v, u);
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
	for (unsigned w = 0; w < SH_UNSYNC_WORDS; w++)
		atomic_store_explicit(&u->snap[w],
				      atomic_load_explicit(&table[w], memory_order_relaxed),
				      memory_order_relaxed);
	for (unsigned i = 0; i < SH_UNSYNC_WORDS / 64; i++)
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
