/* SPDX-License-Identifier: BSD-2-Clause
 *
 * --trace, --blackbox and --trace-filter of a run: from their texts to what is recorded and where it goes.
 *
 * Read first: runtrace.h.
 */
#include <errno.h>
#include <string.h>

#include "vmm/commands.h"
#include "vmm/runtrace.h"

/* EVENTS[:FILE] of an option. *path is NULL without a file. */
static int parse_what(const char *option, const char *text, uint64_t *events, const char **path)
{
	size_t len = strcspn(text, ":"), bad_len;
	const char *bad;

	*events = trace_events(text, len, &bad, &bad_len);
	if (!*events)
		return complain(UMBRA_USAGE,
				"%s: no event is called '%.*s'; the manual page lists them",
				option, (int)(bad_len < 60 ? bad_len : 60), bad);
	if (text[len] && !text[len + 1])
		return complain(UMBRA_USAGE,
				"%s: the file's name is empty; give one or leave out the ':'",
				option);
	*path = text[len] ? text + len + 1 : NULL;
	return *path ? check_output(*path, option) : 0;
}

static int parse_filter(struct run_trace *t, const struct umbra_options *o)
{
	char msg[256];

	t->filter = SH_TRACE_ALL;
	if (!o->trace_filter)
		return 0;
	if (!o->trace && !o->blackbox)
		return complain(UMBRA_USAGE,
				"--trace-filter without --trace; add --trace EVENTS");
	if (trace_filter_parse(o->trace_filter, &t->filter, msg, sizeof(msg)))
		return complain(UMBRA_USAGE, "--trace-filter: %s", msg);
	return 0;
}

int run_trace_configure(struct run_trace *t, const struct umbra_options *o)
{
	int err = 0;

	if (o->trace)
		err = parse_what("--trace", o->trace, &t->events, &t->path);
	if (!err && o->blackbox)
		err = parse_what("--blackbox", o->blackbox, &t->kept, &t->blackbox);
	if (!err && o->blackbox && !t->blackbox)
		err = complain(UMBRA_USAGE, "--blackbox: '%s' names no file; write EVENTS:FILE",
			       o->blackbox);
	return err ? err : parse_filter(t, o);
}

static int open_file(struct run_trace *t)
{
	if (!t->events)
		return 0;
	t->file = t->path ? fopen(t->path, "we") : stderr;
	return t->file ? 0
		       : complain(UMBRA_HOST,
				  "cannot write %s: %s; give another file to --trace", t->path,
				  strerror(errno));
}

static int make_blackbox(struct run_trace *t, struct machine *m)
{
	int err;

	if (!t->kept)
		return 0;
	t->rings = blackbox_make(t->blackbox, m->cfg.cpus, &err);
	if (!t->rings)
		return complain(UMBRA_HOST,
				"cannot write %s: %s; give another file to --blackbox",
				t->blackbox, strerror(err));
	sh_trace_memory(m->mmu, t->rings);
	return 0;
}

static bool begin(struct run_trace *t, struct machine *m)
{
	sh_trace_filter(m->mmu, &t->filter);
	if (sh_trace_set(m->mmu, t->events | t->kept))
		return false;
	if (t->events)
		t->drain = trace_drain_start(m->mmu, t->events, t->file,
					     t->path ? trace_renderer_for(t->path)
						     : &trace_to_text);
	return !t->events || t->drain;
}

int run_trace_start(struct run_trace *t, struct machine *m)
{
	int err = open_file(t);

	if (!err)
		err = make_blackbox(t, m);
	if (err || !(t->events | t->kept) || begin(t, m))
		return err;
	return complain(UMBRA_HOST, "no memory for the trace; trace less");
}

int run_trace_stop(struct run_trace *t, struct machine *m, int code)
{
	uint64_t lost = 0;
	int err = t->drain ? trace_drain_stop(t->drain, &lost) : 0;

	/* Or all that was newest would be the shadow's taking down. */
	sh_trace_set(m->mmu, 0);
	if (t->file && t->path && fclose(t->file) && !err)
		err = errno;
	if (lost)
		complain(0, "%llu records of the trace were lost", (unsigned long long)lost);
	if (err)
		complain(0, "cannot write %s: %s; give another file to --trace",
			 t->path ? t->path : "the trace", strerror(err));
	return code || !err ? code : UMBRA_HOST;
}
