/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What takes many calls to have whole: the trace's records, and the shadow tables that roots lead to.
 * Both are bounded, whatever the server says.
 *
 * Read first: ctl.h. Read next: report.c.
 */
#include "tools/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BITS 0x000ffffffffff000ull

/* ---- the trace ---- */

int trace_records(struct ctl *c, uint64_t *since, page_fn each, void *arg)
{
	bool more = true;

	for (unsigned n = 0; more && n < TRACE_MAX;) {
		struct json_object *args = json_object_new_object(), *ret, *list;
		uint64_t before = *since;
		int code;

		json_object_object_add(args, "since", json_object_new_uint64(before));
		code = ask_maybe(c, "trace-read", args, &ret);
		if (code || !ret)
			return code;
		list = f_array(ret, "records");
		for (size_t i = 0; !code && i < f_length(list); i++)
			code = each(arg, json_object_array_get_idx(list, i));
		n += (unsigned)f_length(list);
		*since = (uint64_t)f_int(ret, "next");
		more = f_bool(ret, "more") && *since > before;
		json_object_put(ret);
		if (code)
			return code;
	}
	return CTL_PASS;
}

static int keep_record(void *arg, struct json_object *record)
{
	/* The page shows its own words. */
	json_object_object_del(record, "text");
	json_object_array_add(arg, json_object_get(record));
	return CTL_PASS;
}

int collect_trace(struct ctl *c, struct json_object *into)
{
	uint64_t since = 0;

	return trace_records(c, &since, keep_record, into);
}

/* ---- tables ---- */

struct tables {
	struct ctl *c;
	struct json_object *into;
	uint64_t frame[TABLES_MAX]; /* to look at, each once, in this order */
	unsigned count;
};

static void want(struct tables *t, uint64_t frame)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->frame[i] == frame)
			return;
	if (t->count < TABLES_MAX)
		t->frame[t->count++] = frame;
}

/* Entries that are present, from a reply, to list; upper ones name further tables. */
static void take_entries(struct tables *t, struct json_object *reply, struct json_object *list,
			 bool upper)
{
	struct json_object *from = f_array(reply, "entries");

	for (size_t i = 0; upper && i < f_length(from); i++) {
		struct json_object *e = json_object_array_get_idx(from, i);
		uint64_t entry = f_hex(e, "entry");

		if (!(entry & 1))
			continue;
		json_object_array_add(list, json_object_get(e));
		if (!strstr(f_str(e, "flags"), "PS"))
			want(t, (entry & FRAME_BITS) >> 12);
	}
}

static int one_table(struct tables *t, uint64_t frame)
{
	struct json_object *list = json_object_new_array(), *table = NULL;
	int64_t first = 0;
	bool more = true;

	while (more) {
		struct json_object *args = json_object_new_object(), *ret, *page;
		int code;

		args_hex(args, "table", frame);
		json_object_object_add(args, "first", json_object_new_int64(first));
		code = ask_maybe(t->c, "query-shadow-page", args, &ret);
		if (code || !ret) {
			json_object_put(list);
			json_object_put(table);
			return code; /* it has gone, or the machine has */
		}
		page = json_object_array_get_idx(f_array(ret, "pages"), 0);
		if (!table && page)
			table = json_object_get(page);
		take_entries(t, ret, list, f_int(f_object(page, "role"), "level") > 1);
		more = f_has(ret, "next") && f_int(ret, "next") > first;
		first = f_int(ret, "next");
		json_object_put(ret);
	}
	if (!table) {
		json_object_put(list);
		return CTL_PASS;
	}
	json_object_object_add(table, "entries", list);
	json_object_array_add(t->into, table);
	return CTL_PASS;
}

int collect_tables(struct ctl *c, struct json_object *roots, struct json_object *into)
{
	struct tables *t = calloc(1, sizeof(*t));
	int code = CTL_PASS;

	if (!t)
		return complain(CTL_HOST, "no memory");
	t->c = c;
	t->into = into;
	for (size_t i = 0; i < f_length(roots); i++)
		want(t, f_hex(json_object_array_get_idx(roots, i), "mfn"));
	for (unsigned i = 0; !code && i < t->count; i++)
		code = one_table(t, t->frame[i]);
	free(t);
	return code;
}
