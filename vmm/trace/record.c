/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A record in words and as JSON: both go by the types in sh_trace_events[]. Read first: trace.h.
 */
#include <string.h>

#include "vmm/trace/trace.h"

static const char *const results[] = {
	[SH_FAULT_RESUME] = "resume",	[SH_FAULT_SPURIOUS] = "spurious",
	[SH_FAULT_INJECT] = "inject",	[SH_FAULT_NOT_CANON] = "not-canonical",
	[SH_FAULT_TRACKED] = "tracked", [SH_FAULT_NO_RAM] = "no-ram",
	[SH_FAULT_GATE] = "gate",	[SH_FAULT_HOST] = "no-memory",
};
#define RESULTS (sizeof(results) / sizeof(results[0]))

static void access_text(uint64_t flags, char *buf, size_t n)
{
	snprintf(buf, n, "%s%s%s",
		 flags & SH_FETCH   ? "fetch"
		 : flags & SH_WRITE ? "write"
				    : "read",
		 flags & SH_IMPLICIT ? "-implicit"
		 : flags & SH_USER   ? "-user"
				     : "-kernel",
		 flags & SH_AC ? "-ac" : "");
}

/* A field as text; *number: it is one, in decimal. */
static void field_text(enum sh_trace_type type, uint64_t val, char *buf, size_t n, bool *number)
{
	*number = type == SH_TF_COUNT || type == SH_TF_NS;
	if (*number)
		snprintf(buf, n, "%llu", (unsigned long long)val);
	else if (type == SH_TF_ACCESS)
		access_text(val, buf, n);
	else if (type == SH_TF_RESULT)
		snprintf(buf, n, "%s", val < RESULTS ? results[val] : "?");
	else
		snprintf(buf, n, "0x%llx", (unsigned long long)val);
}

static size_t put(char *buf, size_t n, size_t at, const char *word, const char *value)
{
	int k = snprintf(at < n ? buf + at : NULL, at < n ? n - at : 0, " %s%s%s", word,
			 *value ? " " : "", value);

	return at + (k > 0 ? (size_t)k : 0);
}

static size_t put_head(const struct sh_trace_record *r, char *buf, size_t n)
{
	char who[16] = "others";
	int k;

	if (r->vcpu < SH_TRACE_OTHERS)
		snprintf(who, sizeof(who), "vcpu%u", r->vcpu);
	k = snprintf(
		buf, n, "%6llu.%09llu %-6s %-16s", (unsigned long long)(r->ns / 1000000000u),
		(unsigned long long)(r->ns % 1000000000u), who, sh_trace_events[r->event].name);
	return k > 0 ? (size_t)k : 0;
}

int trace_text(const struct sh_trace_record *r, char *buf, size_t n)
{
	const struct sh_trace_event *e = &sh_trace_events[r->event];
	size_t at = put_head(r, buf, n);
	char word[32];
	bool number;

	if (e->has_level) {
		snprintf(word, sizeof(word), "%u", r->level);
		at = put(buf, n, at, "level", word);
	}
	for (unsigned i = 0; i < SH_TRACE_ARGS && e->field[i].name; i++) {
		field_text(e->field[i].type, r->arg[i], word, sizeof(word), &number);
		at = put(buf, n, at, e->field[i].name, word);
	}
	if (r->why)
		at = put(buf, n, at, "why", sh_trace_why_names[r->why]);
	if (r->rip) {
		snprintf(word, sizeof(word), "0x%llx", (unsigned long long)r->rip);
		at = put(buf, n, at, "rip", word);
	}
	return (int)at;
}

struct json_object *trace_arguments(const struct sh_trace_record *r)
{
	const struct sh_trace_event *e = &sh_trace_events[r->event];
	struct json_object *o = json_object_new_object();
	char word[32];
	bool number;

	for (unsigned i = 0; i < SH_TRACE_ARGS && e->field[i].name; i++) {
		field_text(e->field[i].type, r->arg[i], word, sizeof(word), &number);
		json_object_object_add(
			o, e->field[i].name,
			number ? json_object_new_int64((int64_t)(r->arg[i] & INT64_MAX))
			       : json_object_new_string(word));
	}
	return o;
}

struct json_object *trace_json(const struct sh_trace_record *r)
{
	const struct sh_trace_event *e = &sh_trace_events[r->event];
	struct json_object *o = json_object_new_object();
	char rip[24];

	json_object_object_add(o, "seq", json_object_new_int64((int64_t)r->seq));
	json_object_object_add(o, "ns", json_object_new_int64((int64_t)r->ns));
	if (r->vcpu < SH_TRACE_OTHERS)
		json_object_object_add(o, "vcpu", json_object_new_int(r->vcpu));
	if (r->rip) {
		snprintf(rip, sizeof(rip), "0x%llx", (unsigned long long)r->rip);
		json_object_object_add(o, "rip", json_object_new_string(rip));
	}
	json_object_object_add(o, "event", json_object_new_string(e->name));
	if (e->has_level)
		json_object_object_add(o, "level", json_object_new_int(r->level));
	if (r->why)
		json_object_object_add(o, "why",
				       json_object_new_string(sh_trace_why_names[r->why]));
	json_object_object_add(o, "arguments", trace_arguments(r));
	return o;
}

bool trace_duration(const struct sh_trace_record *r, uint64_t *ns)
{
	const struct sh_trace_event *e = &sh_trace_events[r->event];

	for (unsigned i = 0; i < SH_TRACE_ARGS && e->field[i].name; i++)
		if (e->field[i].type == SH_TF_NS) {
			*ns = r->arg[i];
			return true;
		}
	return false;
}
