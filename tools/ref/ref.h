/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra-ref: the same guest on several machines, side by side.
 *
 * Three parts that know nothing of each other: a *machine* says what a guest runs on (a row of the
 * table in machine.c); a *transport* starts it and waits for its end (virt.c: QEMU by libvirt's
 * embedded driver; process.c: umbra as a child process); the *comparison* (table.c) sees
 * nothing but the serial file that came out. They meet in main.c, and in the types below.
 *
 * Everything runs in one child of the process that was started, whose only work is to leave nothing
 * behind: common/keeper.h.
 *
 * Read first: nothing. Read next: machine.c, virt.c, table.c.
 */
#ifndef UMBRA_REF_H
#define UMBRA_REF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tools/common/keeper.h"
#include "tools/common/program.h"
#include "tools/common/tap.h"

#define REF_MAX_COLUMNS 8
#define REF_WHY		200

/* One run: what, and where its serial line is to go. */
struct ref_job {
	const char *guest;  /* the image's name */
	const char *kernel; /* its file */
	unsigned cpus;
	uint64_t memory;    /* bytes */
	const char *words;  /* the guest's command line */
	unsigned timeout;   /* seconds */
	const char *serial; /* path of the file to write */
	const char *dir;    /* of this run of umbra-ref: for anything temporary */
};

enum ref_end {
	REF_ENDED,   /* the machine ended by itself */
	REF_TIMEOUT, /* it was ended */
	REF_STOPPED, /* a signal asks us to end: so was it */
	REF_ABSENT,  /* it could not be started here; why says the reason */
};

struct ref_machine {
	const char *name, *help;
	/* Runs job to its end. Leaves nothing running; why, of REF_WHY bytes, is set with
	 * REF_ABSENT. */
	enum ref_end (*run)(const struct ref_machine *m, const struct ref_job *job, char *why);
	const char *kind; /* the transport's: libvirt's domain type; umbra's engine */
	/* Whether it is tried without being asked for by name; NULL: yes. */
	bool (*usual)(void);
};

/* machine.c: closed by a NULL name. */
extern const struct ref_machine ref_machines[];

/* The transports. */
enum ref_end virt_run(const struct ref_machine *m, const struct ref_job *job, char *why);
enum ref_end process_run(const struct ref_machine *m, const struct ref_job *job, char *why);
/* virt_xml.c: a libvirt domain, to be freed; NULL: no memory. name is the domain's. */
char *virt_xml(const char *type, const char *name, const struct ref_job *job);

/* ---- the table ---- */
struct ref_column {
	const struct ref_machine *machine;
	enum ref_end end;
	char why[REF_WHY];
	double seconds;
	struct tap tap;
};
struct ref_verdict {
	unsigned scenarios, failed, different, absent; /* absent: machines */
};
/* What columns of one job say together; printed to out unless that is NULL. */
struct ref_verdict table_compare(const struct ref_column *c, unsigned n, FILE *out);
/* The same as JSON lines, one for each column. */
void table_json(const struct ref_job *job, const struct ref_column *c, unsigned n, FILE *out);

#endif
