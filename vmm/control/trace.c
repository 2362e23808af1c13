/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace-event-get-state, trace-event-set-state and trace-read: the shadow MMU's records.
 *
 * The first two are QEMU's, names may be patterns as there. Reading leaves the records where they are, so
 * several clients and --trace don't take them from each other; where it goes on is the client's to say.
 *
 * Read after: look.c, vmm/trace/trace.h.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/internal.h"
#include "vmm/trace/trace.h"

#define MAX_RECORDS 4096u
#define DEF_RECORDS 1024u

/* Events of argument name; 0 with *e set. */
static uint64_t named(const struct ctl_call *call, struct control_error *e)
{
	const char *pattern = ctl_arg_string(call, "name", "");
	uint64_t events = 0;
	for (unsigned i = 0; i < SH_TRACES; i++)
		if (!fnmatch(pattern, sh_trace_events[i].name, 0))
			events |= 1ull << i;
	if (!events)
		ctl_fail(e, CTL_GENERIC_ERROR, "unknown event \"%.100s\"", pattern);
	return events;
}

struct json_object *ctl_run_trace_get(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	uint64_t events = mmu ? named(call, e) : 0;
	if (!events)
		return NULL;
	struct json_object *list = json_object_new_array();
	for (unsigned i = 0; i < SH_TRACES; i++) {
		if (!(events >> i & 1))
			continue;
		struct json_object *o = json_object_new_object();
		ctl_put_str(o, "name", sh_trace_events[i].name);
		ctl_put_str(o, "state", sh_trace_get(mmu) >> i & 1 ? "enabled" : "disabled");
		ctl_put_bool(o, "vcpu", false);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *ctl_run_trace_set(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	uint64_t events = mmu ? named(call, e) : 0;
	if (!events)
		return NULL;
	uint64_t on = sh_trace_get(mmu);
	if (sh_trace_set(mmu,
			 ctl_arg_bool(call, "enable", false) ? on | events : on & ~events)) {
		ctl_fail(e, CTL_GENERIC_ERROR, "out of memory");
		return NULL;
	}
	return json_object_new_object();
}

struct json_object *ctl_trace_record(const struct sh_trace_record *r)
{
	struct json_object *o = trace_json(r);
	char text[512];
	trace_text(r, text, sizeof(text));
	ctl_put_str(o, "text", text);
	return o;
}

/* What the arguments ask for. False with *e set. */
static bool filter(const struct ctl_call *call, struct sh_trace_filter *f,
		   struct control_error *e)
{
	const char *events = ctl_arg_string(call, "events", "all"), *bad;
	size_t bad_len;
	*f = SH_TRACE_ALL;
	f->events = trace_events(events, strlen(events), &bad, &bad_len);
	if (!f->events) {
		ctl_fail(e, CTL_GENERIC_ERROR, "unknown event \"%.*s\"",
			 (int)(bad_len < 100 ? bad_len : 100), bad);
		return false;
	}
	f->first = ctl_arg_hex(call, "start", 0);
	f->last = ctl_arg_hex(call, "end", UINT64_MAX);
	if (!ctl_arg_given(call, "vcpu"))
		return true;
	unsigned vcpu = ctl_arg_index(call, "vcpu", 0);
	if (vcpu >= call->ops->cpus(call->m)) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND, "no vCPU %u; this machine has %u", vcpu,
			 call->ops->cpus(call->m));
		return false;
	}
	f->vcpus = 1ull << vcpu;
	f->others = false;
	return true;
}

struct json_object *ctl_run_trace_read(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	struct sh_trace_read rd = {.since = ctl_arg_hex(call, "since", 0)};
	unsigned max = ctl_arg_index(call, "max", DEF_RECORDS);
	struct sh_trace_filter f;
	if (!mmu || !filter(call, &f, e))
		return NULL;
	if (max < 1 || max > MAX_RECORDS) {
		ctl_fail(e, CTL_GENERIC_ERROR, "Parameter 'max' expects a value from 1 to %u",
			 MAX_RECORDS);
		return NULL;
	}
	struct sh_trace_record *rec = calloc(max, sizeof(*rec));
	if (!rec) {
		ctl_fail(e, CTL_GENERIC_ERROR, "out of memory");
		return NULL;
	}
	unsigned n = sh_trace_read(mmu, &rd, &f, rec, max);
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	for (unsigned i = 0; i < n; i++)
		json_object_array_add(list, ctl_trace_record(&rec[i]));
	free(rec);
	ctl_put(o, "records", list);
	ctl_put_int(o, "next", rd.next);
	ctl_put_int(o, "lost", rd.lost);
	ctl_put_bool(o, "more", rd.more);
	return o;
}
