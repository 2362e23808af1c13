/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Per kind of exit: how many, and the monitor's own time, from the return of the engine to its
 * next entry, as a histogram fine enough for a median.
 *
 * Written by the vCPU's thread, summed when it has ended (or read racily by statistics).
 */
#ifndef UMBRA_EXITSTAT_H
#define UMBRA_EXITSTAT_H

#include <stdint.h>

enum exit_class {
	XC_HIDDEN_FAULT,
	XC_TRUE_FAULT,
	XC_TRACKED_WRITE,
	XC_SPURIOUS_FAULT,
	XC_MMIO,
	XC_PORT_IO,
	XC_PRIVILEGED, /* an instruction that trapped and was emulated */
	XC_SYSCALL,
	XC_EXCEPTION, /* passed on to the guest as it came */
	XC_HALT,
	XC_KICK,
	XC_INTERPRETED, /* code the engine can't run: real mode, 32-bit */
	XC_CLASSES
};

#define XS_BUCKETS 256 /* of 50 ns up to 6.4 us, then doubling */

struct exit_stats {
	uint64_t count[XC_CLASSES];
	uint64_t total_ns[XC_CLASSES];
	uint64_t max_ns[XC_CLASSES];
	uint32_t hist[XC_CLASSES][XS_BUCKETS];
	uint64_t insns_interpreted;
	/* The stretch being timed. */
	uint64_t left_at;
	enum exit_class kind;
};

extern const char *const exit_class_names[XC_CLASSES];

/* The engine returned / will be entered now. */
void exit_stats_left(struct exit_stats *s);
void exit_stats_enter(struct exit_stats *s);
void exit_stats_add(struct exit_stats *sum, const struct exit_stats *s);
/* Upper edge of the bucket that holds the median, in ns; 0 if nothing was counted. */
uint64_t exit_stats_median(const struct exit_stats *s, enum exit_class c);

#endif
