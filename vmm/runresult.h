/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a run came to, once its machine has ended: exit code, messages, events, --result and
 * --stats-file. One thread, the one that ran the machine.
 *
 * Read first: machine.h. Read next: run.c.
 */
#ifndef UMBRA_RUNRESULT_H
#define UMBRA_RUNRESULT_H

#include "vmm/machine.h"
#include "vmm/options.h"

struct run_result {
	const struct umbra_options *o;
	struct machine *m;
	unsigned violations; /* that the audit found */
	char audit[16384];   /* its report */
};

/* The exit code of `umbra run` (umbra(1), EXIT STATUS). */
int run_exit_code(const struct run_result *r);
/* One line on standard error for a machine that did not end well, and what the audit found. */
void run_tell(const struct run_result *r);
/* The same to the control socket's clients, if it happened. */
void run_tell_clients(const struct run_result *r, bool happened, const char *event);
/* The member `reason` of the event SHUTDOWN. */
const char *run_shutdown_reason(enum verdict verdict);
/* --result and --stats-file. 0, or UMBRA_HOST after a complaint. */
int run_write_files(const struct run_result *r, int code);

#endif
