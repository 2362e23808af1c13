/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole accesses to a 64-bit entry by a 32-bit kernel. Two 32-bit stores would show the page
 * walker of another CPU half of each: everything goes by CMPXCHG8B.
 */
#ifndef GUEST_PTE_WIDE_H
#define GUEST_PTE_WIDE_H

/* The old value; `v` is in place exactly if that is `old`. */
static inline pte_t pte_cas(pte_t *p, pte_t old, pte_t v)
{
	asm volatile("lock cmpxchg8b %1"
		     : "+A"(old), "+m"(*p)
		     : "b"((u32)v), "c"((u32)(v >> 32))
		     : "cc", "memory");
	return old;
}

/* No locked access: that would be a write to a page of tables. The low half, in which P is, is
 * the same before and after the high half was read. */
static inline pte_t pte_load(const pte_t *p)
{
	const volatile u32 *half = (const volatile u32 *)p;
	u32 low, high;

	do {
		low = half[0];
		high = half[1];
	} while (low != half[0]);
	return (pte_t)high << 32 | low;
}

static inline pte_t pte_swap(pte_t *p, pte_t v)
{
	pte_t old = pte_load(p), seen;

	while ((seen = pte_cas(p, old, v)) != old)
		old = seen;
	return old;
}

static inline void pte_store(pte_t *p, pte_t v)
{
	(void)pte_swap(p, v);
}

#endif
