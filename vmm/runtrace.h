/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `umbra run` was told to record: --trace, --blackbox, --trace-filter. Both record into the same rings,
 * so whichever of them asks for an event, it is on; the trace's file gets only what --trace named.
 *
 * Read first: trace/trace.h, commands.h.
 */
#ifndef UMBRA_RUNTRACE_H
#define UMBRA_RUNTRACE_H

#include "vmm/machine.h"
#include "vmm/options.h"
#include "vmm/trace/trace.h"

struct run_trace {
	uint64_t events;  /* of --trace */
	const char *path; /* NULL: stderr */
	FILE *file;
	struct trace_drain *drain;
	uint64_t kept; /* events of --blackbox */
	const char *blackbox;
	void *rings; /* of the file; NULL: the MMU's own */
	struct sh_trace_filter filter;
};

/* Each: 0 or an exit code, with its complaint made. */
int run_trace_configure(struct run_trace *t, const struct umbra_options *o);
int run_trace_start(struct run_trace *t, struct machine *m);
/* Before the machine goes. code is the run's so far; returns it, or the trouble's if it was none. The rings
 * are closed when the machine has gone: blackbox_close(). */
int run_trace_stop(struct run_trace *t, struct machine *m, int code);

#endif
