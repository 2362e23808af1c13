/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole accesses to an entry no wider than a register. The CPU sets A and D in it at any time. */
#ifndef GUEST_PTE_WORD_H
#define GUEST_PTE_WORD_H

static inline pte_t pte_load(const pte_t *p)
{
	return *(const volatile pte_t *)p;
}

static inline void pte_store(pte_t *p, pte_t v)
{
	*(volatile pte_t *)p = v;
}

static inline pte_t pte_swap(pte_t *p, pte_t v)
{
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}

/* The old value; `v` is in place exactly if that is `old`. */
static inline pte_t pte_cas(pte_t *p, pte_t old, pte_t v)
{
	__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

#endif
