/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal: how the library's files say what they do. One line each:
 *
 *   sh_trace(mmu, v, EVENT, level, arg...)  a record, if the event is on; arguments are evaluated only then
 *   SH_TRACE_BECAUSE(mmu, v, WHY);          what changes until the end of the block is because of WHY
 *   SH_TRACING(mmu, EVENT)                  whether to gather what the record needs
 *
 * v is NULL on a thread that is no vCPU. Not installed. Read first: trace.h.
 */
#ifndef UMBRA_SHADOW_TRACE_HOOK_H
#define UMBRA_SHADOW_TRACE_HOOK_H

#include <stdatomic.h>

#include "shadow/trace.h"

#ifdef UMBRA_USDT
#include <sys/sdt.h>
#define SH_TRACE_PROBE(event, a, b, c, d) \
	DTRACE_PROBE4(umbra, event, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d))
#define SH_TRACE_PROBES 1
#else
#define SH_TRACE_PROBE(event, a, b, c, d) \
	do {                              \
	} while (0)
#define SH_TRACE_PROBES 0
#endif

struct sh_trace_slot {
	/* 0: never used. SH_TRACE_BUSY alone, then with the number: being written. */
	_Atomic uint64_t stamp;
	_Atomic uint64_t word[3 + SH_TRACE_ARGS];
};
#define SH_TRACE_BUSY (1ull << 63)

struct sh_trace_ring {
	_Atomic uint64_t head; /* records begun */
	_Atomic uint32_t why;  /* see SH_TRACE_BECAUSE */
	struct sh_trace_slot slot[SH_TRACE_SLOTS];
};

#define SH_TRACE_RINGS (SH_TRACE_OTHERS + 1)

struct sh_trace {
	_Atomic uint64_t mask;		       /* events that are on */
	_Atomic(struct sh_trace_ring *) rings; /* SH_TRACE_RINGS of them; NULL at first */
	struct sh_trace_ring *given; /* memory for them that is not ours; NULL: none */
	_Atomic uint64_t vcpus, others, first, last; /* filter */
	uint64_t (*now)(void *ctx);
	void *now_ctx;
	_Atomic uint64_t seq __attribute__((aligned(64))); /* the number last taken */
};

void sh_trace_fini(struct sh_mmu *mmu);

/* The slow part, v's index in vcpu. */
void sh_trace_put(struct sh_trace *t, struct sh_vcpu *v, enum sh_trace_id event, unsigned level,
		  const uint64_t arg[SH_TRACE_ARGS]);
uint64_t sh_trace_now(const struct sh_trace *t);
/* All of a slot's words, which are one record's if the stamp is the same before and after. */
void sh_trace_load(const struct sh_trace_slot *s, struct sh_trace_record *r);

static inline bool sh_trace_on(const struct sh_trace *t, enum sh_trace_id event)
{
	return __builtin_expect(
		atomic_load_explicit(&t->mask, memory_order_relaxed) >> event & 1, 0);
}
#define SH_TRACING(mmu, event) (SH_TRACE_PROBES || sh_trace_on(&(mmu)->trace, SH_TR_##event))
static inline bool sh_trace_any(const struct sh_trace *t)
{
	return SH_TRACE_PROBES ||
	       __builtin_expect(atomic_load_explicit(&t->mask, memory_order_relaxed) != 0, 0);
}

/* Since a moment when the event was on; 0: it was not. */
static inline uint64_t sh_trace_since(const struct sh_trace *t, uint64_t begun)
{
	return begun ? sh_trace_now(t) - begun : 0;
}

#define SH_TRACE_PAD(a, b, c, d, ...) a, b, c, d
#define sh_trace(mmu, v, event, level, ...) \
	sh_trace_4(mmu, v, event, level, SH_TRACE_PAD(__VA_ARGS__, 0, 0, 0, 0))
#define sh_trace_4(...) sh_trace_do(__VA_ARGS__)
#define sh_trace_do(mmu, v, event, level, a, b, c, d)                        \
	do {                                                                 \
		SH_TRACE_PROBE(event, a, b, c, d);                           \
		if (sh_trace_on(&(mmu)->trace, SH_TR_##event))               \
			sh_trace_put(&(mmu)->trace, v, SH_TR_##event, level, \
				     (const uint64_t[]){a, b, c, d});        \
	} while (0)

/* ---- why ---- */
struct sh_trace_scope {
	struct sh_trace_ring *ring; /* NULL: nothing to restore */
	uint32_t before;
};
struct sh_trace_scope sh_trace_enter(struct sh_trace *t, const struct sh_vcpu *v,
				     enum sh_trace_why why);
static inline struct sh_trace_scope sh_trace_because(struct sh_trace *t,
						     const struct sh_vcpu *v,
						     enum sh_trace_why why)
{
	if (__builtin_expect(atomic_load_explicit(&t->mask, memory_order_relaxed) != 0, 0))
		return sh_trace_enter(t, v, why);
	return (struct sh_trace_scope){NULL, 0};
}
static inline void sh_trace_leave(const struct sh_trace_scope *s)
{
	if (__builtin_expect(s->ring != NULL, 0))
		atomic_store_explicit(&s->ring->why, s->before, memory_order_relaxed);
}
#define SH_TRACE_BECAUSE(mmu, v, because)                                                    \
	__attribute__((cleanup(sh_trace_leave), unused)) struct sh_trace_scope trace_scope = \
		sh_trace_because(&(mmu)->trace, v, because)

/* ---- trace_walk.c: what takes more than a line ---- */
void sh_trace_walk(struct sh_mmu *mmu, struct sh_vcpu *v, unsigned flags,
		   const struct sh_walk *w, enum sh_walk_result r);
void sh_trace_fault(struct sh_mmu *mmu, struct sh_vcpu *v, gva_t gva, unsigned flags,
		    const struct sh_walk *w, enum sh_fault_result r, uint64_t since);
/* The aligned word of guest memory that gpa lies in; 0 outside RAM. */
uint64_t sh_trace_word(struct sh_mmu *mmu, gpa_t gpa);

#endif
