/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables: one walker for every level and format. Nothing here flushes a TLB or takes a
 * lock; the caller holds whatever protects the tables under `root`. Entries are read and
 * written whole (pte_load() and its like, paging.h).
 * Of a process's tables the last level may lie in highmem: an entry of it, as walk() and lookup()
 * return it, is seen through a window until pte_unmap(). Roots, middle levels and all tables of
 * the kernel are direct mapped; for them pte_unmap() does nothing and may be left out.
 */
#include "mm/mm.h"

/* Atomically: the CPU may be setting A and D meanwhile. Returns the entry as it was. */
pte_t pte_clear_bits(pte_t *p, pte_t bits)
{
	pte_t old = pte_load(p), seen;

	while ((seen = pte_cas(p, old, old & ~bits)) != old)
		old = seen;
	return old;
}

/* The table an entry found at `level` + 1 points at; mapped, if it is of the last level. */
pte_t *table_map(pte_t entry, int level)
{
	pa_t pa = entry & PTE_ADDR;

	return level == 1 ? kmap_local(pa) : phys((ulong)pa);
}

void pte_unmap(const pte_t *p)
{
	kunmap_local(p);
}

/* Fill an empty entry at `level` with a new table; false if there is no memory. */
static bool link_table(pte_t *e, int level, pte_t alloc, bool try)
{
	enum zone zone = level == 2 && (alloc & PTE_U) ? ZONE_HIGH : ZONE_LOW;
	pa_t pa;

	if (try && frame_may_fail())
		return false;
	pa = quicklist_get(zone);
	if (!pa)
		pa = try ? frame_try(zone) : zone ? frame_alloc_high() : frame_alloc();
	if (pa)
		pte_store(e, pa | (level == PT_LEVELS ? alloc & PT_ROOT_FLAGS : alloc));
	return pa;
}

/* Each entry is read once: who walks without a lock may find it gone the next time. */
static pte_t *descend(ulong root, ulong va, int level, pte_t alloc, bool try)
{
	pte_t *table = phys(root);

	for (int l = PT_LEVELS; l > level; l--) {
		pte_t *e = &table[PT_INDEX(va, l)];
		pte_t v = pte_load(e);

		if (!(v & PTE_P)) {
			if (!alloc || !link_table(e, l, alloc, try))
				return NULL;
			v = pte_load(e);
		} else if (v & PTE_PS) {
			return NULL;
		}
		table = table_map(v, l - 1);
	}
	return &table[PT_INDEX(va, level)];
}

/*
 * The entry for `va` at `level`, or NULL if the way there is not present or ends in a large
 * page. `alloc` is 0, or the flags with which missing tables are linked in.
 */
pte_t *walk(ulong root, ulong va, int level, pte_t alloc)
{
	return descend(root, va, level, alloc, false);
}

/* The same where memory may run out: NULL also means that. */
pte_t *walk_try(ulong root, ulong va, int level, pte_t alloc)
{
	return descend(root, va, level, alloc, true);
}

/* The entry that ends the walk for `va`, present or not, of any size, and the level it is at. */
pte_t *lookup(ulong root, ulong va, int *level)
{
	pte_t *table = phys(root);

	for (int l = PT_LEVELS;; l--) {
		pte_t *e = &table[PT_INDEX(va, l)];
		pte_t v = pte_load(e);

		*level = l;
		if (l == 1 || !(v & PTE_P) || (v & PTE_PS))
			return e;
		table = table_map(v, l - 1);
	}
}

/* Map a range, by large pages where `flags` has PTE_PS and alignment allows. */
void map_range(ulong root, ulong va, pa_t pa, u64 len, pte_t flags)
{
	while (len) {
		bool huge =
			(flags & PTE_PS) && !((va | pa) & (HUGE_SIZE - 1)) && len >= HUGE_SIZE;
		ulong step = huge ? HUGE_SIZE : PAGE_SIZE;
		pte_t *e = walk(root, va, huge ? 2 : 1, PTE_TABLE);

		ASSERT(e && !(pte_load(e) & PTE_P));
		pte_store(e, (pte_t)pa | (huge ? flags : flags & ~PTE_PS));
		va += step;
		pa += step;
		len -= step;
	}
}

/* Free the tables under an entry of the kernel's found at `level`, the one it points at
 * included; not the pages. */
void free_tables(pte_t entry, int level)
{
	pte_t *table = phys((ulong)(entry & PTE_ADDR));

	if (level == 1 || !(entry & PTE_P) || (entry & PTE_PS))
		return;
	for (int i = 0; level > 2 && i < PT_ENTRIES; i++)
		free_tables(table[i], level - 1);
	frame_put(entry & PTE_ADDR);
}
