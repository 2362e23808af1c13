/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What umbra-stress was asked to do. Strings point into argv.
 *
 * Read first: vmm/opttable.h.
 */
#ifndef UMBRA_STRESS_OPTIONS_H
#define UMBRA_STRESS_OPTIONS_H

#include "vmm/opttable.h"

#define STRESS_MAX_FILES 64

struct stress_options {
	const char *file[STRESS_MAX_FILES];
	unsigned files;
	uint64_t seed;
	bool seed_given;
	unsigned time; /* seconds; 0: no limit */
	unsigned jobs;
	unsigned shard, shards; /* from 0; shards 0: all */
	const char *out;	/* NULL: none */
	bool list, help, version;
};

extern const struct option_def stress_option_table[];

/* 0, or -1 with one line in msg. */
int stress_options_parse(int argc, char **argv, struct stress_options *o, char *msg, size_t n);

#endif
