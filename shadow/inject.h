/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Trouble on demand: named points of the library, and of an engine around it, that can be made to fail
 * or to stall, from tests and by whoever steers a machine. Always compiled in: an unarmed point is two
 * relaxed loads.
 *
 * Locks: none; a point is armed and taken atomically, from any thread. Read first: nothing.
 */
#ifndef UMBRA_SHADOW_INJECT_H
#define UMBRA_SHADOW_INJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum sh_inject_point {
	SH_INJECT_BATCH,    /* memory for more frames in a gather */
	SH_INJECT_DEFER,    /* handing tables to the deferral */
	SH_INJECT_GRACE,    /* the deferral's wait for readers */
	SH_INJECT_SHOOT,    /* kicks, before they are sent */
	SH_INJECT_MAP_PAGE, /* one page of a range that is being mapped */
	SH_INJECT_TABLE,    /* making tables of the pool available */
	SH_INJECT_RECORD,   /* records for reverse maps and parents */
	SH_INJECT_SPLIT,    /* a table to split a page of the direct map */
	SH_INJECT_WINDOW,   /* the host's mapping for an atomic window; fails only */
	SH_INJECT_POOL,	    /* a persistent window; to fail is to have waited in vain */
	SH_INJECT_POOL_MAP, /* the host's mapping or unmapping for one */
	SH_INJECT_THREAD,   /* the slots of a thread that opens its first window */
	SH_INJECT_DMAP,	    /* making the direct map */
	SH_INJECT_TRACE,    /* the trace's rings */
	SH_INJECT_ANSWER,   /* a vCPU's answer to a shootdown; stalls only */
	SH_INJECT_KICK, /* the engine's: making a vCPU leave the guest; to fail is to be lost */
	SH_INJECTS
};

#define SH_INJECT_ALWAYS UINT32_MAX

struct sh_inject {
	struct {
		_Atomic uint32_t pass, fail; /* calls that still succeed; that then fail */
		_Atomic uint32_t stall_ms;
		_Atomic uint64_t hits;
	} at[SH_INJECTS];
};

extern const char *const sh_inject_names[SH_INJECTS];

/* After pass more calls, fail of them fail (SH_INJECT_ALWAYS: all); each call first waits stall_ms. */
void sh_inject_arm(struct sh_inject *in, enum sh_inject_point p, uint32_t pass, uint32_t fail,
		   uint32_t stall_ms);
/* Point by name, -1 if there is none. */
int sh_inject_find(const char *name);
/* How a point is armed now, and how often it has failed. */
struct sh_inject_state {
	uint32_t pass, fail, stall_ms;
	uint64_t hits;
};
void sh_inject_look(const struct sh_inject *in, enum sh_inject_point p,
		    struct sh_inject_state *out);
/* Whether this call is to fail. May wait. */
bool sh_inject(struct sh_inject *in, enum sh_inject_point p);

struct sh_mmu;
struct sh_inject *sh_mmu_inject(struct sh_mmu *mmu);

#endif
