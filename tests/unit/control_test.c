/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's tests: real clients on a real socket, with a machine that only counts.
 * A name as an argument runs the tests of this name only.
 */
#include "tests/unit/control_rig.h"

static const struct tap_suite suites[] = {
	{.name = "protocol", .cases = control_protocol_tests},
	{.name = "hostile", .cases = control_hostile_tests},
	{.name = "socket", .cases = control_socket_tests},
	{.name = "event", .cases = control_event_tests},
	{.name = "share", .cases = control_share_tests},
	{.name = "table", .cases = control_table_tests},
	TAP_END,
};

int main(int argc, char **argv)
{
	return tap_run_named(suites, argc > 1 ? argv[1] : NULL);
}
