/* SPDX-License-Identifier: BSD-2-Clause */
/* Unmapping that may be preempted, files, reverse maps, references without locks. */
#include "kernel/rcu.h"
#include "mm/rmap.h"
#include "scenarios/scenarios.h"

const char *file_map(void)
{
	return run_program(USER_FILE, 0);
}

const char *file_sync(void)
{
	return run_program(USER_MSYNC, 0);
}

const char *file_storm(void)
{
	return run_program(USER_TRUNCATE, 8);
}

const char *rmap_family(void)
{
	return run_program(USER_RMAP, 0);
}

/* The same with tables that are shared: who takes a page out parts with the table first. */
const char *rmap_shared(void)
{
	bool before = options.share_tables;
	const char *why;

	options.share_tables = true;
	why = run_program(USER_FILE, 0);
	why = why ? why : run_program(USER_ALL_LOCKS, 2);
	process_reap_all();
	options.share_tables = before;
	return why;
}

const char *all_locks_taken(void)
{
	return run_program(USER_ALL_LOCKS, 5);
}

const char *migrate_storm(void)
{
	return run_program(USER_MIGRATE, 6);
}

const char *gather_count(void)
{
	const char *why = run_program(USER_GATHER_COUNT, 40);

	why = why ? why : run_program(USER_GATHER_COUNT, 8);
	why = why ? why : run_program(USER_GATHER_COUNT, 9);
	return why ? why : run_program(USER_GATHER_COUNT, 200);
}

const char *gather_storm(void)
{
	struct preempt_stats p = preempt_stats;
	const char *why = run_program(USER_GATHER, 16);

	note("preempted by %lu ticks and at %lu points", preempt_stats.ticks - p.ticks,
	     preempt_stats.points - p.points);
	return why;
}

const char *gup_storm(void)
{
	struct gup_stats g = gup_stats;
	struct rcu_stats r = rcu_stats;
	const char *why = run_program(USER_GUP, 8);

	note("%lu references lost, %lu tables freed in %lu periods", gup_stats.lost - g.lost,
	     rcu_stats.freed - r.freed, rcu_stats.periods - r.periods);
	return why;
}

const char *share_flush(void)
{
	bool before = options.share_tables;
	const char *why;

	options.share_tables = true;
	why = run_program(USER_SHARE_FLUSH, 8);
	process_reap_all();
	options.share_tables = before;
	return why;
}
