/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Points that fail or stall on demand. Read first: inject.h.
 */
#include <string.h>
#include <time.h>

#include "shadow/inject.h"
#include "shadow/maywait.h"

const char *const sh_inject_names[SH_INJECTS] = {
	[SH_INJECT_BATCH] = "gather-batch", [SH_INJECT_DEFER] = "defer",
	[SH_INJECT_GRACE] = "grace-period", [SH_INJECT_SHOOT] = "shootdown",
	[SH_INJECT_MAP_PAGE] = "map-page",  [SH_INJECT_TABLE] = "shadow-table",
	[SH_INJECT_RECORD] = "record",	    [SH_INJECT_SPLIT] = "split-table",
	[SH_INJECT_WINDOW] = "window",	    [SH_INJECT_POOL] = "pool-window",
	[SH_INJECT_POOL_MAP] = "pool-map",  [SH_INJECT_THREAD] = "thread-windows",
	[SH_INJECT_DMAP] = "direct-map",    [SH_INJECT_TRACE] = "trace",
	[SH_INJECT_ANSWER] = "answer",	    [SH_INJECT_KICK] = "kick",
};

int sh_inject_find(const char *name)
{
	for (int i = 0; i < SH_INJECTS; i++)
		if (!strcmp(sh_inject_names[i], name))
			return i;
	return -1;
}

void sh_inject_arm(struct sh_inject *in, enum sh_inject_point p, uint32_t pass, uint32_t fail,
		   uint32_t stall_ms)
{
	atomic_store(&in->at[p].fail, 0);
	atomic_store(&in->at[p].pass, pass);
	atomic_store(&in->at[p].stall_ms, stall_ms);
	atomic_store(&in->at[p].fail, fail);
}

static void stall(uint32_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	if (!ms)
		return;
	sh_may_wait();
	nanosleep(&t, NULL);
}

/* Takes one from a count that has some left. */
static bool take(_Atomic uint32_t *n)
{
	uint32_t left = atomic_load_explicit(n, memory_order_relaxed);

	while (left && left != SH_INJECT_ALWAYS)
		if (atomic_compare_exchange_weak(n, &left, left - 1))
			return true;
	return left;
}

bool sh_inject(struct sh_inject *in, enum sh_inject_point p)
{
	stall(atomic_load_explicit(&in->at[p].stall_ms, memory_order_relaxed));
	if (!atomic_load_explicit(&in->at[p].fail, memory_order_relaxed) ||
	    take(&in->at[p].pass) || !take(&in->at[p].fail))
		return false;
	atomic_fetch_add_explicit(&in->at[p].hits, 1, memory_order_relaxed);
	return true;
}

void sh_inject_look(const struct sh_inject *in, enum sh_inject_point p,
		    struct sh_inject_state *out)
{
	*out = (struct sh_inject_state){.pass = atomic_load(&in->at[p].pass),
					.fail = atomic_load(&in->at[p].fail),
					.stall_ms = atomic_load(&in->at[p].stall_ms),
					.hits = atomic_load(&in->at[p].hits)};
}
