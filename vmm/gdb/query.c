/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that ask (q) and set (Q): features, threads, the target description, the monitor.
 *
 * A row of queries[] is a packet. Read first: internal.h, ../control/monitor.c.
 */
#define _GNU_SOURCE 1 /* memmem */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/gdb/internal.h"

static void supported(struct gdb_session *s, struct gdb_in *in)
{
	/* What the client can do: NAME+ between semicolons. */
	s->swbreak = memmem(in->p, (size_t)(in->end - in->p), "swbreak+", 8);
	s->hwbreak = memmem(in->p, (size_t)(in->end - in->p), "hwbreak+", 8);
	gdb_print(&s->reply,
		  "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+;"
		  "swbreak+;hwbreak+",
		  GDB_PACKET);
}

/* This packet is still acknowledged, and its reply is. */
static void no_ack(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_session_ok(s);
	s->no_ack = true;
}

static bool description(struct gdb_session *s)
{
	if (!s->xml.len)
		gdb_target_xml(s->arch, &s->xml);
	return !s->xml.failed;
}

/* features:read:target.xml:OFFSET,LENGTH. */
static void transfer(struct gdb_session *s, struct gdb_in *in)
{
	uint64_t at, len;

	if (!gdb_in_word(in, "features:read:"))
		return;
	if (!gdb_in_word(in, "target.xml:")) {
		gdb_print(&s->reply, "E00");
		return;
	}
	if (!gdb_in_number(in, &at) || !gdb_in_char(in, ',') || !gdb_in_number(in, &len) ||
	    !gdb_in_end(in) || !description(s) || at > s->xml.len) {
		gdb_session_error(s, EINVAL);
		return;
	}
	if (len > GDB_DATA)
		len = GDB_DATA;
	ctl_text_put(&s->reply, len < s->xml.len - at ? "m" : "l", 1);
	if (len > s->xml.len - at)
		len = s->xml.len - at;
	ctl_text_put(&s->reply, s->xml.p + at, len);
}

/* ---- threads ---- */

static void current(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_print(&s->reply, "QC%x", s->vcpu + 1);
}

static void attached(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_print(&s->reply, "1");
}

/* At most 64: they fit one packet. */
static void first_threads(struct gdb_session *s, struct gdb_in *in)
{
	unsigned n = s->ops->control->cpus(s->m);

	(void)in;
	for (unsigned i = 0; i < n; i++)
		gdb_print(&s->reply, "%c%x", i ? ',' : 'm', i + 1);
}

static void more_threads(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_print(&s->reply, "l");
}

static const char *activity(enum cpu_activity a)
{
	switch (a) {
	case CPU_RUNNING:
		return "running";
	case CPU_HALTED:
		return "halted";
	case CPU_WAIT_SIPI:
		return "waits for a SIPI";
	case CPU_SHUTDOWN:
		break;
	}
	return "shut down";
}

static void thread_info(struct gdb_session *s, struct gdb_in *in)
{
	char text[64];
	int thread;

	if (!gdb_in_thread(in, s->ops->control->cpus(s->m), &thread) || thread < 1 ||
	    !gdb_in_end(in)) {
		gdb_session_error(s, EINVAL);
		return;
	}
	snprintf(text, sizeof(text), "CPU#%d [%s]", thread - 1,
		 activity(s->ops->cpu(s->m, (unsigned)thread - 1)->activity));
	gdb_put_hex(&s->reply, text, strlen(text));
}

/* ---- physical memory ---- */

static void physical(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_print(&s->reply, "%d", s->physical);
}

static void set_physical(struct gdb_session *s, struct gdb_in *in)
{
	bool on = gdb_in_char(in, '1');

	if ((!on && !gdb_in_char(in, '0')) || !gdb_in_end(in)) {
		gdb_session_error(s, EINVAL);
		return;
	}
	s->physical = on;
	gdb_session_ok(s);
}

/* ---- the monitor ---- */

#define CHUNK 2048u /* bytes of text in a packet */

/* As packets of their own, in front of the reply. */
static void put_console(struct gdb_session *s, const char *text, size_t n)
{
	for (size_t at = 0; at < n; at += CHUNK) {
		struct ctl_text o = {0};

		ctl_text_put(&o, "O", 1);
		gdb_put_hex(&o, text + at, n - at < CHUNK ? n - at : CHUNK);
		gdb_session_send(s, o.p, o.failed ? 0 : o.len);
		ctl_text_free(&o);
	}
}

static void run_monitor(struct gdb_session *s, const char *line)
{
	struct ctl_call call = {.ops = s->ops->control, .m = s->m};
	struct control_error e = {.desc = ""};
	struct json_object *text;

	call.args = json_object_new_object();
	json_object_object_add(call.args, "command-line", json_object_new_string(line));
	json_object_object_add(call.args, "cpu-index", json_object_new_int((int)s->vcpu));
	text = ctl_run_monitor(&call, &e);
	if (text) {
		put_console(s, json_object_get_string(text),
			    (size_t)json_object_get_string_len(text));
	} else {
		put_console(s, e.desc, strlen(e.desc));
		put_console(s, "\n", 1);
	}
	json_object_put(text);
	json_object_put(call.args);
}

static void monitor(struct gdb_session *s, struct gdb_in *in)
{
	char line[1024] = "";
	size_t n = (size_t)(in->end - in->p) / 2;

	if (n >= sizeof(line) || !gdb_in_hex(in, line, n) || !gdb_in_end(in)) {
		gdb_session_error(s, EINVAL);
		return;
	}
	run_monitor(s, line);
	gdb_session_ok(s);
}

/* ---- tables ---- */

struct row {
	const char *name; /* with the separator of what follows, if something must */
	gdb_packet_fn *run;
};

static const struct row queries[] = {
	{"Supported", supported},
	{"Xfer:", transfer},
	{"C", current},
	{"Attached", attached},
	{"fThreadInfo", first_threads},
	{"sThreadInfo", more_threads},
	{"ThreadExtraInfo,", thread_info},
	{"qemu.PhyMemMode", physical},
	{"Rcmd,", monitor},
};

static const struct row settings[] = {
	{"StartNoAckMode", no_ack},
	{"qemu.PhyMemMode:", set_physical},
};

/* A name that ends in none of these is all of the packet, or a colon or semicolon follows. */
static bool names(const struct row *r, struct gdb_in *in)
{
	struct gdb_in rest = *in;
	char last = r->name[strlen(r->name) - 1];

	if (!gdb_in_word(&rest, r->name))
		return false;
	if (last != ':' && last != ',' && !gdb_in_end(&rest) && !strchr(":;", *rest.p))
		return false;
	*in = rest;
	return true;
}

static void dispatch(struct gdb_session *s, struct gdb_in *in, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names(&rows[i], in)) {
			rows[i].run(s, in);
			return;
		}
}

void gdb_query(struct gdb_session *s, struct gdb_in *in)
{
	dispatch(s, in, queries, sizeof(queries) / sizeof(queries[0]));
}

void gdb_set(struct gdb_session *s, struct gdb_in *in)
{
	dispatch(s, in, settings, sizeof(settings) / sizeof(settings[0]));
}
