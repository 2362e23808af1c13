/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs the unit tests of vmm/cpu. Expected values are worked out by hand from the manuals.
 */
#include "tests/unit/cpu_bench.h"

static const struct tap_suite suites[] = {
	{.name = "state", .cases = cpu_state_tests},
	{.name = "segment", .cases = cpu_segment_tests},
	{.name = "linear", .cases = cpu_linear_tests},
	{.name = "far", .cases = cpu_far_tests},
	{.name = "iret", .cases = cpu_iret_tests},
	{.name = "syscall", .cases = cpu_syscall_tests},
	{.name = "deliver", .cases = cpu_deliver_tests},
	{.name = "chain", .cases = cpu_chain_tests},
	{.name = "legacy", .cases = cpu_legacy_tests},
	{.name = "control", .cases = cpu_control_tests},
	{.name = "msr", .cases = cpu_msr_tests},
	{.name = "io", .cases = cpu_io_tests},
	{.name = "task", .cases = cpu_task_tests},
	{.name = "v86", .cases = cpu_v86_tests},
	{.name = "property", .cases = cpu_property_tests},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
