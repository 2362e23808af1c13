/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The types every image shares. A count, a mask or a virtual address is an ulong, as wide as a
 * register; a physical address is a pa_t and an entry of a table a pte_t (paging.h), each as
 * wide as its format makes it. u64 is for what the architecture says is 64 bits on every image.
 */
#ifndef GUEST_TYPES_H
#define GUEST_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long ulong;
typedef long slong;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* The mask is as wide as what it is laid over. */
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)	 ALIGN_DOWN((x) + (__typeof__(x))(a)-1, a)
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* All atomics are sequentially consistent: this kernel has no use for less. None is wider than
 * a register; entries of tables have their own (pte_load() and its like in paging.h). */
#define atomic_load(p)	   __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define atomic_store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define atomic_add(p, v)   __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_sub(p, v)   __atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_or(p, v)	   __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define atomic_and(p, v)   __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)
#define atomic_xchg(p, v)  __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

#endif
