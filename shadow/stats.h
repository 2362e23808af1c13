/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Counters, with KVM's names where the thing counted is the same. Each vCPU has its own set and
 * writes it alone (relaxed atomics); readers add them up without a lock.
 */
#ifndef UMBRA_SHADOW_STATS_H
#define UMBRA_SHADOW_STATS_H

#include <stdint.h>

enum sh_stat {
	SH_ST_PF_TAKEN,	    /* faults handed to the MMU */
	SH_ST_PF_FIXED,	    /* hidden faults resolved */
	SH_ST_PF_GUEST,	    /* true faults */
	SH_ST_PF_SPURIOUS,  /* the shadow already allowed it */
	SH_ST_PF_EMULATE,   /* left to emulation: tracked writes, devices, the gate's slot */
	SH_ST_PTE_WRITE,    /* tracked writes */
	SH_ST_PTE_UPDATED,  /* shadow entries updated in place by them */
	SH_ST_PTE_ZAPPED,   /* shadow entries dropped by them */
	SH_ST_FLOODED,	    /* pages no longer shadowed because written and not used */
	SH_ST_RECYCLED,	    /* pages taken back under the limit */
	SH_ST_CACHE_MISS,   /* shadow pages made */
	SH_ST_UNSYNC,	    /* tables left writable */
	SH_ST_SYNC,	    /* tables resynced at a flush */
	SH_ST_SYNC_ENTRY,   /* entries found changed by that */
	SH_ST_LARGE,	    /* large leaves made */
	SH_ST_LARGE_SPLIT,  /* large leaves dropped for a table inside */
	SH_ST_PREFETCHED,   /* entries filled without a fault of their own */
	SH_ST_TLB_FLUSH,    /* local: pages or everything */
	SH_ST_REMOTE_FLUSH, /* shootdowns of all vCPUs */
	SH_ST_KICKS,	    /* vCPUs made to leave the guest by them */
	SH_ST_WALK_RETRY,   /* A/D exchanges lost */
	SH_ST_FAULT_RETRY,  /* a guest entry changed between walk and install */
	SH_ST_INVLPG,
	SH_ST_CR3_LOAD,
	SH_STATS
};

struct sh_stats {
	uint64_t v[SH_STATS];
	/* Gauges. */
	uint64_t tables_used, tables_limit, pages_4k, pages_2m, pages_1g, unsync, rmap_descs;
};

extern const char *const sh_stat_names[SH_STATS];

#endif
