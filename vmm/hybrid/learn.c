/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of what was learned. Read first: learn.h.
 */
#include "vmm/hybrid/learn.h"

#define SCALE  16
#define WEIGHT 4  /* a result moves the mean by 1/WEIGHT of its distance */
#define SLACK  8u /* beyond what hits took so far */

static struct learn_slot *slot_of(struct learn *l, uint64_t rip)
{
	return &l->slot[(rip ^ rip >> 12 ^ rip >> 24) % LEARN_SLOTS];
}

unsigned learn_limit(struct learn *l, uint64_t rip, unsigned most, bool eager)
{
	struct learn_slot *s = slot_of(l, rip);
	unsigned limit;

	if (!s->known || s->rip != rip)
		return eager ? most : 0;
	if (s->worth <= 0) {
		if (++s->declined < LEARN_RETRY)
			return 0;
		s->declined = 0;
	}
	limit = s->reach * 2u + SLACK;
	return limit < most ? limit : most;
}

static uint16_t saturated(unsigned n)
{
	return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}

void learn_result(struct learn *l, uint64_t rip, unsigned most, unsigned cheap, bool hit)
{
	struct learn_slot *s = slot_of(l, rip);
	int32_t worth = ((hit ? (int32_t)most : 0) - (int32_t)cheap) * SCALE;

	if (!s->known || s->rip != rip) {
		*s = (struct learn_slot){.rip = rip, .known = true, .worth = worth};
		s->reach = saturated(hit ? cheap : most);
		return;
	}
	s->worth += (worth - s->worth) / WEIGHT;
	if (!hit) /* what it waits for may be a little further on */
		s->reach = saturated(s->reach + s->reach / 2u + 1);
	else if (cheap > s->reach)
		s->reach = saturated(cheap);
	else
		s->reach -= (uint16_t)((s->reach - cheap) / 8);
}
