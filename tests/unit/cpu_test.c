/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs the unit tests of vmm/cpu. Expected values are worked out by hand from the manuals.
 */
#include <CUnit/Basic.h>

#include "tests/unit/cpu_bench.h"

int main(void)
{
	CU_SuiteInfo suites[] = {
		{"state", NULL, NULL, NULL, NULL, cpu_state_tests},
		{"segment", NULL, NULL, NULL, NULL, cpu_segment_tests},
		{"linear", NULL, NULL, NULL, NULL, cpu_linear_tests},
		{"far", NULL, NULL, NULL, NULL, cpu_far_tests},
		{"iret", NULL, NULL, NULL, NULL, cpu_iret_tests},
		{"syscall", NULL, NULL, NULL, NULL, cpu_syscall_tests},
		{"deliver", NULL, NULL, NULL, NULL, cpu_deliver_tests},
		{"chain", NULL, NULL, NULL, NULL, cpu_chain_tests},
		{"legacy", NULL, NULL, NULL, NULL, cpu_legacy_tests},
		{"control", NULL, NULL, NULL, NULL, cpu_control_tests},
		{"msr", NULL, NULL, NULL, NULL, cpu_msr_tests},
		{"io", NULL, NULL, NULL, NULL, cpu_io_tests},
		{"property", NULL, NULL, NULL, NULL, cpu_property_tests},
		CU_SUITE_INFO_NULL,
	};
	unsigned failures;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	if (CU_register_suites(suites) != CUE_SUCCESS)
		return 1;
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
