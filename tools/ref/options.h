/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What umbra-ref was asked to do. Strings point into argv.
 *
 * Read first: vmm/opttable.h, ref.h.
 */
#ifndef UMBRA_REF_OPTIONS_H
#define UMBRA_REF_OPTIONS_H

#include "tools/ref/ref.h"
#include "vmm/opttable.h"

#define REF_MAX_LIST 8

struct ref_options {
	const struct ref_machine *machine[REF_MAX_COLUMNS];
	unsigned machines; /* 0: all */
	char guest[REF_MAX_LIST][33];
	unsigned guests; /* 0: amd64 */
	unsigned cpus[REF_MAX_LIST];
	unsigned cpu_counts; /* 0: 2 */
	uint64_t memory;
	unsigned timeout;
	const char *scenario, *append; /* NULL: none */
	uint64_t seed;
	bool seed_given;
	const char *json; /* NULL: none */
	const char *keep; /* a folder for the serial files; NULL: none */
	bool help, version;
};

extern const struct option_def ref_option_table[];

/* 0, or -1 with one line in msg. */
int ref_options_parse(int argc, char **argv, struct ref_options *o, char *msg, size_t n);

#endif
