/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When to interpret on. Read first: hybrid.h.
 */
#include "vmm/hybrid/hybrid.h"

#define MOST	    40000u
#define STACK_DEPTH 0xff8u
#define STACK_SHIFT 45u
#define WHY_SHIFT   32u
#define INSN_PS_MIN 500u
#define INSN_PS_MAX 1000000u

/* The hardware is spared what is interpreted, too; it takes about a quarter of the time for it. */
unsigned hybrid_most(const struct hybrid *h)
{
	uint64_t n = h->exit_ns * 1000ull / (h->insn_ps ? h->insn_ps : 1) * 4 / 3;

	return n > MOST ? MOST : (unsigned)n;
}

/* Of what was gained a quarter may be spent on exits that are saved at up to twice what they cost by the
 * clock: the probe knows nothing of the caches, the host's other guests and the interrupts that an exit
 * meets. So the whole never takes longer than the exits would have, whatever the guest does. */
#define SPENT	   4
#define CREDIT_MAX 256

static unsigned value(const struct hybrid *h)
{
	return hybrid_most(h) << (h->credit > 0);
}

static void credit(struct hybrid *h, bool hit)
{
	const int64_t most = hybrid_most(h), end = most * CREDIT_MAX,
		      gain = (hit ? most : 0) - (int64_t)h->cheap;

	h->credit += gain > 0 ? gain / SPENT : gain;
	h->credit = h->credit > end ? end : h->credit < -end ? -end : h->credit;
}

static unsigned limit_at(struct hybrid *h, uint64_t place, bool eager)
{
	if (h->budget != HYBRID_AUTO)
		return h->budget;
	return learn_limit(&h->learn, place, value(h), eager);
}

/* The depth of the stack says who called: many an instruction that exits stands in a helper of its own. And
 * what a kernel was entered for says what it will do. A guess whose code it is will do. */
static uint64_t place_of(const struct hybrid *h, uint64_t rip, uint64_t rsp)
{
	const uint64_t why = rip >> 63 ? h->entered_for : 0;

	return rip ^ (rsp & STACK_DEPTH) << STACK_SHIFT ^ why << WHY_SHIFT;
}

void hybrid_begin(struct hybrid *h, uint64_t rip, uint64_t rsp, bool eager)
{
	h->from = place_of(h, rip, rsp);
	h->cheap = 0;
	h->limit = limit_at(h, h->from, eager);
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
	if (h->budget != HYBRID_AUTO)
		return;
	learn_result(&h->learn, h->from, value(h), h->cheap, hit);
	credit(h, hit);
}

unsigned hybrid_room(const struct hybrid *h, unsigned most)
{
	unsigned left = h->limit - h->cheap;

	return h->budget == HYBRID_FOREVER || left > most ? most : left;
}

void hybrid_ran(struct hybrid *h, unsigned insns, unsigned cost)
{
	h->n.ahead += insns;
	h->cheap += cost;
	if (h->budget == HYBRID_FOREVER || h->cheap < h->limit)
		return;
	learned(h, false);
	h->on = false;
}

void hybrid_saved(struct hybrid *h, uint64_t rip, uint64_t rsp)
{
	h->n.ahead++;
	h->n.saved++;
	learned(h, true);
	hybrid_begin(h, rip, rsp, true);
}

void hybrid_stop(struct hybrid *h)
{
	h->on = false;
}

/* A sample much longer than usual was interrupted by the host. What other work on the host adds is not
 * in exit_ns either, which is the median of a quiet moment: so the estimate goes down sooner than up. */
void hybrid_timed(struct hybrid *h, uint64_t ns, uint64_t insns)
{
	uint64_t each = insns ? ns * 1000 / insns : 0;

	if (!insns || each > 4ull * h->insn_ps)
		return;
	each = each < h->insn_ps ? (h->insn_ps * 7ull + each) / 8
				 : (h->insn_ps * 63ull + each) / 64;
	h->insn_ps = each < INSN_PS_MIN	  ? INSN_PS_MIN
		     : each > INSN_PS_MAX ? INSN_PS_MAX
					  : (uint32_t)each;
}
