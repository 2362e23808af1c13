/* SPDX-License-Identifier: BSD-2-Clause
 *
 * CUnit to TAP: see tap.h. The plan comes first, so that a test that kills the program shows as
 * missing lines; every line is flushed for the same reason.
 *
 * Not for several threads: CUnit's registry is global, and so is the number below.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

static unsigned number, failed;

static void print_result(const char *verdict, CU_pSuite suite, CU_pTest test)
{
	printf("%s %u - %s: %s\n", verdict, ++number, suite->pName, test->pName);
	fflush(stdout);
}

static void print_failures(CU_pFailureRecord f, CU_pSuite suite, CU_pTest test)
{
	for (; f; f = f->pNext)
		if (f->pSuite == suite && (f->pTest == test || !test))
			printf("# %s:%u: %s\n", f->strFileName ? f->strFileName : "?",
			       f->uiLineNumber, f->strCondition ? f->strCondition : "?");
}

/* CUnit hands over the first failure record of this test, or NULL. */
static void test_done(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord first)
{
	print_failures(first, suite, test);
	failed += first != NULL;
	print_result(first ? "not ok" : "ok", suite, test);
}

/* CUnit runs no test of such a suite; they all count as failed. */
static void setup_failed(const CU_pSuite suite)
{
	for (CU_pTest test = suite->pTest; test; test = test->pNext) {
		printf("# the suite's setup failed\n");
		failed++;
		print_result("not ok", suite, test);
	}
}

static void teardown_failed(const CU_pSuite suite)
{
	printf("# %s: the suite's teardown failed\n", suite->pName);
	failed++;
}

static int add_suite(const struct tap_suite *s, const char *only)
{
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown(s->name, s->setup, s->teardown,
							       s->each_setup, s->each_teardown);

	for (const struct tap_case *c = s->cases; suite && c->name; c++)
		if ((!only || !strcmp(c->name, only)) && !CU_add_test(suite, c->name, c->fn))
			return -1;
	return suite ? 0 : -1;
}

static int run_registry(void)
{
	printf("1..%u\n", CU_get_registry()->uiNumberOfTests);
	fflush(stdout);
	CU_set_test_complete_handler(test_done);
	CU_set_suite_init_failure_handler(setup_failed);
	CU_set_suite_cleanup_failure_handler(teardown_failed);
	CU_set_error_action(CUEA_IGNORE);
	CU_run_all_tests();
	return failed || !number ? 1 : 0;
}

int tap_run_named(const struct tap_suite *suites, const char *only)
{
	int code = 1;

	if (CU_initialize_registry() != CUE_SUCCESS) {
		printf("Bail out! CUnit: %s\n", CU_get_error_msg());
		return 1;
	}
	for (; suites->name && !add_suite(suites, only); suites++)
		;
	if (suites->name)
		printf("Bail out! CUnit: suite %s: %s\n", suites->name, CU_get_error_msg());
	else
		code = run_registry();
	CU_cleanup_registry();
	return code;
}

int tap_run_suites(const struct tap_suite *suites)
{
	return tap_run_named(suites, NULL);
}
