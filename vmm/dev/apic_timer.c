/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The local APIC's timer (SDM 10.5.4): one-shot, periodic and TSC-deadline.
 *
 * Its clock is 1 GHz, so a count is a nanosecond times the divisor, and the current count is
 * computed from the time that is left: nothing counts in the background. The vCPU's thread calls
 * apic_tick() at the time given to host->deadline; a late call loses no periodic phase.
 *
 * Owns struct lapic_timer. Invariants: period is initial times divisor; in TSC-deadline mode
 * initial is 0 and tsc_deadline is not 0 exactly while armed; due_hint equals due.
 *
 * Locks: called with the APIC's lock held, but for apic_tick(). Read first: apic.h.
 */
#include "vmm/dev/apic.h"

/* Divide configuration bits 3, 1 and 0 give the power of two; 7 means 1 (SDM figure 10-10). */
static unsigned divisor(uint32_t divide)
{
	unsigned code = (divide & 3) | (divide & 8) >> 1;

	return code == 7 ? 1 : 2u << code;
}

static enum apic_timer_mode timer_mode(const struct lapic *l)
{
	return (enum apic_timer_mode)(l->lvt[0] >> 17 & 3);
}

static void arm(struct apic *a, struct lapic *l, uint64_t due)
{
	if (due == l->timer.due)
		return;
	l->timer.due = due;
	atomic_store_explicit(&l->due_hint, due, memory_order_relaxed);
	a->host->deadline(a->host->ctx, l->index, due);
}

static uint64_t now(struct apic *a)
{
	return a->host->now(a->host->ctx);
}

void timer_reset(struct apic *a, struct lapic *l)
{
	l->timer.initial = l->timer.divide = 0;
	l->timer.period = l->timer.tsc_deadline = 0;
	arm(a, l, UINT64_MAX);
}

/* When the timer next expires after it did at due: periods that nobody looked at are one. */
static uint64_t next_due(const struct lapic *l, uint64_t at)
{
	const struct lapic_timer *t = &l->timer;

	if (timer_mode(l) != TIMER_PERIODIC || !t->period)
		return UINT64_MAX;
	return t->due + ((at - t->due) / t->period + 1) * t->period;
}

void timer_fire(struct apic *a, struct lapic *l)
{
	uint64_t at;

	if (l->timer.due == UINT64_MAX)
		return;
	at = now(a);
	if (at < l->timer.due)
		return;
	l->timer.tsc_deadline = 0;
	arm(a, l, next_due(l, at));
	lapic_local(a, l, REG_LVT_TIMER);
}

void apic_tick(struct apic *a, unsigned vcpu)
{
	struct lapic *l = &a->cpu[vcpu];

	if (atomic_load_explicit(&l->due_hint, memory_order_relaxed) == UINT64_MAX)
		return;
	lapic_lock(l);
	timer_fire(a, l);
	lapic_unlock(a, l);
}

/* Counts that are left, rounded up: the count reaches 0 when the interrupt comes, not before. */
static uint64_t counts_left(struct apic *a, const struct lapic *l)
{
	unsigned div = divisor(l->timer.divide);
	uint64_t at = now(a);

	if (l->timer.due == UINT64_MAX || at >= l->timer.due)
		return 0;
	return (l->timer.due - at + div - 1) / div;
}

uint32_t timer_current(struct apic *a, struct lapic *l)
{
	timer_fire(a, l);
	if (timer_mode(l) == TIMER_TSC_DEADLINE)
		return 0;
	return (uint32_t)counts_left(a, l);
}

void timer_set_initial(struct apic *a, struct lapic *l, uint32_t val)
{
	struct lapic_timer *t = &l->timer;

	if (timer_mode(l) == TIMER_TSC_DEADLINE)
		return; /* ignored (SDM 10.5.4.1) */
	t->initial = val;
	t->period = (uint64_t)val * divisor(t->divide);
	arm(a, l, val ? now(a) + t->period : UINT64_MAX);
}

/* A running count goes on from where it is, at the new pace. */
void timer_set_divide(struct apic *a, struct lapic *l, uint32_t val)
{
	struct lapic_timer *t = &l->timer;
	uint64_t left;

	timer_fire(a, l);
	left = counts_left(a, l);
	t->divide = val;
	t->period = (uint64_t)t->initial * divisor(val);
	if (t->due != UINT64_MAX && timer_mode(l) != TIMER_TSC_DEADLINE)
		arm(a, l, now(a) + left * divisor(val));
}

/* Changing to or from TSC-deadline mode disarms the timer (SDM 10.5.4.1). */
void timer_set_lvt(struct apic *a, struct lapic *l, uint32_t val)
{
	enum apic_timer_mode was, is;

	timer_fire(a, l);
	was = timer_mode(l);
	l->lvt[0] = val;
	is = timer_mode(l);
	if ((was == TIMER_TSC_DEADLINE) == (is == TIMER_TSC_DEADLINE))
		return;
	l->timer.initial = 0;
	l->timer.period = l->timer.tsc_deadline = 0;
	arm(a, l, UINT64_MAX);
}

/* The time at which the guest's TSC reaches deadline; rounded up, and short of "never". */
static uint64_t tsc_time(uint64_t at, uint64_t delta, uint64_t tsc_khz)
{
	unsigned __int128 ns = (unsigned __int128)delta * 1000000 + (tsc_khz - 1);

	ns /= tsc_khz;
	return ns >= UINT64_MAX - 1 - at ? UINT64_MAX - 1 : at + (uint64_t)ns;
}

void timer_set_tsc_deadline(struct apic *a, struct lapic *l, uint64_t val, uint64_t tsc_now,
			    uint64_t tsc_khz)
{
	uint64_t at = now(a);

	if (timer_mode(l) != TIMER_TSC_DEADLINE || !tsc_khz)
		return;	  /* the write has no effect in other modes (SDM 10.5.4.1) */
	timer_fire(a, l); /* a deadline that passed before this write has fired */
	l->timer.tsc_deadline = val;
	if (!val) {
		arm(a, l, UINT64_MAX);
		return;
	}
	arm(a, l, val > tsc_now ? tsc_time(at, val - tsc_now, tsc_khz) : at);
	timer_fire(a, l);
}
