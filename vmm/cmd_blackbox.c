/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra blackbox: what --blackbox of a run kept, printed, while the run lives or when it has gone.
 *
 * Read first: commands.h, trace/trace.h.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/commands.h"
#include "vmm/trace/trace.h"

#define MOST (SH_TRACE_SLOTS * (SH_TRACE_OTHERS + 1))

enum format { TEXT, LINES, CHROME };
static const struct trace_renderer *const renderer[] = {
	[TEXT] = &trace_to_text, [LINES] = &trace_to_lines, [CHROME] = &trace_to_chrome};

struct blackbox_request {
	enum format format;
	unsigned last;
	uint64_t events;
	bool help, version;
	const char *file;
};

static const struct opt_keyword format_words[] = {
	{"text", TEXT, false},
	{"jsonl", LINES, false},
	{"chrome", CHROME, false},
	{NULL, 0, false},
};
static const struct opt_range last_range = {1, MOST, 0, "a number from 1 to 1064960"};
_Static_assert(MOST == 1064960, "as the text says");

static int parse_events(const struct option_def *d, const char *arg, void *target,
			struct opt_error *e)
{
	struct blackbox_request *r = target;
	const char *bad;
	size_t len;

	(void)d;
	r->events = trace_events(arg, strlen(arg), &bad, &len);
	if (r->events)
		return 0;
	return opt_fail(e, "--events: no event is called '%.*s'; the manual page lists them",
			(int)(len < 60 ? len : 60), bad);
}

#define FIELD(member) offsetof(struct blackbox_request, member)

/* clang-format off */
const struct option_def blackbox_options[] = {
	{.name = "last", .metavar = "N", .group = "Output",
	 .help = "print the newest N records only (all there are)",
	 .parse = opt_count, .offset = FIELD(last), .rule = &last_range},
	{.name = "events", .metavar = "EVENTS",
	 .help = "print these events only: names, patterns or all, separated by commas (all)",
	 .parse = parse_events},
	{.name = "format", .metavar = "text|jsonl|chrome",
	 .help = "a line a record, an object a record, or what ui.perfetto.dev opens (text)",
	 .parse = opt_keyword, .offset = FIELD(format), .rule = format_words},
	{.name = "help", .letter = 'h', .group = "Help",
	 .help = "print this and exit", .parse = opt_flag, .offset = FIELD(help)},
	{.name = "version",
	 .help = "print the version and exit", .parse = opt_flag, .offset = FIELD(version)},
	OPT_END,
};
/* clang-format on */

static int take_file(const char *arg, void *target, struct opt_error *e)
{
	struct blackbox_request *r = target;

	if (r->file)
		return opt_fail(e, "unexpected argument '%s'; blackbox takes one file", arg);
	r->file = arg;
	return 0;
}

/* Of n records, those of the wanted events; moved to the front. */
static unsigned wanted(const struct blackbox_request *r, struct sh_trace_record *rec,
		       unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++)
		if (r->events >> rec[i].event & 1)
			rec[k++] = rec[i];
	return k;
}

static int print(const struct blackbox_request *r, const void *rings)
{
	/* The last of some events may be far back. */
	unsigned max = r->events == UINT64_MAX ? r->last : MOST, n, k;
	struct sh_trace_record *rec = calloc(max, sizeof(*rec));
	const struct trace_renderer *to = renderer[r->format];
	uint64_t lost;

	if (!rec)
		return complain(UMBRA_HOST, "no memory for %u records; give --last", max);
	n = wanted(r, rec, sh_trace_left(rings, rec, max, &lost));
	k = n > r->last ? n - r->last : 0;
	to->begin(stdout);
	if (lost)
		to->lost(stdout, lost);
	for (; k < n; k++)
		to->record(stdout, &rec[k]);
	to->end(stdout);
	free(rec);
	return UMBRA_PASS;
}

int verb_blackbox(const struct umbra_command *c, int argc, char **argv)
{
	struct blackbox_request r = {.last = MOST, .events = UINT64_MAX};
	const void *rings;
	char msg[256];
	int err, code;

	if (opt_parse(c->options, argc, argv, &r, take_file, msg, sizeof(msg)))
		return complain(UMBRA_USAGE, "%s", msg);
	if (r.help)
		return help_command(c);
	if (r.version)
		return help_version();
	if (!r.file)
		return complain(UMBRA_USAGE, "no file; give the one that --blackbox named");
	rings = blackbox_open(r.file, &err);
	if (!rings)
		return complain(UMBRA_HOST,
				"cannot read %s: %s; give the one that --blackbox named",
				r.file, err ? strerror(err) : "no black box of this version");
	code = print(&r, rings);
	blackbox_close(rings);
	return code;
}
