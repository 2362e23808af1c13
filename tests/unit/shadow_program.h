/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random guest programs for the property test. A program is a seed and a list of step numbers; what
 * a step does depends on the seed and its own number only, so that steps can be left out one by one
 * and the rest stays the same. Read first: shadow_fixture.h.
 */
#ifndef UMBRA_TESTS_SHADOW_PROGRAM_H
#define UMBRA_TESTS_SHADOW_PROGRAM_H

#include <stddef.h>

#include "tests/unit/shadow_fixture.h"

/* Bugs the program itself can have: an event the oracle hears of and the library doesn't. They show
 * what the rules catch. */
enum program_bug {
	PROGRAM_BUG_NONE,
	PROGRAM_BUG_INVLPG,
	PROGRAM_BUG_CR3,
	PROGRAM_BUG_CR4,	  /* of CR0 and EFER too */
	PROGRAM_BUG_INVPCID_PAGE, /* types 0 to 3, in order */
	PROGRAM_BUG_INVPCID_ONE,
	PROGRAM_BUG_INVPCID_ALL,
	PROGRAM_BUG_INVPCID_OTHERS,
	PROGRAM_BUGS
};
extern const char *const program_bug_names[PROGRAM_BUGS];

struct program {
	uint64_t seed;
	struct fake_config cfg;
	unsigned formats; /* 1 << enum sh_format_id: those the program switches between */
	unsigned audit_every;
	const uint32_t *step; /* numbers of the steps to do */
	size_t steps;
	enum program_bug bug;
};

struct verdict {
	bool failed;
	uint32_t at; /* number of the step */
	char why[400];
	/* What the run exercised. */
	uint64_t accesses, hits, emulated, faults_true, writes, tracked_writes, switches;
	uint64_t stale;		 /* translations that only what is remembered permits */
	uint64_t large, splits;	 /* large leaves made, and dropped for a table inside */
	uint64_t zaps, unshared; /* by the monitor, and tables copied for them */
	uint64_t large_seen;	 /* found there by the audits, all audits together */
};

void program_run(const struct program *p, struct verdict *v);

#endif
