/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal: by which addresses, from which roots, the hardware gets to an entry: the links between
 * tables followed upwards. Read first: page.h.
 */
#ifndef UMBRA_SHADOW_WAYS_H
#define UMBRA_SHADOW_WAYS_H

#include "shadow/page.h"

/* More than so many are not told one by one. */
#define SH_WAYS_MAX 256u

/* Calls fn for each way to entry index of p. False: too many ways, some were left out. mmu->lock
 * held. */
bool sh_ways(struct sh_mmu *mmu, const struct sh_page *p, unsigned index,
	     void (*fn)(void *ctx, gva_t gva, uint64_t root), void *ctx);

#endif
