/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables: one walker for every level and format. Nothing here flushes a TLB or takes a
 * lock; the caller holds whatever protects the tables under `root`. Entries are read and
 * written whole.
 */
#include "mm/mm.h"

pte_t pte_read(const pte_t *p)
{
	return READ_ONCE(*p);
}

void pte_write(pte_t *p, pte_t v)
{
	WRITE_ONCE(*p, v);
}

/* For entries the CPU may be setting A and D in. */
pte_t pte_exchange(pte_t *p, pte_t v)
{
	return atomic_xchg(p, v);
}

pte_t *table_of(pte_t entry)
{
	return phys(entry & PTE_ADDR);
}

/*
 * The entry for `va` at `level`, or NULL if the way there is not present or ends in a large
 * page. `alloc` is 0, or the flags with which missing tables are linked in.
 */
pte_t *walk(u64 root, u64 va, int level, pte_t alloc)
{
	pte_t *table = phys(root);

	for (int l = PT_LEVELS; l > level; l--) {
		pte_t *e = &table[PT_INDEX(va, l)];

		if (!(pte_read(e) & PTE_P)) {
			if (!alloc)
				return NULL;
			pte_write(e, frame_alloc() | alloc);
		} else if (pte_read(e) & PTE_PS) {
			return NULL;
		}
		table = table_of(pte_read(e));
	}
	return &table[PT_INDEX(va, level)];
}

/* The entry that ends the walk for `va`, present or not, of any size, and the level it is at.
 */
pte_t *lookup(u64 root, u64 va, int *level)
{
	pte_t *table = phys(root);

	for (int l = PT_LEVELS;; l--) {
		pte_t *e = &table[PT_INDEX(va, l)];
		pte_t v = pte_read(e);

		*level = l;
		if (l == 1 || !(v & PTE_P) || (v & PTE_PS))
			return e;
		table = table_of(v);
	}
}

/* Map a range, by 2 MiB pages where `flags` has PTE_PS and alignment allows. */
void map_range(u64 root, u64 va, u64 pa, u64 len, pte_t flags)
{
	u64 end = va + len;

	while (va < end) {
		bool huge = (flags & PTE_PS) && !((va | pa) & (HUGE_SIZE - 1)) &&
			    end - va >= HUGE_SIZE;
		pte_t *e = walk(root, va, huge ? 2 : 1, PTE_TABLE);

		ASSERT(e && !(pte_read(e) & PTE_P));
		pte_write(e, pa | (huge ? flags : flags & ~PTE_PS));
		va += huge ? HUGE_SIZE : PAGE_SIZE;
		pa += huge ? HUGE_SIZE : PAGE_SIZE;
	}
}

/* Free the tables under an entry found at `level`, the one it points at included; not the
 * pages. */
void free_tables(pte_t entry, int level)
{
	pte_t *table = table_of(entry);

	if (level == 1 || !(entry & PTE_P) || (entry & PTE_PS))
		return;
	for (int i = 0; level > 2 && i < PT_ENTRIES; i++)
		free_tables(table[i], level - 1);
	frame_put(entry & PTE_ADDR);
}
