/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The JSON trace format of Chrome, which ui.perfetto.dev opens: a track for each vCPU and one for the other
 * threads; what took time is a slice, the rest are marks. Times are in microseconds there.
 *
 * Each row but the first begins with a comma, so the file can be written as the machine runs.
 * Read first: trace.h.
 */
#include "vmm/trace/trace.h"

static void begin(FILE *f)
{
	fprintf(f, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
		   "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"tid\":0,"
		   "\"args\":{\"name\":\"umbra\"}}");
	for (unsigned i = 0; i < SH_TRACE_OTHERS; i++)
		fprintf(f,
			",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":%u,"
			"\"args\":{\"name\":\"vCPU %u\"}}",
			i, i);
	fprintf(f,
		",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":%u,"
		"\"args\":{\"name\":\"other threads\"}}",
		SH_TRACE_OTHERS);
}

static void us(FILE *f, const char *key, uint64_t ns)
{
	fprintf(f, ",\"%s\":%llu.%03llu", key, (unsigned long long)(ns / 1000),
		(unsigned long long)(ns % 1000));
}

static struct json_object *arguments(const struct sh_trace_record *r)
{
	struct json_object *o = trace_arguments(r);
	char rip[24];

	json_object_object_add(o, "seq", json_object_new_int64((int64_t)r->seq));
	if (sh_trace_events[r->event].has_level)
		json_object_object_add(o, "level", json_object_new_int(r->level));
	if (r->why)
		json_object_object_add(o, "why",
				       json_object_new_string(sh_trace_why_names[r->why]));
	if (r->rip) {
		snprintf(rip, sizeof(rip), "0x%llx", (unsigned long long)r->rip);
		json_object_object_add(o, "rip", json_object_new_string(rip));
	}
	return o;
}

static void record(FILE *f, const struct sh_trace_record *r)
{
	struct json_object *o = arguments(r);
	uint64_t took = 0;
	bool slice = trace_duration(r, &took);

	fprintf(f, ",\n{\"ph\":\"%s\",\"name\":\"%s\",\"cat\":\"shadow\",\"pid\":1,\"tid\":%u",
		slice ? "X" : "i", sh_trace_events[r->event].name, r->vcpu);
	us(f, "ts", r->ns > took ? r->ns - took : 0);
	if (slice)
		us(f, "dur", took);
	else
		fprintf(f, ",\"s\":\"t\"");
	fprintf(f, ",\"args\":%s}", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void lost(FILE *f, uint64_t n)
{
	fprintf(f,
		",\n{\"ph\":\"M\",\"name\":\"lost_records\",\"pid\":1,\"tid\":0,"
		"\"args\":{\"lost\":%llu}}",
		(unsigned long long)n);
}

static void end(FILE *f)
{
	fprintf(f, "\n]}\n");
}

const struct trace_renderer trace_to_chrome = {
	.suffix = ".json", .begin = begin, .record = record, .lost = lost, .end = end};
