/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's tests: real clients on a real socket, with a machine that only counts.
 * A name as an argument runs the tests of this name only.
 */
#include <CUnit/Basic.h>

#include "tests/unit/control_rig.h"

static CU_SuiteInfo suites[] = {
	{"protocol", NULL, NULL, NULL, NULL, control_protocol_tests},
	{"hostile", NULL, NULL, NULL, NULL, control_hostile_tests},
	{"socket", NULL, NULL, NULL, NULL, control_socket_tests},
	{"event", NULL, NULL, NULL, NULL, control_event_tests},
	CU_SUITE_INFO_NULL,
};

static void run_named(const char *name)
{
	for (CU_SuiteInfo *s = suites; s->pName; s++)
		if (CU_get_test(CU_get_suite(s->pName), name))
			CU_basic_run_test(CU_get_suite(s->pName),
					  CU_get_test(CU_get_suite(s->pName), name));
}

int main(int argc, char **argv)
{
	if (CU_initialize_registry() || CU_register_suites(suites))
		return 99;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (argc > 1)
		run_named(argv[1]);
	else
		CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures() + (CU_get_number_of_tests_run() == 0);
	CU_cleanup_registry();
	return failed ? 1 : 0;
}
