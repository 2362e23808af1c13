/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Parts of a machine that need no running vCPU: exit statistics, the gate's memory, CPUID, the
 * hybrid engine's policy.
 */
#include "tests/unit/machine_test.h"

static const struct tap_suite suites[] = {
	{.name = "exit statistics", .cases = exitstat_tests},
	{.name = "gate", .cases = gate_tests, .setup = gate_setup, .teardown = gate_teardown},
	{.name = "cpuid", .cases = cpuid_tests},
	{.name = "hybrid", .cases = hybrid_tests},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
