/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What goes on: counters once or again and again, and events as they come.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#include "tools/common/program.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS 2

/* One counter: its value and, if there was a look before, how much it grew per second. */
static void print_counter(const char *key, int64_t value, struct json_object *before,
			  double seconds, bool last)
{
	char rate[32] = "";

	if (before && value != f_int(before, key))
		snprintf(rate, sizeof(rate), "%+.0f/s",
			 (double)(value - f_int(before, key)) / seconds);
	say("%-22.22s %13" PRId64 " %10s%s", key, value, rate, last ? "\n" : "  ");
}

static void print_stats(struct json_object *now, struct json_object *before, double seconds)
{
	unsigned i = 0;

	json_object_object_foreach(now, key, v)
	{
		if (json_object_is_type(v, json_type_int))
			print_counter(key, json_object_get_int64(v), before, seconds,
				      i++ % COLUMNS == COLUMNS - 1);
	}
	if (i % COLUMNS)
		say("\n");
}

struct watch {
	struct json_object *before;
	double time;
};

static int one_look(struct ctl *c, struct watch *w)
{
	struct json_object *now;
	double time;
	int code = ask(c, "query-shadow-stats", NULL, &now);

	if (code)
		return code;
	time = tool_clock();
	if (c->o->json)
		print_json(now);
	else if (json_object_is_type(now, json_type_object)) {
		if (c->o->watch && isatty(1))
			fputs("\033[H\033[J", stdout);
		else if (w->before)
			say("\n");
		print_stats(now, w->before, time - w->time);
	}
	json_object_put(w->before);
	*w = (struct watch){.before = now, .time = time};
	return fflush(stdout) ? CTL_HOST : CTL_PASS;
}

int cmd_stats(struct ctl *c)
{
	struct watch w = {.before = NULL};
	int code = one_look(c, &w);

	for (unsigned i = 1; !code && c->o->watch && (!c->o->count || i < c->o->count); i++) {
		if (qmp_wait(&c->q, c->o->interval) != QMP_OK)
			code = complain(CTL_HOST, "%s", c->q.msg);
		else
			code = one_look(c, &w);
	}
	json_object_put(w.before);
	return code;
}

/* ---- trace ---- */

/* An event of the machine's, whatever it is: time, name, and its data as they came. */
static void print_event(void *arg, struct json_object *event)
{
	struct json_object *time = f_object(event, "timestamp"),
			   *data = f_object(event, "data");
	struct ctl *c = arg;

	if (c->o->json) {
		print_json(event);
		return;
	}
	say("%" PRId64 ".%06" PRId64 " %s %s\n", f_int(time, "seconds"),
	    f_int(time, "microseconds"), f_str(event, "event"),
	    data ? json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE)
		 : "");
}

static int print_record(void *arg, struct json_object *record)
{
	struct ctl *c = arg;

	if (c->o->json)
		print_json(record);
	else
		say("%s\n", f_str(record, "text"));
	return CTL_PASS;
}

/* Records of the trace as they are made, and the machine's events between them. */
static int watch_trace(struct ctl *c)
{
	enum qmp_end end = QMP_OK;
	uint64_t since = 0;
	int code = CTL_PASS;

	c->q.event = print_event;
	c->q.arg = c;
	for (unsigned i = 0; !code && end == QMP_OK && (!c->o->count || i < c->o->count); i++) {
		code = trace_records(c, &since, print_record, c);
		fflush(stdout);
		if (!code)
			end = qmp_wait(&c->q, c->o->interval);
	}
	c->q.event = NULL;
	return end == QMP_OK ? code : complain(CTL_HOST, "%s", c->q.msg);
}

/* Switches what a word NAME=on|off says, and lists what it names. */
static int trace_states(struct ctl *c, const char *word)
{
	const char *eq = strchr(word, '=');
	struct json_object *args = json_object_new_object(), *ret;
	int len = eq ? (int)(eq - word) : (int)strlen(word), code = CTL_PASS;

	if (eq && strcmp(eq, "=on") && strcmp(eq, "=off")) {
		json_object_put(args);
		return complain(CTL_USAGE, "trace: write %.*s=on or %.*s=off", len, word, len,
				word);
	}
	json_object_object_add(args, "name", json_object_new_string_len(word, len));
	if (eq) {
		json_object_object_add(args, "enable",
				       json_object_new_boolean(!strcmp(eq, "=on")));
		code = ask(c, "trace-event-set-state", args, &ret);
		args = json_object_new_object();
		json_object_object_add(args, "name", json_object_new_string_len(word, len));
		if (!code)
			json_object_put(ret);
	}
	if (code) {
		json_object_put(args);
		return code;
	}
	code = ask(c, "trace-event-get-state", args, &ret);
	return code ? code : print_reply(c, ret);
}

int cmd_trace(struct ctl *c)
{
	int code = CTL_PASS;

	if (operand(c, 0) || !c->o->watch)
		code = trace_states(c, operand(c, 0) ? operand(c, 0) : "*");
	return !code && c->o->watch ? watch_trace(c) : code;
}
