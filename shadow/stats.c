/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of the counters, and their sums. Read first: stats.h.
 */
#include "shadow/unsync.h"

const char *const sh_stat_names[SH_STATS] = {
	[SH_ST_PF_TAKEN] = "pf_taken",
	[SH_ST_PF_FIXED] = "pf_fixed",
	[SH_ST_PF_GUEST] = "pf_guest",
	[SH_ST_PF_SPURIOUS] = "pf_spurious",
	[SH_ST_PF_EMULATE] = "pf_emulate",
	[SH_ST_PTE_WRITE] = "mmu_pte_write",
	[SH_ST_PTE_UPDATED] = "mmu_pte_updated",
	[SH_ST_PTE_ZAPPED] = "mmu_pte_zapped",
	[SH_ST_FLOODED] = "mmu_flooded",
	[SH_ST_RECYCLED] = "mmu_recycled",
	[SH_ST_CACHE_MISS] = "mmu_cache_miss",
	[SH_ST_UNSYNC] = "mmu_unsync",
	[SH_ST_SYNC] = "mmu_sync_page",
	[SH_ST_SYNC_ENTRY] = "mmu_sync_entry",
	[SH_ST_LARGE] = "mmu_large_set",
	[SH_ST_LARGE_SPLIT] = "mmu_large_split",
	[SH_ST_PREFETCHED] = "mmu_prefetched",
	[SH_ST_TLB_FLUSH] = "tlb_flush",
	[SH_ST_REMOTE_FLUSH] = "remote_tlb_flush",
	[SH_ST_KICKS] = "remote_tlb_flush_kicks",
	[SH_ST_WALK_RETRY] = "walk_retries",
	[SH_ST_FAULT_RETRY] = "fault_retries",
	[SH_ST_INVLPG] = "invlpg",
	[SH_ST_CR3_LOAD] = "cr3_loads",
};

uint64_t sh_leaves(const struct sh_mmu *mmu)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= SH_MAX_VCPUS; i++)
		n += atomic_load_explicit(&mmu->counters[i].pages_4k, memory_order_relaxed);
	return n;
}

void sh_mmu_stats(struct sh_mmu *mmu, struct sh_stats *out)
{
	*out = (struct sh_stats){.tables_limit = mmu->limit};
	for (unsigned i = 0; i <= SH_MAX_VCPUS; i++)
		for (unsigned s = 0; s < SH_STATS; s++)
			out->v[s] += atomic_load_explicit(&mmu->counters[i].n[s],
							  memory_order_relaxed);
	out->tables_used = atomic_load_explicit(&mmu->used, memory_order_relaxed);
	out->pages_4k = sh_leaves(mmu);
	out->unsync = sh_unsync_count(mmu);
	out->pages_2m = atomic_load_explicit(&mmu->large_pages[0], memory_order_relaxed);
	out->pages_1g = atomic_load_explicit(&mmu->large_pages[1], memory_order_relaxed);
	out->rmap_descs = sh_desc_live(mmu);
}
