/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs CUnit suites out of a const table and reports each test as one line of TAP, so that
 * automake's driver shows single cases. A failed assertion becomes a "#" line with its file and
 * line, ahead of the "not ok" it belongs to.
 *
 * Read first: CUnit's CUnit.h for the CU_ASSERT family.
 */
#ifndef UMBRA_TESTS_TAP_H
#define UMBRA_TESTS_TAP_H

#include <CUnit/CUnit.h>

struct tap_case {
	const char *name; /* NULL closes the list */
	void (*fn)(void);
};

struct tap_suite {
	const char *name; /* NULL closes the list */
	const struct tap_case *cases;
	/* Around the whole suite, and around each case; any may be NULL. setup and teardown
	 * return 0 or an error, with which all cases of the suite fail. */
	int (*setup)(void);
	int (*teardown)(void);
	void (*each_setup)(void);
	void (*each_teardown)(void);
};

#define TAP_NO_CASE \
	{           \
		.name = NULL \
	}
#define TAP_END              \
	{                    \
		.name = NULL \
	}

/* Returns what main() should: 0 if every test passed and at least one ran, else 1. */
int tap_run_suites(const struct tap_suite *suites);
/* The same with the cases of this name only; NULL for all. */
int tap_run_named(const struct tap_suite *suites, const char *only);

#endif
