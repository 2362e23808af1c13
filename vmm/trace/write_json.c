/* SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON lines: an object for each record; {"lost": n} where some are missing. Read first: trace.h.
 */
#include "vmm/trace/trace.h"

static void nothing(FILE *f)
{
	(void)f;
}

static void record(FILE *f, const struct sh_trace_record *r)
{
	struct json_object *o = trace_json(r);

	fprintf(f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void lost(FILE *f, uint64_t n)
{
	fprintf(f, "{\"lost\":%llu}\n", (unsigned long long)n);
}

const struct trace_renderer trace_to_lines = {
	.suffix = ".jsonl", .begin = nothing, .record = record, .lost = lost, .end = nothing};
