/* SPDX-License-Identifier: BSD-2-Clause */
/* DEBUG_PAGEALLOC: who uses a free frame faults on it, and nothing else changes. */
#include "kernel/rcu.h"
#include "scenarios/scenarios.h"
#include "mm/attr.h"

#define FRAMES 64

static const char *check_freed(ulong pa)
{
	ulong va = KBASE + pa + 8, v;
	struct fault f;

	CHECK(!probe_read(va, &v, &f) && f.error == 0 && f.addr == va, "a free frame was read");
	CHECK(!probe_write(va, 1, &f) && f.error == 2 && f.addr == va,
	      "a free frame was written");
	return NULL;
}

static const char *use_and_free(void)
{
	ulong frame[FRAMES];
	const char *why = NULL;

	for (ulong round = 0; round < 4; round++) {
		for (ulong i = 0; i < FRAMES; i++) {
			frame[i] = frame_alloc();
			*(ulong *)phys(frame[i]) = i;
		}
		for (ulong i = 0; i < FRAMES; i++)
			CHECK(*(ulong *)phys(frame[i]) == i, "frame %lu changed", i);
		for (ulong i = 0; i < FRAMES; i++)
			frame_put(frame[i]);
		for (ulong i = 0; i < FRAMES && !why; i++)
			why = check_freed(frame[i]);
		if (why)
			return why;
	}
	return run_program(USER_FORK_STORM, 20);
}

/* Split on demand, unless the command line has switched it on for the whole run. */
const char *pagealloc(void)
{
	bool always = pagealloc_on;
	struct attr_stats s = attr_stats;
	const char *why;

	if (!always)
		CHECK(pagealloc_start(), "no memory for the pool");
	why = use_and_free();
	process_reap_all();
	rcu_barrier();
	smp_quiesce();
	if (!always)
		pagealloc_stop();
	if (why)
		return why;
	CHECK(options.pagealloc != PAGEALLOC_4K || attr_stats.splits == s.splits,
	      "%lu splits of small pages", attr_stats.splits - s.splits);
	CHECK(always || attr_stats.splits - s.splits == attr_stats.collapses - s.collapses,
	      "%lu splits, %lu collapses", attr_stats.splits - s.splits,
	      attr_stats.collapses - s.collapses);
	return NULL;
}
