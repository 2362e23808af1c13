/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Benchmarks; not in the suite. Those of tests/bench/hybrid_bench.sh are one thing over and over,
 * timed from outside. The micro ones are measured in ring 3, round by round, and give one line:
 *
 *   # bench NAME cycles=MEDIAN min=LEAST count=OPERATIONS rounds=N
 *
 * where cycles are TSC cycles of one operation, and count is how many a round has; size= gives more.
 */
#include "scenarios/scenarios.h"
#include "user/abi.h"

const char *bench_none(void)
{
	return run_program(USER_EXIT, 0);
}

const char *bench_fault(void)
{
	return run_program(USER_BENCH_FAULT, 0);
}

const char *bench_fault_work(void)
{
	return run_program(USER_BENCH_FAULT, 2000);
}

const char *bench_fork(void)
{
	return run_program(USER_FORK_STORM, scaled(400));
}

const char *bench_mmap(void)
{
	return run_program(USER_MMAP_CHURN, scaled(600));
}

const char *bench_syscall(void)
{
	return run_program(USER_NULL_CALLS, scaled(20000));
}

const char *bench_switch(void)
{
	return run_program(USER_SCHED_MANY, 60);
}

static void sort(u64 *v, u32 n)
{
	for (u32 i = 1; i < n; i++)
		for (u32 k = i; k && v[k] < v[k - 1]; k--) {
			u64 x = v[k];

			v[k] = v[k - 1];
			v[k - 1] = x;
		}
}

static const char *micro(const char *name, enum micro kind, ulong n)
{
	const char *why;

	report = (struct report){0};
	why = run_program(USER_MICRO, n << 8 | kind);
	if (why)
		return why;
	CHECK(report.rounds, "no round was reported");
	sort(report.cycles, report.rounds);
	print("# bench %s cycles=%llu min=%llu count=%lu rounds=%u\n", name,
	      report.cycles[report.rounds / 2] / report.count, report.cycles[0] / report.count,
	      report.count, report.rounds);
	return NULL;
}

const char *micro_call(void)
{
	return micro("null-syscall", MICRO_CALL, scaled(1000));
}

const char *micro_anon(void)
{
	return micro("fault-anon", MICRO_FAULT_ANON, scaled(100));
}

const char *micro_file(void)
{
	return micro("fault-file", MICRO_FAULT_FILE, scaled(40));
}

const char *micro_prot(void)
{
	return micro("fault-prot", MICRO_FAULT_PROT, scaled(100));
}

const char *micro_map(void)
{
	return micro("mmap-munmap", MICRO_MAP, scaled(50));
}

const char *micro_remap(void)
{
	return micro("mremap", MICRO_REMAP, scaled(50));
}

const char *micro_switch(void)
{
	return micro("switch", MICRO_SWITCH, scaled(200));
}

const char *micro_shootdown(void)
{
	return micro("shootdown", MICRO_SHOOTDOWN, scaled(50));
}

/* A tenth of the megabytes in its name, unless size= says more; all of them with size=10. */
static const char *micro_fork(const char *name, ulong megabytes)
{
	ulong times = options.size < 10 ? options.size : 10,
	      pages = megabytes * 256 * times / 10;
	u64 room = bootinfo_ram_total() / PAGE_SIZE;

	/* The frames in use, the tables of both spaces, and what the kernel has. */
	if (frames_used() + pages + pages / 64 + 4096 > room)
		return skip("too little RAM");
	note("%s: %lu pages", name, pages);
	return micro(name, MICRO_FORK, pages);
}

const char *micro_fork_4(void)
{
	return micro_fork("fork-4M", 4);
}

const char *micro_fork_40(void)
{
	return micro_fork("fork-40M", 40);
}

const char *micro_fork_400(void)
{
	return micro_fork("fork-400M", 400);
}
