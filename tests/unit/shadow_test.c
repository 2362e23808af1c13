/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unit tests of the shadow MMU: main program. Arguments: names of suites to run, default all.
 * Read first: shadow_fixture.h.
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/shadow_fixture.h"

static const struct {
	const char *name;
	const struct fx_case *cases;
} suites[] = {
	{"model", suite_model},   {"format", suite_format},   {"gmem", suite_gmem},
	{"rmap", suite_rmap},     {"walk", suite_walk},       {"fault", suite_fault},
	{"large", suite_large},   {"rights", suite_rights},   {"write", suite_write},
	{"reclaim", suite_reclaim}, {"race", suite_race},     {"audit", suite_audit},
	{"engine", suite_engine}, {"exhaustive", suite_exhaustive},
};

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

static void add(const char *name, const struct fx_case *c)
{
	CU_pSuite s = CU_add_suite(name, NULL, NULL);

	for (; c->name; c++)
		CU_add_test(s, c->name, c->fn);
}

int main(int argc, char **argv)
{
	unsigned failed;

	urcu_memb_register_thread();
	CU_initialize_registry();
	for (unsigned i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (wanted(suites[i].name, argc, argv))
			add(suites[i].name, suites[i].cases);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	urcu_memb_unregister_thread();
	return failed != 0;
}
