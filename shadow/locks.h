/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every lock of the library, what it guards, and the one order they are taken in.
 *
 *   1. mmu->lock (mutex)   the graph of shadow pages: which exist, the hash, parent links, upper
 *                          entries, pins, which gfns are tracked, the pool and the list of dying
 *                          pages and its queue (defer.h), the copies of the vCPUs' PDPTEs, the large leaves and the
 *                          regions' sets and counts. Held over shootdown(), and over
 *                          synchronize_rcu() only when tables have run out (defer.h). Not taken
 *                          by a hidden fault whose tables exist.
 *   2. page->lock (spin)   the entries of one shadow table and its `invalid` flag.
 *                          Two page locks are never held at once. Of the direct map's tables: their
 *                          leaves; what else it takes to write one is in dmap_internal.h.
 *   3. rmap stripe (spin)  the reverse map of the gfns that hash to it, and their tracked flag. A
 *                          leaf entry appears, disappears or gains W only with the stripe of the
 *                          gfn it maps held besides its page's lock; the stripe alone suffices to
 *                          take W away (atomically).
 *
 * Readers without locks walk shadow tables and the hash in RCU read-side sections (liburcu memb).
 * Inside one, neither mmu->lock is taken nor anything waits, so synchronize_rcu() under mmu->lock
 * can't deadlock. A table goes back to the pool only after: its entries are cleared and it is
 * unlinked -> shootdown() -> synchronize_rcu().
 *
 * A vCPU thread in the guest holds nothing. A vCPU thread that waits for mmu->lock is not in the
 * guest, so a shootdown under mmu->lock never waits for it.
 */
#ifndef UMBRA_SHADOW_LOCKS_H
#define UMBRA_SHADOW_LOCKS_H
#endif
