/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Exit statistics. Read first: exitstat.h.
 */
#include <time.h>

#include "vmm/clock.h"
#include "vmm/exitstat.h"

#define STEP_NS 50u
#define LINEAR	128u	      /* buckets of STEP_NS each */
#define LAST	(LINEAR + 50) /* takes all the rest: its upper edge is the last below 2^64 */

const char *const exit_class_names[XC_CLASSES] = {
	[XC_HIDDEN_FAULT] = "hidden_fault",
	[XC_TRUE_FAULT] = "true_fault",
	[XC_TRACKED_WRITE] = "tracked_write",
	[XC_SPURIOUS_FAULT] = "spurious_fault",
	[XC_MMIO] = "mmio",
	[XC_PORT_IO] = "port_io",
	[XC_PRIVILEGED] = "privileged",
	[XC_SYSCALL] = "syscall",
	[XC_EXCEPTION] = "exception",
	[XC_HALT] = "halt",
	[XC_KICK] = "kick",
	[XC_INTERPRETED] = "interpreted",
};

static unsigned bucket(uint64_t ns)
{
	unsigned b = LINEAR;

	if (ns < LINEAR * STEP_NS)
		return (unsigned)(ns / STEP_NS);
	for (uint64_t edge = 2ull * LINEAR * STEP_NS; b < LAST && ns >= edge; edge *= 2)
		b++;
	return b;
}

static uint64_t upper_edge(unsigned b)
{
	if (b < LINEAR)
		return (b + 1ull) * STEP_NS;
	return (2ull * LINEAR * STEP_NS) << (b - LINEAR);
}

void exit_stats_left(struct exit_stats *s)
{
	s->left_at = clock_ns();
	s->kind = XC_KICK;
}

void exit_stats_enter(struct exit_stats *s)
{
	uint64_t ns;

	if (!s->left_at)
		return;
	ns = clock_ns() - s->left_at;
	s->left_at = 0;
	s->count[s->kind]++;
	s->total_ns[s->kind] += ns;
	if (ns > s->max_ns[s->kind])
		s->max_ns[s->kind] = ns;
	s->hist[s->kind][bucket(ns)]++;
}

void exit_stats_add(struct exit_stats *sum, const struct exit_stats *s)
{
	for (unsigned c = 0; c < XC_CLASSES; c++) {
		sum->count[c] += s->count[c];
		sum->total_ns[c] += s->total_ns[c];
		if (s->max_ns[c] > sum->max_ns[c])
			sum->max_ns[c] = s->max_ns[c];
		for (unsigned b = 0; b < XS_BUCKETS; b++)
			sum->hist[c][b] += s->hist[c][b];
	}
	sum->insns_interpreted += s->insns_interpreted;
}

uint64_t exit_stats_median(const struct exit_stats *s, enum exit_class c)
{
	uint64_t seen = 0;

	for (unsigned b = 0; b < XS_BUCKETS; b++) {
		seen += s->hist[c][b];
		if (seen && seen * 2 >= s->count[c])
			return upper_edge(b);
	}
	return 0;
}
