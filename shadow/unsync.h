/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal: unsync tables. A last-level guest table that is being written is left writable, and its
 * shadow entries are brought in step when the guest flushes, as a TLB's would be.
 *
 * A *record* stands for one such guest frame: a snapshot of the table as it was when the shadow
 * entries were last in step, and a mark for every word that a shadow entry has been made from since
 * with another value. So what may be out of step is what differs from the snapshot or is marked, and
 * a resync that finds nothing costs one comparison of 4 KBytes.
 *
 * When shadow entries may lag behind the guest's (SDM vol. 3, sections 4.10.2 to 4.10.4):
 *   INVLPG                 the entry of that address is brought in step, in every record
 *   a page fault           likewise, in the table its walk ended in: whatever a processor holds for the
 *                          address comes from there, as upper entries are never out of step
 *   MOV CR3 and the like   the records below the root in use are
 *   a table gets linked    the records below it are: a new upper entry needs no flush
 *   the frame is wanted as an upper table, the record as another's: tracked again, in step, gone
 * A flush therefore looks at SH_UNSYNC_MAX records and no more, and changes those it can reach; a
 * table that some other address space writes costs it nothing but the look.
 *
 * Locks: mmu->lock for everything but sh_unsync_note(), which needs the page's lock.
 * Read first: page.h, flush.h. Read next: unsync_sync.c, unsync.c, context.c.
 */
#ifndef UMBRA_SHADOW_UNSYNC_H
#define UMBRA_SHADOW_UNSYNC_H

#include "shadow/page.h"

#define SH_UNSYNC_MAX 64u

int sh_unsync_init(struct sh_mmu *mmu);
void sh_unsync_fini(struct sh_mmu *mmu);

/* Lets the guest write gfn, if it is tracked and every page made from it is a last-level table.
 * False: it stays tracked. May shoot down. */
bool sh_unsync_start(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);
/* The same for a write fault that found gfn tracked; takes mmu->lock. True: try again. */
bool sh_unsync_on_fault(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn);
/* The record of a frame, or NULL. */
struct sh_unsync *sh_unsync_find(struct sh_mmu *mmu, gfn_t gfn);
/* Whether a page made from its frame can share the record: entries of one size. */
bool sh_unsync_fits(const struct sh_unsync *u, const struct sh_page *p);
/* A last-level page was made for a frame with a record. */
void sh_unsync_join(struct sh_unsync *u, struct sh_page *p);
/* Tracks the frame again, brings its pages in step, and forgets the record. May shoot down. */
void sh_unsync_end(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u);
/* The last page made from the frame goes. */
void sh_unsync_drop(struct sh_mmu *mmu, struct sh_unsync *u);

/* An entry of p, at index, is about to be made from gpte; p->lock held. True: other entries made from
 * the same guest entry may be of another value. */
bool sh_unsync_note(struct sh_mmu *mmu, struct sh_page *p, unsigned index, uint64_t gpte);

/* Brings in step what gva could be translated by, in every record. */
void sh_unsync_sync_va(struct sh_mmu *mmu, struct sh_vcpu *v, gva_t gva);
/* The same in one table, which a walk of gva has read its last entry from. Takes mmu->lock if the table
 * is unsync, and does nothing if not. */
void sh_unsync_sync_walked(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t table, gva_t gva);
/* All records that lie below p, which may be one's own page. */
void sh_unsync_sync_below(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_page *p);
/* All records below any root that v's registers name. */
void sh_unsync_sync_root(struct sh_mmu *mmu, struct sh_vcpu *v);

/* Counts up with each value that a shadow entry of a record takes on: nothing changed since means
 * that no translation has appeared that was not there before. */
uint64_t sh_unsync_changes(const struct sh_mmu *mmu);

/* Whether entry index of p may differ from what the guest entry says, and what it was made from
 * otherwise; for the audit. False if p has no record. */
bool sh_unsync_was(const struct sh_page *p, unsigned index, bool *marked, uint64_t *gpte);
/* Checks of the records themselves; for the audit. */
struct sh_report;
void sh_unsync_audit(struct sh_mmu *mmu, struct sh_report *rep);
unsigned sh_unsync_count(const struct sh_mmu *mmu);

#endif
