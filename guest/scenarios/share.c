/* SPDX-License-Identifier: BSD-2-Clause */
/* fork that shares page tables: the programs about fork run again, with that switched on. */
#include "scenarios/scenarios.h"

static const char *run_shared(u32 program, ulong arg)
{
	bool before = options.share_tables;
	struct share_stats s = share_stats;
	const char *why;

	options.share_tables = true;
	why = run_program(program, arg);
	process_reap_all();
	options.share_tables = before;
	CHECK(why || share_stats.shared > s.shared, "no table was shared");
	return why;
}

const char *share_fork(void)
{
	struct share_stats s = share_stats;
	const char *why = run_shared(USER_COW, 4);

	why = why ? why : run_shared(USER_FORK_TREE, 4);
	why = why ? why : run_shared(USER_FORK_STORM, 40);
	why = why ? why : run_shared(USER_MPROTECT, 4);
	CHECK(why || share_stats.copied > s.copied, "no shared table was written");
	CHECK(why || share_stats.taken > s.taken, "no last owner took a table over");
	return why;
}

const char *share_zap(void)
{
	return run_shared(USER_SHARE_ZAP, 24);
}

const char *smp_share(void)
{
	const char *why = run_shared(USER_SMP_FORK, 6);

	return why ? why : run_shared(USER_SHARE_ZAP, 40);
}
