/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios whose work is done in ring 3: each runs one program of user/. Sizes are chosen
 * small: under a deprivileging monitor a fault costs some 50 us. */
#include "scenarios/scenarios.h"

const char *run_program(u32 program, ulong arg)
{
	struct exit_info info;
	u32 pid = process_spawn(program, arg);

	do {
		CHECK(process_wait(&info), "the process is lost");
	} while (info.pid != pid); /* orphans end here, too */
	CHECK(!info.killed, "killed by vector %lu error 0x%lx", info.vector, info.error);
	CHECK(!info.code, "the program's line %lu", info.code);
	return NULL;
}

const char *demand_paging(void)
{
	return run_program(USER_DEMAND, 200);
}

const char *cow_fork(void)
{
	return run_program(USER_COW, 4);
}

const char *fork_tree(void)
{
	return run_program(USER_FORK_TREE, 5);
}

const char *fork_storm(void)
{
	return run_program(USER_FORK_STORM, 200);
}

const char *timer_preempt(void)
{
	return run_program(USER_PREEMPT, 0);
}

const char *sched_many(void)
{
	return run_program(USER_SCHED_MANY, 40);
}

const char *mprotect_seen(void)
{
	return run_program(USER_MPROTECT, 10);
}

const char *mmap_churn(void)
{
	return run_program(USER_MMAP_CHURN, 300);
}

const char *brk_heap(void)
{
	return run_program(USER_BRK, 20);
}

const char *mremap_moves(void)
{
	return run_program(USER_MREMAP, 60);
}

const char *mremap_fail(void)
{
	const char *why = run_program(USER_MREMAP_FAIL, 0);

	frame_fail_after(0);
	return why;
}

const char *smp_mremap(void)
{
	return run_program(USER_SMP_MREMAP, 8);
}

const char *walk_yield(void)
{
	return run_program(USER_WALK, 10);
}

/* Tables come and go; after the first few, those come that went. */
const char *quicklists(void)
{
	ulong hits = quicklist_hits;
	const char *why = run_program(USER_TABLES, 100);

	hits = quicklist_hits - hits;
	CHECK(why || hits >= 90, "%lu tables came back of 100", hits);
	return why;
}

const char *smp_fork(void)
{
	return run_program(USER_SMP_FORK, 6);
}

const char *smp_atomic(void)
{
	return run_program(USER_SMP_ATOMIC, 50000);
}

const char *smp_threads(void)
{
	return run_program(USER_SMP_THREADS, 8);
}

const char *smp_mprotect(void)
{
	return run_program(USER_SMP_MPROTECT, 8);
}

const char *syscalls(void)
{
	const char *why = run_program(USER_ARGUMENTS, 7);

	return why ? why : run_program(USER_NULL_CALLS, 1000);
}

/* How each kind of fault has to end. An addr of 1 stands for: any. */
static const struct {
	const char *what;
	ulong vector, error, addr;
} expected[FAULT_COUNT] = {
	[FAULT_NULL_READ] = {"null read", 14, 0x4, 8},
	[FAULT_NULL_WRITE] = {"null write", 14, 0x6, 8},
	[FAULT_WRITE_RO] = {"write to text", 14, 0x7, USER_IMAGE},
	[FAULT_EXEC_NX] = {"fetch from data", 14, 0x15, 1},
	[FAULT_KERNEL_READ] = {"kernel read", 14, 0x5, KBASE + 0x100000},
	[FAULT_KERNEL_WRITE] = {"kernel write", 14, 0x7, KBASE + 0x100000},
	[FAULT_KERNEL_EXEC] = {"kernel fetch", 14, PTE_NX ? 0x15 : 0x5, KBASE + 0x100000},
	[FAULT_PRIVILEGED] = {"privileged instruction", 13, 0, 0},
	[FAULT_UD] = {"undefined instruction", 6, 0, 0},
	[FAULT_NONCANONICAL] = {"#GP read", 13, 0, 0},
};

const char *user_fault(void)
{
	for (ulong kind = 0; kind < FAULT_COUNT; kind++) {
		const char *what = expected[kind].what;
		struct exit_info i;

		if (kind == FAULT_EXEC_NX && !PTE_NX)
			continue;
		process_spawn(USER_FAULT, kind);
		CHECK(process_wait(&i), "the process is lost");
		CHECK(i.killed, "%s: not killed, line %lu", what, i.code);
		CHECK(i.vector == expected[kind].vector, "%s: vector %lu", what, i.vector);
		CHECK(i.error == expected[kind].error, "%s: error code 0x%lx", what, i.error);
		CHECK(expected[kind].addr == 1 || i.addr == expected[kind].addr,
		      "%s: wrong CR2", what);
	}
	return run_program(USER_EXIT, 0);
}
