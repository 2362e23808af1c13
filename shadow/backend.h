/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an engine provides to the shadow MMU: memory for tables, and ways to make the hardware see
 * that an entry changed and forget what it remembers.
 *
 * Two kinds of hardware stand behind this. Where KVM uses nested paging, the processor reads our
 * tables in memory and touch() may do nothing. Where KVM itself shadows our tables, it learns of a
 * changed *present* entry only from a store made inside the VM, so touch() has the gate do a store
 * that changes nothing (docs/architecture.md, "Table updates"). The MMU calls the same things for
 * both.
 *
 * cur is the vCPU on whose thread the call is made, NULL on any other thread.
 * Read first: addr.h. Implemented by vmm/kvm/ and by the fake engine in tests/unit/.
 */
#ifndef UMBRA_SHADOW_BACKEND_H
#define UMBRA_SHADOW_BACKEND_H

#include "shadow/addr.h"

struct sh_vcpu;

/* Life of a shadow table, for an engine that checks what the hardware still remembers of it. */
enum sh_table_event {
	SH_TABLE_LIVE,	 /* taken from the pool; zeroed, about to be linked */
	SH_TABLE_UNUSED, /* unhooked from everything, entries cleared; not yet flushed */
	SH_TABLE_FREE,	 /* flushed and past its grace period: may become anything */
};

struct sh_backend {
	void *ctx;

	/* Table memory: frames [table_mfn, table_mfn + tables), mapped for the host at table_mem,
	 * zeroed. Never guest RAM: no guest frame number leads here. */
	uint64_t *table_mem;
	mfn_t table_mfn;
	uint32_t tables;

	/* Levels of the tables the hardware walks, 4 or 5; 0 means 4. */
	unsigned levels;

	/* An entry of level 3 may map 1 GiB itself (CPUID 80000001H, EDX bit 26). */
	bool gb_pages;

	/* Entry 256 of every top-level table: the gate. 0 for none. */
	uint64_t gate_entry;

	/* The entry at slot was present and has changed in memory. Takes effect before cur's next
	 * guest instruction, before any invalidate(), invalidate_all() of any vCPU that is called
	 * later takes effect, and before any later shootdown() returns.
	 * Called with MMU locks held: must not wait, allocate or call back. */
	void (*touch)(void *ctx, struct sh_vcpu *cur, mpa_t slot);
	/* Likewise for all 512 entries of a table that is going out of use. */
	void (*touch_table)(void *ctx, struct sh_vcpu *cur, mfn_t table);

	/* Returns when no vCPU can use a translation or paging-structure entry it obtained before
	 * the call: those in the guest were made to leave it and forget, the others will forget
	 * before they next enter. May wait; called with the MMU lock held (see locks.h) but no
	 * other lock and not inside an RCU read-side section. Returns the number of vCPUs kicked. */
	unsigned (*shootdown)(void *ctx, struct sh_vcpu *cur);

	/* Optional (NULL: shootdown() is used instead). Returns when each vCPU of the set has left the
	 * guest, if it was in it; none of them enters again without sh_catch_up(), and no vCPU walks
	 * the tables as they were before the call once it returns. cur is not in the set. Called and
	 * waits as shootdown(); returns the number kicked. */
	unsigned (*shootdown_some)(void *ctx, struct sh_vcpu *cur, uint64_t vcpus);
	/* From so many single invalidations on, forgetting everything is no dearer, as measured on
	 * this host; 0: not known. */
	unsigned invalidate_ceiling;

	/* cur forgets gva, or everything, before its next guest instruction. */
	void (*invalidate)(void *ctx, struct sh_vcpu *cur, gva_t gva);
	void (*invalidate_all)(void *ctx, struct sh_vcpu *cur);

	/* Optional (NULL): no cache holds a line of these bytes by the memory type they were mapped
	 * with. There is nothing of the kind for all of memory. */
	void (*cache_flush)(void *ctx, mpa_t mpa, uint64_t bytes);

	/* Optional (NULL): called at each step of a table's life, with the MMU lock held. */
	void (*table_event)(void *ctx, mfn_t table, enum sh_table_event e);
};

#endif
