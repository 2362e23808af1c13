/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One client's session, without its socket: bytes in, commands run, bytes out.
 *
 * Owns the client's negotiation state, its input not yet used and its output not yet sent.
 * Invariants: a command runs only while at most CTL_PAUSE_QUEUE bytes are owed to the client,
 * so at most one reply above that size is queued; a client is failed (to be disconnected) once
 * more than CTL_MAX_QUEUE bytes besides that reply are owed to it.
 *
 * Read after: dispatch.c. Read next: client.c.
 */
#include <stdlib.h>

#include "vmm/control/internal.h"

static size_t owed(const struct ctl_session *s)
{
	return s->out.len - s->out_sent;
}

/* After something was appended to the output, from length before on. */
static void account(struct ctl_session *s, size_t before, bool reply)
{
	size_t len = s->out.len - before;
	if (reply && len > CTL_PAUSE_QUEUE)
		s->big_reply = len;
	if (s->out.failed || owed(s) > CTL_MAX_QUEUE + s->big_reply)
		s->failed = true;
}

static void send_object(struct ctl_session *s, struct json_object *o)
{
	size_t before = s->out.len;
	if (!o)
		s->failed = true;
	else if (!s->muted)
		ctl_reply_encode(o, &s->out);
	account(s, before, true);
	json_object_put(o);
}

static void send_parse_error(struct ctl_session *s)
{
	struct control_error e;
	ctl_fail(&e, CTL_GENERIC_ERROR, "JSON parse error, %s", s->frame.why);
	send_object(s, ctl_reply_error(&e));
}

static struct json_object *greeting(void)
{
	struct json_object *o = json_object_new_object(), *q = json_object_new_object();
	struct json_object *caps = json_object_new_array();
	json_object_array_add(caps, json_object_new_string("oob"));
	json_object_object_add(q, "version", ctl_version());
	json_object_object_add(q, "capabilities", caps);
	json_object_object_add(o, "QMP", q);
	return o;
}

struct ctl_session *ctl_session_create(const struct control_ops *ops, void *m)
{
	struct ctl_session *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ops = ops;
	s->m = m;
	send_object(s, greeting());
	return s;
}

void ctl_session_destroy(struct ctl_session *s)
{
	ctl_frame_free(&s->frame);
	ctl_text_free(&s->in);
	ctl_text_free(&s->out);
	free(s);
}

void ctl_session_input(struct ctl_session *s, const char *p, size_t n)
{
	ctl_text_put(&s->in, p, n);
	if (s->in.failed)
		s->failed = true;
}

static void run_one(struct ctl_session *s)
{
	struct json_object *request = ctl_frame_parse(&s->frame);
	if (!request) {
		send_parse_error(s);
		return;
	}
	send_object(s, ctl_dispatch(s, request));
	json_object_put(request);
}

void ctl_session_step(struct ctl_session *s)
{
	size_t used;
	if (!ctl_session_runnable(s))
		return;
	enum ctl_frame_result r =
		ctl_frame_feed(&s->frame, s->in.p + s->in_used, s->in.len - s->in_used, &used);
	s->in_used += used;
	s->failed |= s->frame.text.failed;
	if (s->in_used == s->in.len) {
		ctl_text_clear(&s->in);
		s->in_used = 0;
	}
	if (r == CTL_FRAME_OBJECT)
		run_one(s);
	else if (r == CTL_FRAME_ERROR)
		send_parse_error(s);
}

bool ctl_session_runnable(const struct ctl_session *s)
{
	return !s->failed && s->in.len > s->in_used && owed(s) <= CTL_PAUSE_QUEUE;
}

bool ctl_session_hungry(const struct ctl_session *s)
{
	return !s->failed && s->in.len == s->in_used && owed(s) <= CTL_PAUSE_QUEUE;
}

void ctl_session_event(struct ctl_session *s, const struct ctl_text *line)
{
	size_t before = s->out.len;
	if (!s->negotiated || s->muted)
		return;
	ctl_text_put(&s->out, line->p, line->len);
	account(s, before, false);
}

size_t ctl_session_output(const struct ctl_session *s, const char **p)
{
	*p = s->out.p + s->out_sent;
	return owed(s);
}

void ctl_session_sent(struct ctl_session *s, size_t n)
{
	s->out_sent += n;
	if (owed(s) <= CTL_PAUSE_QUEUE)
		s->big_reply = 0;
	if (owed(s) == 0) {
		ctl_text_clear(&s->out);
		s->out_sent = 0;
	} else if (s->out_sent > s->out.len / 2) {
		ctl_text_cut(&s->out, s->out_sent);
		s->out_sent = 0;
	}
}

void ctl_session_mute(struct ctl_session *s)
{
	ctl_session_sent(s, owed(s));
	s->muted = true;
}
