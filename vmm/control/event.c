/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Events on their way from any thread to the server's.
 *
 * Owns the queue and the limit on kinds of event that a guest can cause at will: the first is
 * sent at once, then at most one a second, always the latest.
 *
 * Lock: struct ctl_events.lock guards the whole struct. It is a leaf, held for list operations
 * only, so posting never waits for a client. Invariant: at most CTL_EVENT_QUEUED events wait;
 * beyond that the oldest is dropped, for the server thread has been stuck for long.
 *
 * Read after: reply.c. Read next: server.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/control/internal.h"

int64_t ctl_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * CTL_NSEC + t.tv_nsec;
}

void ctl_events_init(struct ctl_events *q)
{
	*q = (struct ctl_events){.first = NULL};
	q->last = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	for (unsigned i = 0; i < CTL_EVENT_KINDS; i++)
		q->kind[i].until = INT64_MIN;
}

void ctl_events_destroy(struct ctl_events *q)
{
	struct ctl_event *e;
	while ((e = ctl_events_take(q, INT64_MAX)) != NULL)
		ctl_event_free(e);
	pthread_mutex_destroy(&q->lock);
}

void ctl_event_free(struct ctl_event *e)
{
	if (!e)
		return;
	json_object_put(e->data);
	free(e);
}

static struct ctl_event *event_create(const char *name, struct json_object *data)
{
	struct ctl_event *e = calloc(1, sizeof(*e));
	if (!e) {
		json_object_put(data);
		return NULL;
	}
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->data = data;
	gettimeofday(&e->when, NULL);
	return e;
}

/* Call with the lock held. */
static struct ctl_event *pop(struct ctl_events *q)
{
	struct ctl_event *e = q->first;
	if (!e)
		return NULL;
	q->first = e->next;
	if (!q->first)
		q->last = &q->first;
	q->count--;
	return e;
}

/* Call with the lock held. Returns an event that had to make room, for the caller to free. */
static struct ctl_event *push(struct ctl_events *q, struct ctl_event *e)
{
	struct ctl_event *old = q->count == CTL_EVENT_QUEUED ? pop(q) : NULL;
	*q->last = e;
	q->last = &e->next;
	q->count++;
	return old;
}

static struct ctl_throttle *throttle_of(struct ctl_events *q, const char *name)
{
	for (unsigned i = 0; i < CTL_EVENT_KINDS && ctl_event_kinds[i].name; i++)
		if (!strcmp(ctl_event_kinds[i].name, name))
			return ctl_event_kinds[i].limited ? &q->kind[i] : NULL;
	return NULL;
}

/* In the second after now; the end of time has none. */
static int64_t second_after(int64_t now)
{
	return now > INT64_MAX - CTL_NSEC ? INT64_MAX : now + CTL_NSEC;
}

bool ctl_events_post(struct ctl_events *q, const char *name, struct json_object *data,
		     int64_t now)
{
	struct ctl_event *old, *e = event_create(name, data);
	bool wake = true;
	if (!e)
		return false;
	pthread_mutex_lock(&q->lock);
	struct ctl_throttle *t = throttle_of(q, name);
	if (t && (t->pending || now < t->until)) {
		old = t->pending;
		wake = !old; /* once, so that the server learns when to look again */
		t->pending = e;
	} else {
		if (t)
			t->until = second_after(now);
		old = push(q, e);
	}
	pthread_mutex_unlock(&q->lock);
	ctl_event_free(old);
	return wake;
}

/* Call with the lock held. */
static struct ctl_event *take_pending(struct ctl_events *q, int64_t now)
{
	for (unsigned i = 0; i < CTL_EVENT_KINDS; i++) {
		struct ctl_throttle *t = &q->kind[i];
		struct ctl_event *e = t->pending;
		if (!e || now < t->until)
			continue;
		t->pending = NULL;
		t->until = second_after(now);
		return e;
	}
	return NULL;
}

struct ctl_event *ctl_events_take(struct ctl_events *q, int64_t now)
{
	pthread_mutex_lock(&q->lock);
	struct ctl_event *e = pop(q);
	if (!e)
		e = take_pending(q, now);
	pthread_mutex_unlock(&q->lock);
	return e;
}

int64_t ctl_events_next(struct ctl_events *q)
{
	int64_t next = -1;
	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < CTL_EVENT_KINDS; i++) {
		const struct ctl_throttle *t = &q->kind[i];
		if (t->pending && (next < 0 || t->until < next))
			next = t->until;
	}
	pthread_mutex_unlock(&q->lock);
	return next;
}

struct json_object *ctl_event_object(struct ctl_event *e)
{
	struct json_object *o = json_object_new_object(), *t = json_object_new_object();
	json_object_object_add(t, "seconds", json_object_new_int64(e->when.tv_sec));
	json_object_object_add(t, "microseconds", json_object_new_int64(e->when.tv_usec));
	json_object_object_add(o, "timestamp", t);
	json_object_object_add(o, "event", json_object_new_string(e->name));
	if (e->data)
		json_object_object_add(o, "data", e->data);
	e->data = NULL;
	return o;
}
