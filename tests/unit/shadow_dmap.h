/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the direct map's suites share: a machine with one, and a reader of its tables that knows only
 * the manuals and the bits that dmap_internal.h lists as the library's own.
 * Read first: shadow_fixture.h, shadow/dmap.h.
 */
#ifndef UMBRA_TESTS_SHADOW_DMAP_H
#define UMBRA_TESTS_SHADOW_DMAP_H

#include "shadow/dmap.h"
#include "tests/unit/shadow_fixture.h"

#define M2   512ull
#define G1   (512ull * 512)
#define BIGM (1ull << 20)

/* size bytes of RAM, one vCPU; the caller may change cfg first. The map is made. */
void dmt_config(struct fake_config *cfg, uint64_t size);
void dmt_start(struct fake *f, const struct fake_config *cfg);

struct sh_dmap_stats dmt_stats(struct fake *f);
/* One change, which must succeed. */
void dmt_change(struct fake *f, uint64_t first, uint64_t frames, unsigned set, unsigned clear);
struct sh_dmap_page dmt_look(struct fake *f, uint64_t frame);
/* Registers without paging. */
struct sh_regs dmt_off(void);

/* The leaf of a frame by a walk of the tables in memory: its raw entry, level in *level. */
uint64_t dmt_raw(struct fake *f, uint64_t frame, unsigned *level);
/* Where that entry stands. */
uint64_t *dmt_slot(struct fake *f, uint64_t frame, unsigned *level);

/* Every frame accounted for: what PA-4 says, from the counters and, if deep, from the tables. */
void dmt_conserved(struct fake *f, bool deep);

#endif
