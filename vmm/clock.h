/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's monotonic clock in nanoseconds. Read first: nothing.
 */
#ifndef UMBRA_CLOCK_H
#define UMBRA_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
