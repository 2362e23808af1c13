/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a run came to. Read first: runresult.h.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "vmm/commands.h"
#include "vmm/runresult.h"

#define TOLD_LINES 16 /* of an audit */

static int write_json(const char *path, const char *option, struct json_object *o)
{
	int err = 0;

	if (json_object_to_file_ext(path, o, JSON_C_TO_STRING_PRETTY) < 0)
		err = complain(UMBRA_HOST, "cannot write %s: %s; give another file to %s", path,
			       strerror(errno), option);
	json_object_put(o);
	return err;
}

static const char *const verdict_names[] = {
	[VERDICT_NONE] = "none",   [VERDICT_GUEST_EXIT] = "guest-exit",
	[VERDICT_CRASH] = "crash", [VERDICT_HOST] = "host-error",
	[VERDICT_QUIT] = "quit",   [VERDICT_TIMEOUT] = "timeout",
};

/* isa-debug-exit values that mean "passed": 0 by kvm-unit-tests' custom, 0x10 by our guests'. */
static bool guest_passed(uint32_t value)
{
	return value == 0 || value == 0x10;
}

int run_exit_code(const struct run_result *r)
{
	const struct machine *m = r->m;

	if (r->violations)
		return UMBRA_CRASH;
	switch (m->verdict) {
	case VERDICT_GUEST_EXIT:
		if (r->o->exit_style == EXIT_STYLE_RAW)
			return (int)((m->exit_value << 1 | 1) & 0xff);
		return guest_passed(m->exit_value) ? UMBRA_PASS : UMBRA_FAIL;
	case VERDICT_CRASH:
		return UMBRA_CRASH;
	case VERDICT_TIMEOUT:
		return UMBRA_TIMEOUT;
	case VERDICT_QUIT:
		return UMBRA_PASS;
	default:
		return UMBRA_HOST;
	}
}

/* How long the first lines are of what may be a page of them. All are in --result. */
static int first_lines(const char *text)
{
	const char *end = text;

	for (unsigned i = 0; i < TOLD_LINES && end; i++)
		end = strchr(i ? end + 1 : end, '\n');
	return (int)(end ? (size_t)(end - text) : strlen(text));
}

void run_tell(const struct run_result *r)
{
	const struct machine *m = r->m;

	if (m->verdict == VERDICT_CRASH)
		complain(0, "guest crashed: %s", m->why);
	else if (m->verdict == VERDICT_HOST || m->verdict == VERDICT_TIMEOUT)
		complain(0, "%s", m->why);
	if (r->violations)
		complain(0, "guest crashed: the audit found %u violations:\n%.*s",
			 r->violations, first_lines(r->audit), r->audit);
}

static struct json_object *lines_of(const char *text)
{
	struct json_object *list = json_object_new_array();

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_object_array_add(list, json_object_new_string_len(text, (int)n));
	}
	return list;
}

int run_write_files(const struct run_result *r, int code)
{
	int err = 0;

	if (r->o->stats_file)
		err = write_json(r->o->stats_file, "--stats-file", machine_stats_json(r->m));
	if (r->o->result) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "verdict",
				       json_object_new_string(verdict_names[r->m->verdict]));
		json_object_object_add(o, "exit_code", json_object_new_int(code));
		json_object_object_add(o, "exit_value",
				       json_object_new_int64(r->m->exit_value));
		json_object_object_add(o, "why", json_object_new_string(r->m->why));
		json_object_object_add(o, "audit_violations",
				       json_object_new_int64(r->violations));
		json_object_object_add(o, "audit_report", lines_of(r->audit));
		json_object_object_add(o, "stats", machine_stats_json(r->m));
		err |= write_json(r->o->result, "--result", o);
	}
	return err;
}

static const char *const shutdown_reasons[] = {
	[VERDICT_NONE] = "none",	  [VERDICT_GUEST_EXIT] = "guest-shutdown",
	[VERDICT_CRASH] = "guest-panic",  [VERDICT_HOST] = "host-error",
	[VERDICT_QUIT] = "host-qmp-quit", [VERDICT_TIMEOUT] = "host-signal",
};

const char *run_shutdown_reason(enum verdict verdict)
{
	return shutdown_reasons[verdict];
}

void run_tell_clients(const struct run_result *r, bool happened, const char *event)
{
	struct json_object *o = happened ? json_object_new_object() : NULL;

	if (!happened)
		return;
	if (r->violations) {
		json_object_object_add(o, "violations", json_object_new_int64(r->violations));
		json_object_object_add(o, "report", json_object_new_string(r->audit));
	} else {
		json_object_object_add(o, "action", json_object_new_string("shutdown"));
	}
	control_event(r->m->control, event, o);
}
