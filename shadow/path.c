/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lockless looks at the shadow tables, for people: the path of an address, the list of roots.
 * Locks: RCU read-side sections only, so a vCPU never waits for these. What they return may be out
 * of date by the time it is read, but every entry was read whole. Read first: page.h.
 */
#include "shadow/page.h"

bool sh_path(struct sh_mmu *mmu, mfn_t root, gva_t gva, struct sh_path *path)
{
	uint64_t frame = root.v - mmu->be.table_mfn.v;
	struct sh_page *p;

	if (frame >= mmu->be.tables)
		return false;
	sh_look_lock();
	p = &mmu->pages[frame];
	if (atomic_load_explicit(&p->state, memory_order_acquire) != SH_PAGE_LIVE) {
		sh_look_unlock();
		return false;
	}
	path->top = p->role.level;
	while (p) {
		unsigned level = p->role.level;
		uint64_t spte;

		path->level = level;
		path->table[level] = sh_page_mfn(mmu, p);
		path->role[level] = p->role;
		path->gfn[level] = p->gfn;
		spte = atomic_load_explicit(
			&sh_page_table(mmu, p)[(gva.v >> (3 + 9 * level)) & (SH_ENTRIES - 1)],
			memory_order_acquire);
		path->spte[level] = spte;
		p = level > 1 && spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;
	}
	sh_look_unlock();
	return true;
}

unsigned sh_roots(struct sh_mmu *mmu, struct sh_root_info *r, unsigned n)
{
	unsigned found = 0;

	sh_look_lock();
	for (unsigned b = 0; b < SH_HASH_BUCKETS; b++) {
		struct sh_page *p = atomic_load_explicit(&mmu->hash[b], memory_order_acquire);

		for (; p; p = atomic_load_explicit(&p->hash_next, memory_order_acquire)) {
			if (p->role.level != mmu->be.levels)
				continue;
			if (found < n)
				r[found] = (struct sh_root_info){.gfn = p->gfn,
								 .role = p->role,
								 .mfn = sh_page_mfn(mmu, p),
								 .pins = atomic_load(&p->pins)};
			found++;
		}
	}
	sh_look_unlock();
	return found;
}
