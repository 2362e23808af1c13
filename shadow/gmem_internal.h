/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shared by gmem.c, window.c and gmem_atomic.c only. Read first: gmem.h.
 */
#ifndef UMBRA_SHADOW_GMEM_INTERNAL_H
#define UMBRA_SHADOW_GMEM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "shadow/gmem.h"

struct window_thread;

struct gmem {
	int fd;
	uint64_t size, lowmem;
	struct gmem_region region[GMEM_MAX_REGIONS];
	unsigned regions;

	uint8_t *low;            /* lowmem bytes of the memfd from offset 0, or NULL */
	pthread_key_t slots_key; /* struct window_thread of the calling thread */
	bool have_key;
	_Atomic uint64_t maps_slot, slot_misses, exhausted, lifo_errors;
};

/* Offset in the memfd of the frame; false if there is no RAM. */
bool gmem_offset(const struct gmem *gm, gfn_t gfn, uint64_t *offset);
int gmem_windows_init(struct gmem *gm);
void gmem_windows_fini(struct gmem *gm);

#endif
