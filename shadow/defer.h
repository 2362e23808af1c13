/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Deferral: what becomes of tables that are out of use and that no processor remembers any more.
 * Readers without locks may still stand in them, so they wait for a grace period; that wait is a
 * thread's of its own, and nobody holds mmu->lock over it.
 *
 *   dying (unlinked; pool.c) -> flushed -> queued -> grace period -> free
 *                                                        \-> kept, while a walker is in it -> free
 *
 * A reader in a read-side section holds up everything that is queued after it began, and so must be
 * short. Whoever wants to stand in a table for longer is a walker (struct sh_walker): it takes
 * references in a section and leaves the section; its tables alone stay then, however long it takes.
 *
 * The backlog is bounded: tables that are queued or kept count against the limit like others. Reclaim
 * queues some before the last one is gone; a producer that is faster than the grace periods, and finds
 * none left, waits for the readers itself, with the lock, and so do all who want it. The same where
 * there is no thread (mmu.h, no_thread), or the queue is made to fail.
 * In time, too: once the oldest table of the queue has waited for SH_DEFER_PATIENCE_NS, whoever brings
 * more waits.
 *
 * Locks: mmu->lock for everything but sh_rcu_info(), for which no vCPU shall wait. Read first: rcu.h, locks.h. Read next: pool.c.
 */
#ifndef UMBRA_SHADOW_DEFER_H
#define UMBRA_SHADOW_DEFER_H

#include "shadow/page.h"

#define SH_DEFER_SAMPLES 1024u

/* Age of the oldest table in the queue from which on producers wait. */
#define SH_DEFER_PATIENCE_NS 2000000000ull

struct sh_defer {
	pthread_t thread;
	bool have_thread, stop;
	pthread_cond_t work;
	struct sh_page queued, grace, kept; /* list heads */
	/* From here on: changed under the lock, and looked at without it. */
	_Atomic uint32_t in_queue, in_grace, in_kept;
	/* Figures. graces: periods waited for; sync: of those, by producers, who
	 * found no table left (pressed) or no thread (refused). */
	_Atomic uint64_t graces, sync, pressed, freed, refused, overdue, max_backlog;
	_Atomic uint32_t
		sample[SH_DEFER_SAMPLES]; /* us from queue to free, of the last batches */
	_Atomic uint64_t samples;
	_Atomic uint64_t since; /* when the oldest in the queue came; ns */
};

int sh_defer_init(struct sh_mmu *mmu);
/* Ends the thread, when it has freed what it has, and waits for the readers there are. */
void sh_defer_fini(struct sh_mmu *mmu);
/* Takes over all dying tables; they have been flushed. Does not wait, or (without a thread) waits for
 * the readers. */
void sh_defer_dying(struct sh_mmu *mmu);
/* Waits for the readers and frees whatever has been handed over. False: that was nothing. */
bool sh_defer_now(struct sh_mmu *mmu);

/* pool.c: list and state changes of one page, after its grace period. */
void sh_pool_free(struct sh_mmu *mmu, struct sh_page *p);

/* Someone who stands in the tables on the way to an address for as long as it likes. */
struct sh_walker {
	struct sh_mmu *mmu;
	unsigned n;
	struct sh_page *page[SH_MAX_LEVEL]; /* from the root down */
};
/* Takes hold of the tables on the way. Any thread registered with liburcu. Returns how many. */
unsigned sh_walker_enter(struct sh_walker *w, struct sh_mmu *mmu, mfn_t root, gva_t gva);
/* May free tables; takes mmu->lock. */
void sh_walker_leave(struct sh_walker *w);

#endif
