/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios for tests/bench/hybrid_bench.sh: each is one thing over and over. Not in the suite. */
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
	return run_program(USER_FORK_STORM, 400);
}

const char *bench_mmap(void)
{
	return run_program(USER_MMAP_CHURN, 600);
}

const char *bench_syscall(void)
{
	return run_program(USER_NULL_CALLS, 20000);
}

const char *bench_switch(void)
{
	return run_program(USER_SCHED_MANY, 60);
}
