/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of the control socket: events, who gets them, and how many.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/control_rig.h"

static struct rig rig;
static struct peer a, b;

static void test_before_and_after_negotiation(void)
{
	rig_start(&rig);
	peer_connect(&a, rig.path);
	peer_connect(&b, rig.path);
	peer_negotiate(&b);
	control_event(rig.m.control, "RESUME", NULL);
	expect_event(&b, "RESUME");
	CU_ASSERT_FALSE(peer_hears(&a, 50));
	peer_negotiate(&a);
	CU_ASSERT_FALSE(peer_hears(&a, 50));
	control_event(rig.m.control, "STOP", NULL);
	expect_event(&a, "STOP");
	expect_event(&b, "STOP");
	peer_close(&a);
	peer_close(&b);
	rig_stop(&rig);
}

/* The event and the reply of the command that caused it, in either order. */
static void test_caused_by_command(void)
{
	unsigned events = 0, replies = 0;
	rig_start(&rig);
	peer_connect(&a, rig.path);
	peer_negotiate(&a);
	peer_send(&a, "{\"execute\":\"stop\"}{\"execute\":\"cont\"}");
	for (int i = 0; i < 4; i++) {
		struct json_object *o = peer_receive(&a);
		events += json_object_object_get_ex(o, "event", NULL);
		replies += json_object_object_get_ex(o, "return", NULL);
		json_object_put(o);
	}
	CU_ASSERT_EQUAL(events, 2);
	CU_ASSERT_EQUAL(replies, 2);
	peer_close(&a);
	rig_stop(&rig);
}

static void test_data(void)
{
	struct json_object *data = json_object_new_object(), *o;
	rig_start(&rig);
	peer_connect(&a, rig.path);
	peer_negotiate(&a);
	json_object_object_add(data, "text", json_object_new_string("\xc3\xa9/"));
	control_event(rig.m.control, "GUEST_REPORT", data);
	o = peer_receive(&a);
	CU_ASSERT_STRING_EQUAL(text_at(o, "data", "text"), "\xc3\xa9/");
	json_object_put(o);
	peer_close(&a);
	rig_stop(&rig);
}

static struct json_object *number(int i)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "n", json_object_new_int(i));
	return o;
}

/* Over the socket, by the real clock: the first at once, the last when a second is over. */
static void test_limited(void)
{
	rig_start(&rig);
	peer_connect(&a, rig.path);
	peer_negotiate(&a);
	int64_t start = ctl_now();
	for (int i = 0; i < 100; i++)
		control_event(rig.m.control, "SHADOW_AUDIT_FAILED", number(i));
	struct json_object *o = peer_receive(&a);
	CU_ASSERT_STRING_EQUAL(text_at(o, "data", "n"), "0");
	json_object_put(o);
	o = peer_receive(&a);
	CU_ASSERT_STRING_EQUAL(text_at(o, "data", "n"), "99");
	json_object_put(o);
	CU_ASSERT_TRUE(ctl_now() - start >= CTL_NSEC);
	CU_ASSERT_FALSE(peer_hears(&a, 50));
	peer_close(&a);
	rig_stop(&rig);
}

static int take_number(struct ctl_events *q, int64_t now)
{
	struct ctl_event *e = ctl_events_take(q, now);
	struct json_object *n = NULL;
	int i = -1;
	if (e && e->data && json_object_object_get_ex(e->data, "n", &n))
		i = json_object_get_int(n);
	ctl_event_free(e);
	return i;
}

/* The same, in made-up time. */
static void test_limit_rule(void)
{
	struct ctl_events q;
	ctl_events_init(&q);
	CU_ASSERT_TRUE(ctl_events_post(&q, "GUEST_REPORT", number(1), 0));
	CU_ASSERT_TRUE(ctl_events_post(&q, "GUEST_REPORT", number(2), 10));
	CU_ASSERT_FALSE(ctl_events_post(&q, "GUEST_REPORT", number(3), 20));
	/* Another kind has a second of its own; most kinds have no limit. */
	CU_ASSERT_TRUE(ctl_events_post(&q, "SHADOW_SHOOTDOWN_STORM", number(4), 30));
	CU_ASSERT_TRUE(ctl_events_post(&q, "STOP", number(5), 30));
	CU_ASSERT_TRUE(ctl_events_post(&q, "STOP", number(6), 30));
	int expected[] = {1, 4, 5, 6, -1};
	for (int i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(take_number(&q, 40), expected[i]);
	CU_ASSERT_EQUAL(ctl_events_next(&q), CTL_NSEC);
	CU_ASSERT_EQUAL(take_number(&q, CTL_NSEC - 1), -1);
	CU_ASSERT_EQUAL(take_number(&q, CTL_NSEC), 3);
	CU_ASSERT_EQUAL(ctl_events_next(&q), -1);
	/* Sending the held-back one starts a new second. */
	CU_ASSERT_TRUE(ctl_events_post(&q, "GUEST_REPORT", number(7), CTL_NSEC + 1));
	CU_ASSERT_EQUAL(take_number(&q, CTL_NSEC + 1), -1);
	CU_ASSERT_EQUAL(take_number(&q, 2 * CTL_NSEC), 7);
	CU_ASSERT_TRUE(ctl_events_post(&q, "GUEST_REPORT", number(8), 3 * CTL_NSEC));
	CU_ASSERT_EQUAL(take_number(&q, 3 * CTL_NSEC), 8);
	ctl_events_destroy(&q);
}

static void test_queue_bound(void)
{
	struct ctl_events q;
	ctl_events_init(&q);
	for (int i = 0; i < (int)CTL_EVENT_QUEUED + 5; i++)
		ctl_events_post(&q, "RESET", number(i), i);
	CU_ASSERT_EQUAL(q.count, CTL_EVENT_QUEUED);
	CU_ASSERT_EQUAL(take_number(&q, 0), 5);
	ctl_events_destroy(&q);
}

static void *post_many(void *control)
{
	for (int i = 0; i < 200; i++) {
		control_event(control, "RESET", number(i));
		control_event(control, "SHADOW_SHOOTDOWN_STORM", number(i));
	}
	return NULL;
}

static void test_many_threads(void)
{
	enum { THREADS = 4 };
	pthread_t t[THREADS];
	unsigned resets = 0;
	rig_start(&rig);
	peer_connect(&a, rig.path);
	peer_negotiate(&a);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, post_many, rig.m.control);
	while (resets < THREADS * 200) {
		struct json_object *event = NULL, *o = peer_receive(&a);
		if (!o)
			break;
		json_object_object_get_ex(o, "event", &event);
		resets += !strcmp(json_object_get_string(event), "RESET");
		json_object_put(o);
	}
	CU_ASSERT_EQUAL(resets, THREADS * 200);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	peer_close(&a);
	rig_stop(&rig);
}

const struct tap_case control_event_tests[] = {
	{"before_and_after_negotiation", test_before_and_after_negotiation},
	{"caused_by_command", test_caused_by_command},
	{"data", test_data},
	{"limited", test_limited},
	{"limit_rule", test_limit_rule},
	{"queue_bound", test_queue_bound},
	{"many_threads", test_many_threads},
	TAP_NO_CASE,
};
