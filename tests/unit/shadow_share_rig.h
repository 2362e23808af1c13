/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Two roots that have tables in common, for the suites of shared tables. Read first: shadow_fixture.h,
 * shadow/share.h.
 */
#ifndef UMBRA_TESTS_SHADOW_SHARE_RIG_H
#define UMBRA_TESTS_SHADOW_SHARE_RIG_H

#include "shadow/page.h"
#include "shadow/share.h"
#include "tests/unit/shadow_fixture.h"

#define PAGES 512u /* that the shared last-level table maps */

/* Frames of root B's own path, where it has one. */
enum { OWN_PDPT = 20, OWN_PD = 21 };

/* Grace periods waited for so far, by anybody. */
extern _Atomic unsigned sr_grace_periods;
/* Of those, by the calling thread. */
unsigned sr_waited_here(void);
/* fn runs before this thread's nth next mutex is taken. */
void sr_hook_mutex(unsigned nth, void (*fn)(void *ctx), void *ctx);

/* Root A is vCPU 0's, root B vCPU 1's. They have the table of this level in common, and all below. */
void sr_start(struct fake *f, unsigned level);
void sr_touch_all(struct fake *f, unsigned vcpu);
/* All pages touched through both. */
void sr_start_touched(struct fake *f, unsigned level);

/* The root a vCPU is on, as a client of the library would find it. */
struct sh_root_info sr_root_of(struct fake *f, unsigned vcpu);
struct sh_zap sr_zap_root(struct fake *f, unsigned vcpu);
struct sh_zap sr_zap_pages(struct fake *f, unsigned vcpu, uint64_t first, uint64_t last);

/* The words of the last-level table that the root's page 0 goes through; NULL if there is none. */
const uint64_t *sr_table_of(struct fake *f, unsigned vcpu);
/* Pages the root has translations of. */
unsigned sr_mapped(struct fake *f, unsigned vcpu);
struct sh_page *sr_page_at(struct fake *f, unsigned vcpu, unsigned level);
uint64_t sr_tables_used(struct fake *f);
uint64_t sr_leaves(struct fake *f);

#endif
