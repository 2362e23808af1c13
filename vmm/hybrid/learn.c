/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of what was learned. Read first: learn.h.
 */
#include "vmm/hybrid/learn.h"

#define SCALE  16
#define WEIGHT 4  /* a result moves the mean by 1/WEIGHT of its distance */
#define SLACK  8u /* beyond what hits took so far */

/* Times what an exit costs: how long a hit is waited for that pays on average, or may turn out to. */
#define FAR	  2u
#define TRIAL_FAR 2u
#define TRIALS	  4u

/* A far hit is remembered over so many near ones: a helper's many callers come out by turns. */
#define FADE 64u

static struct learn_slot *slot_of(struct learn *l, uint64_t place)
{
	return &l->slot[(place ^ place >> 12 ^ place >> 24 ^ place >> 32 ^ place >> 48) %
			LEARN_SLOTS];
}

/* How long it may be waited for. */
static unsigned reach(const struct learn_slot *s, unsigned most)
{
	unsigned limit = s->reach * 2u + SLACK, cap = most * (s->trial ? TRIAL_FAR : FAR);

	return limit < cap ? limit : cap;
}

unsigned learn_limit(struct learn *l, uint64_t place, unsigned most, bool eager)
{
	struct learn_slot *s = slot_of(l, place);

	if (!s->known || s->place != place)
		return eager ? most : 0;
	if (!s->trial && s->worth <= 0) {
		if (++s->declined < s->wait)
			return 0;
		s->declined = 0;
		s->trial = TRIALS;
	}
	return reach(s, most);
}

static uint8_t later(uint8_t wait)
{
	return wait * 4u < LEARN_RETRY ? (uint8_t)(wait * 4u) : LEARN_RETRY;
}

/* The mean of a trial, which ends early where there is no hope; then a running one. */
static void take(struct learn_slot *s, unsigned most, int32_t worth)
{
	if (!s->trial) {
		s->worth += (worth - s->worth) / WEIGHT;
		return;
	}
	if (s->trial == TRIALS)
		s->worth = 0;
	s->worth += (worth - s->worth) / (int32_t)(TRIALS - s->trial + 1);
	s->trial--;
	if (s->trial < TRIALS - 1 && s->worth < -(int32_t)most * SCALE / 2)
		s->trial = 0;
	if (!s->trial)
		s->wait = s->worth > 0 ? LEARN_SOON : later(s->wait);
}

void learn_result(struct learn *l, uint64_t place, unsigned most, unsigned cheap, bool hit)
{
	struct learn_slot *s = slot_of(l, place);

	if (!s->known || s->place != place)
		*s = (struct learn_slot){
			.place = place, .known = true, .trial = TRIALS, .wait = LEARN_SOON / 4};
	take(s, most, ((hit ? (int32_t)most : 0) - (int32_t)cheap) * SCALE);
	if (!hit) /* what it waits for may be further on: mostly near and sometimes far is common */
		s->reach = cheap < most ? most : cheap < FAR * most ? cheap : cheap / 2;
	else if (cheap > s->reach)
		s->reach = cheap;
	else
		s->reach -= (s->reach - cheap) / FADE;
}
