/* SPDX-License-Identifier: BSD-2-Clause */
/* Breaches of the kernel's own rules, each of which must end in a panic that names it. They run
 * only when named. */
#include "scenarios/scenarios.h"
#include "x86.h"

static struct spinlock first = {.name = "first"}, second = {.name = "second"},
		       third = {.name = "third"};

static void both(struct spinlock *a, struct spinlock *b)
{
	spin_lock(a);
	spin_lock(b);
	spin_unlock(a);
	spin_unlock(b);
}

/* No two of these take their locks in opposite orders; all three together do. */
const char *panic_lock_order(void)
{
	both(&first, &second);
	both(&second, &third);
	both(&third, &first);
	return fail("nobody minded");
}

const char *panic_lock_twice(void)
{
	spin_lock(&first);
	spin_lock(&first);
	return fail("nobody minded");
}

const char *panic_lock_sleep(void)
{
	spin_lock(&first);
	sched_yield();
	return fail("nobody minded");
}

const char *panic_lock_irq(void)
{
	spin_lock(&first);
	irq_enable();
	return fail("nobody minded");
}

const char *panic_window_sleep(void)
{
	if (!frames_high())
		return skip("everything is direct mapped");
	kmap_local(frame_alloc_high());
	sched_yield();
	return fail("nobody minded");
}

/* One word of a frame that is free. */
const char *panic_poison(void)
{
	ulong pa = frame_alloc();
	ulong *w = phys(pa);

	frame_put(pa);
	w[100] = 1;
	frame_alloc();
	return fail("nobody minded");
}

const char *panic_free_twice(void)
{
	ulong pa = frame_alloc();

	frame_put(pa);
	frame_put(pa);
	return fail("nobody minded");
}
