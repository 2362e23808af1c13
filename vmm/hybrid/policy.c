/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When to interpret on. Read first: hybrid.h.
 */
#include "vmm/hybrid/hybrid.h"

#define MOST	    2000u
#define TRAP_WEIGHT 6u
#define INSN_NS_MIN 20u
#define INSN_NS_MAX 4000u

unsigned hybrid_most(const struct hybrid *h)
{
	unsigned n = h->exit_ns / (h->insn_ns ? h->insn_ns : 1);

	return n > MOST ? MOST : n;
}

static unsigned limit_at(struct hybrid *h, uint64_t rip, bool eager)
{
	if (h->budget != HYBRID_AUTO)
		return h->budget;
	return learn_limit(&h->learn, rip, hybrid_most(h), eager);
}

void hybrid_begin(struct hybrid *h, uint64_t rip, bool eager)
{
	h->from = rip;
	h->cheap = 0;
	h->limit = limit_at(h, rip, eager);
	/* The instruction that faulted is done here, so that its page is known to be there. */
	for (unsigned i = 0; i < h->faults && h->budget == HYBRID_AUTO && !h->limit; i++)
		h->limit = h->fault[i].rip == rip && hybrid_most(h) > 1;
	h->on = h->limit > 0;
	if (h->on)
		h->n.stretches++;
	else
		h->n.declined++;
}

static void learned(struct hybrid *h, bool hit)
{
	if (h->budget == HYBRID_AUTO)
		learn_result(&h->learn, h->from, hybrid_most(h), h->cheap, hit);
}

void hybrid_ran(struct hybrid *h, uint64_t next, unsigned cost, bool would_exit)
{
	h->n.ahead++;
	if (would_exit) {
		h->n.saved++;
		learned(h, true);
		hybrid_begin(h, next, true);
		return;
	}
	h->cheap += cost;
	if (h->budget == HYBRID_FOREVER || h->cheap < h->limit)
		return;
	learned(h, false);
	h->on = false;
}

void hybrid_stop(struct hybrid *h)
{
	h->on = false;
}

uint64_t hybrid_weighed(const struct hybrid *h)
{
	return h->n.ahead + (TRAP_WEIGHT - 1) * h->n.saved;
}

/* A sample much longer than usual was interrupted by the host. */
void hybrid_timed(struct hybrid *h, uint64_t ns, uint64_t insns)
{
	uint64_t each = insns ? ns / insns : 0;

	if (!insns || each > 4ull * h->insn_ns)
		return;
	each = (h->insn_ns * 15ull + each) / 16;
	h->insn_ns = each < INSN_NS_MIN	  ? INSN_NS_MIN
		     : each > INSN_NS_MAX ? INSN_NS_MAX
					  : (uint32_t)each;
}
