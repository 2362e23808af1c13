/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver's memory in processes: hazards VR of docs/hazards.md. */
#include "kernel/rcu.h"
#include "dev/dev.h"
#include "scenarios/pressure.h"
#include "scenarios/scenarios.h"

/* What a program does with the buffers leaves them with their one reference. */
static const char *close_buffers(const char *why)
{
	u32 bad;

	process_reap_all();
	rcu_barrier();
	smp_quiesce();
	bad = capture_close();
	CHECK(why || !bad, "%u buffers still have a user", bad);
	return why;
}

static const char *run_with_buffers(u32 program, ulong arg)
{
	CHECK(capture_open(), "no memory for the buffers");
	return close_buffers(run_program(program, arg));
}

const char *reserved_areas(void)
{
	return run_with_buffers(USER_RESERVED, 3);
}

const char *reserved_fork(void)
{
	const char *why = run_with_buffers(USER_RESERVED_FORK, 6);

	return why ? why : run_with_buffers(USER_RESERVED_FORK, 5);
}

const char *remap_fail(void)
{
	const char *why = run_with_buffers(USER_REMAP_FAIL, 5);

	frame_fail_after(0);
	return why;
}

static const char *capture_under_pressure(ulong slots)
{
	const char *why = run_under_pressure(USER_CAPTURE, 3, 45, slots, false);

	CHECK(why || swap_stats.out > 20, "only %lu pages were swapped", swap_stats.out);
	CHECK(why || reclaim_stats.reserved, "reclaim met no area of a driver's");
	CHECK(why || reclaim_stats.looked >= reclaim_stats.unmapped, "%lu pages looked at",
	      reclaim_stats.looked);
	return why;
}

const char *capture_reclaim(void)
{
	CHECK(capture_open(), "no memory for the buffers");
	return close_buffers(capture_under_pressure(256));
}

const char *capture_device(void)
{
	const char *why;

	if (!capture_present())
		return skip("no capture device");
	why = run_with_buffers(USER_CAPTURE_REGISTERS, 50);
	return why ? why : run_with_buffers(USER_CAPTURE, 6);
}

static const char *end_of(u32 program, ulong arg)
{
	struct exit_info info;

	process_spawn(program, arg);
	CHECK(process_wait(&info), "the process is lost");
	CHECK(info.killed && info.vector == KILLED_NO_MEMORY,
	      "it did not end for want of memory: line %lu, vector %lu", info.code,
	      info.vector);
	return NULL;
}

/* Without a slot of swap: all pages of the process's own have to stay, and the driver's do. */
const char *reserved_oom(void)
{
	const char *why, *end;

	CHECK(capture_open(), "no memory for the buffers");
	why = pressure_begin(60, 0, false);
	if (!why) {
		why = end_of(USER_RESERVED_OOM, 200);
		end = pressure_end();
		why = why ? why : end;
		CHECK(why || !swap_stats.out, "%lu pages went nowhere", swap_stats.out);
		CHECK(why || reclaim_stats.rounds <= 10, "the end took %lu rounds",
		      reclaim_stats.rounds);
		CHECK(why || capture_buffers.faults == CAPTURE_FRAMES,
		      "%lu faults on %u buffers", capture_buffers.faults, CAPTURE_FRAMES);
	}
	return close_buffers(why);
}
