/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios about what processes do to each other: exec, pipes, signals, sleep, storms. The work
 * is done in ring 3; sizes are small, and the storms' follow size= of the command line. */
#include "scenarios/scenarios.h"

ulong scaled(ulong n)
{
	return n * options.size;
}

const char *exec_named(void)
{
	return run_program(USER_EXEC, 0);
}

const char *exec_storm(void)
{
	return run_program(USER_EXEC_STORM, scaled(12));
}

const char *madvise_dontneed(void)
{
	return run_program(USER_MADVISE, 16);
}

const char *brk_shrink(void)
{
	return run_program(USER_BRK_SHRINK, 8);
}

const char *pipe_bytes(void)
{
	return run_program(USER_PIPE, scaled(10));
}

const char *pipe_end(void)
{
	return run_program(USER_PIPE_END, 0);
}

const char *pipeline(void)
{
	return run_program(USER_PIPELINE, scaled(5) * 1000);
}

const char *smp_pipe(void)
{
	return run_program(USER_SMP_PIPE, scaled(10));
}

const char *signal_faults(void)
{
	return run_program(USER_SIGNAL_FAULT, 20);
}

const char *signal_nested(void)
{
	return run_program(USER_SIGNAL_NESTED, 4);
}

const char *signal_bad_stack(void)
{
	return run_program(USER_SIGNAL_BAD, 0);
}

const char *signal_registers(void)
{
	return run_program(USER_SIGNAL_REGISTERS, 5);
}

const char *kill_any(void)
{
	return run_program(USER_KILL, scaled(2));
}

const char *sleep_ticks(void)
{
	return run_program(USER_SLEEP, 4);
}

const char *smp_migrate(void)
{
	return run_program(USER_ROAM, 0);
}

const char *mm_storm(void)
{
	return run_program(USER_MM_STORM, scaled(40));
}

const char *smp_storm(void)
{
	return run_program(USER_SMP_STORM, scaled(8));
}
