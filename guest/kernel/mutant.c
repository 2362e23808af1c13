/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deliberate bugs. tests/guest/guest-mutants.sh runs each on a machine on which a scenario
 * notices it.
 */
#include "kernel/mutant.h"

enum mutant mutant_on;

static const struct {
	const char *name, *what;
} mutants[MUTANT_COUNT] = {
	[NO_SHOOTDOWN] = {"no-shootdown", "other CPUs are not told to forget"},
	[FREE_BEFORE_FLUSH] = {"free-before-flush", "a gather frees first and flushes after"},
	[GATHER_PER_CPU] = {"gather-per-cpu", "what is gathered belongs to the CPU"},
	[GATHER_DROPS] = {"gather-drops", "frames are forgotten when there is no room"},
	[NO_GRACE] = {"table-no-grace", "tables are freed while others may be reading them"},
	[GUP_NO_RECHECK] = {"gup-no-recheck", "the entry is not read again"},
	[GUP_NO_ZERO_CHECK] = {"gup-no-zero-check", "a free frame gets a reference"},
	[GUP_PREEMPTED] = {"gup-preempted", "a reader of tables may be preempted"},
	[RMAP_CHILD_FIRST] = {"rmap-child-first", "a child is found before its parent"},
	[RMAP_OFFSET_LOST] = {"rmap-offset-lost", "an area that moves forgets its offset"},
	[TRUNCATE_NO_FLUSH] = {"truncate-no-flush", "truncated pages stay in TLBs"},
	[MSYNC_NO_FLUSH] = {"msync-no-flush", "D is cleared but not in TLBs"},
	[UNMAP_LOSES_DIRTY] = {"unmap-loses-dirty", "D goes with the entry"},
	[MIGRATE_NO_PINS] = {"migrate-no-pins", "pages move that others refer to"},
	[ANON_NO_REF] = {"anon-no-ref", "pages don't keep their anon_vma"},
	[ALL_LOCKS_UNGUARDED] = {"all-locks-unguarded", "anybody takes many locks at once"},
	[SLEEP_IN_SPINLOCK] = {"sleep-in-spinlock", "munmap takes its mutex in a spinlock"},
	[MREMAP_NO_FLUSH] = {"mremap-no-flush", "moved pages stay at the old place in TLBs"},
	[MREMAP_NO_NULL_CHECK] = {"mremap-no-null-check", "a table that isn't there is used"},
	[MREMAP_WINDOW_ORDER] = {"mremap-window-order", "windows close first in, first out"},
	[MREMAP_ALLOC_IN_WINDOW] = {"mremap-alloc-in-window",
				    "a table is made within a window"},
	[WALK_IN_WINDOW] = {"walk-in-window", "the walker sleeps with a window of the CPU"},
	[SHARE_ZAP_IN_PLACE] = {"share-zap-in-place", "part of a shared table is cleared"},
	[SHARE_LOST_COUNT] = {"share-lost-count", "a new owner of a table isn't counted"},
	[SHARE_KEEPS_WRITE] = {"share-keeps-write", "a shared table stays writable"},
	[CPA_NO_FLUSH] = {"cpa-no-flush", "attributes change without a flush"},
	[CPA_PAT_BIT] = {"cpa-pat-bit", "PAT of large pages is where small ones have it"},
	[CPA_NO_RELOOK] = {"cpa-no-relook", "a page isn't looked at again before its split"},
	[COLLAPSE_BLIND] = {"collapse-blind", "pages are joined that are not alike"},
	[PAGEALLOC_STAYS] = {"pagealloc-stays", "a free frame stays mapped"},
	[RECLAIM_RESERVED] = {"reclaim-reserved", "a driver's area is unmapped: progress"},
	[RECLAIM_TRUSTS] = {"reclaim-trusts", "pages unmapped count, not frames freed"},
	[RECLAIM_A_UNFLUSHED] = {"reclaim-a-unflushed", "A is cleared, but not in TLBs"},
	[RECLAIM_PINNED] = {"reclaim-pinned", "pages go that others refer to"},
	[RESERVED_PUTS] = {"reserved-puts", "an entry without a reference gives one back"},
	[RESERVED_GROWS] = {"reserved-grows", "a driver's area grows"},
	[REMAP_LEAVES_PART] = {"remap-leaves-part", "what was mapped before the error stays"},
	[DUMP_READS_RESERVED] = {"dump-reads-reserved", "a driver's RAM is dumped"},
	[SWAP_NO_FLUSH] = {"swap-no-flush", "a page is written out while CPUs write to it"},
	[SWAP_COPY_UNCOUNTED] = {"swap-copy-uncounted", "fork copies an entry, not its count"},
	[SWAP_SLOT_LEAKS] = {"swap-slot-leaks", "what is unmapped keeps its slot"},
};

/* An unknown name must not pass for a bug that nobody noticed. */
void mutant_choose(const char *name, size_t len)
{
	for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
		if (strlen(mutants[m].name) == len && strneq(mutants[m].name, name, len)) {
			mutant_on = (enum mutant)m;
			print("# mutant %s: %s\n", mutants[m].name, mutants[m].what);
			return;
		}
	panic("no such mutant");
}
