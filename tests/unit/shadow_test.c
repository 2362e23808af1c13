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

static const struct tap_suite suites[] = {
	{.name = "model", .cases = suite_model},
	{.name = "format", .cases = suite_format},
	{.name = "gmem", .cases = suite_gmem},
	{.name = "windows", .cases = suite_windows},
	{.name = "windows of the MMU", .cases = suite_windows_mmu},
	{.name = "pool", .cases = suite_pool},
	{.name = "rmap", .cases = suite_rmap},
	{.name = "walk", .cases = suite_walk},
	{.name = "fault", .cases = suite_fault},
	{.name = "large", .cases = suite_large},
	{.name = "leaf", .cases = suite_leaf},
	{.name = "rights", .cases = suite_rights},
	{.name = "write", .cases = suite_write},
	{.name = "reclaim", .cases = suite_reclaim},
	{.name = "life", .cases = suite_life},
	{.name = "race", .cases = suite_race},
	{.name = "alloc", .cases = suite_alloc},
	{.name = "audit", .cases = suite_audit},
	{.name = "engine", .cases = suite_engine},
	{.name = "unsync", .cases = suite_unsync},
	{.name = "rules", .cases = suite_rules},
	{.name = "share", .cases = suite_share},
	{.name = "share race", .cases = suite_share_race},
	{.name = "inspect", .cases = suite_inspect},
	{.name = "look", .cases = suite_look},
	{.name = "trace", .cases = suite_trace},
	{.name = "gather", .cases = suite_gather},
	{.name = "shootdown", .cases = suite_shootdown},
	{.name = "defer", .cases = suite_defer},
	{.name = "reserve", .cases = suite_reserve},
	{.name = "map", .cases = suite_map},
	{.name = "inject", .cases = suite_inject},
	{.name = "windows switch", .cases = suite_windows_switch},
	{.name = "modes", .cases = suite_modes},
	{.name = "pae", .cases = suite_pae},
	{.name = "keys", .cases = suite_keys},
	{.name = "dmap", .cases = suite_dmap},
	{.name = "dmap-model", .cases = suite_dmap_model},
	{.name = "dmap-pressure", .cases = suite_dmap_pressure},
	{.name = "dmap-guest", .cases = suite_dmap_guest},
	{.name = "exhaustive", .cases = suite_exhaustive},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	int code;

	urcu_memb_register_thread();
	code = tap_run_named(suites, argc > 1 ? argv[1] : NULL);
	urcu_memb_unregister_thread();
	return code;
}
