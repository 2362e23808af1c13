/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of the control socket: the share of the processors that the server keeps to.
 * Read first: vmm/control/share.c.
 */
#include <pthread.h>

#include "tests/unit/control_rig.h"
#include "vmm/control/internal.h"

#define LONG_NS (CTL_NSEC / 2)

/* As if the thread had worked for so long since it was last asked. */
static void work(struct ctl_share *s, int64_t ns)
{
	s->used -= ns;
}

/* On a thread of its own, which becomes nicer. */
static void *limited(void *arg)
{
	struct ctl_share s;
	int64_t rest;
	(void)arg;

	ctl_share_init(&s, 100000);
	CU_ASSERT_TRUE(s.limited);
	s.processors = 2; /* of very many, a fiftieth is more than one thread can use */
	/* What is saved up is enough for a burst of questions. */
	work(&s, CTL_NSEC / 50);
	CU_ASSERT_EQUAL(ctl_share_rest(&s, true), 0);
	/* Then it rests, but never for long; whom nobody else wants the processors of, not at all. */
	work(&s, LONG_NS);
	rest = ctl_share_rest(&s, true);
	CU_ASSERT_TRUE(rest > 0 && rest <= CTL_NSEC);
	CU_ASSERT_EQUAL(ctl_share_rest(&s, false), 0);
	CU_ASSERT_EQUAL(ctl_share_rest(&s, true), 0);
	return NULL;
}

static void *unlimited(void *arg)
{
	struct ctl_share s;
	(void)arg;

	ctl_share_init(&s, 0);
	CU_ASSERT_FALSE(s.limited);
	work(&s, LONG_NS);
	CU_ASSERT_EQUAL(ctl_share_rest(&s, true), 0);
	return NULL;
}

static void on_thread(void *(*fn)(void *))
{
	pthread_t t;

	CU_ASSERT_FATAL(!pthread_create(&t, NULL, fn, NULL));
	pthread_join(t, NULL);
}

static void test_short_of_processors(void)
{
	on_thread(limited);
}

static void test_processors_to_spare(void)
{
	on_thread(unlimited);
}

const struct tap_case control_share_tests[] = {
	{"short_of_processors", test_short_of_processors},
	{"processors_to_spare", test_processors_to_spare},
	TAP_NO_CASE,
};
