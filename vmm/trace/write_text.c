/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text: a line for each record, and a line with # where some are missing. Read first: trace.h.
 */
#include <string.h>

#include "vmm/trace/trace.h"

static void nothing(FILE *f)
{
	(void)f;
}

static void record(FILE *f, const struct sh_trace_record *r)
{
	char line[512];

	trace_text(r, line, sizeof(line));
	fprintf(f, "%s\n", line);
}

static void lost(FILE *f, uint64_t n)
{
	fprintf(f, "# %llu records lost\n", (unsigned long long)n);
}

const struct trace_renderer trace_to_text = {
	.begin = nothing, .record = record, .lost = lost, .end = nothing};

static bool ends_in(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && !strcmp(s + n - m, suffix);
}

const struct trace_renderer *trace_renderer_for(const char *path)
{
	static const struct trace_renderer *const all[] = {&trace_to_lines, &trace_to_chrome};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (ends_in(path, all[i]->suffix))
			return all[i];
	return &trace_to_text;
}
