/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hybrid engine's policy: what is learned of addresses, and how long a stretch may be.
 */
#include <Zydis/Zydis.h>
#include <stdlib.h>

#include "tests/unit/machine_test.h"
#include "vmm/hybrid/hybrid.h"

#define RIP  0xffff800000401234ull
#define RSP  0xffff888000abcd00ull
#define MOST 100u
/* Far exits that all gains there can be pay for: CREDIT_MAX exits at half an exit each, and trials. */
#define CREDIT_SAVES 700u

static struct hybrid *make(uint32_t budget)
{
	struct hybrid *h = calloc(1, sizeof(*h));

	h->budget = budget;
	h->exit_ns = 20000;
	h->insn_ps = 200000 * 4 / 3; /* so an exit is worth 100 instructions */
	return h;
}

static void unknown_addresses(void)
{
	struct learn *l = calloc(1, sizeof(*l));

	CU_ASSERT_EQUAL(learn_limit(l, RIP, MOST, true), MOST);
	CU_ASSERT_EQUAL(learn_limit(l, RIP, MOST, false), 0);
	CU_ASSERT_EQUAL(learn_limit(l, 0, MOST, false), 0); /* as a free slot reads */
	CU_ASSERT_EQUAL(learn_limit(l, RIP, 0, true), 0);
	free(l);
}

static void hits_pay(void)
{
	struct learn *l = calloc(1, sizeof(*l));
	unsigned limit;

	learn_result(l, RIP, MOST, 5, true);
	limit = learn_limit(l, RIP, MOST, false);
	CU_ASSERT_TRUE(limit > 5);
	CU_ASSERT_TRUE(limit < MOST); /* it need not be waited for that long */
	/* Further on than it was: the limit follows. */
	for (unsigned i = 0; i < 20; i++) {
		limit = learn_limit(l, RIP, MOST, true);
		learn_result(l, RIP, MOST, limit < 60 ? limit : 60, limit >= 60);
		if (limit >= 60)
			break;
	}
	CU_ASSERT_TRUE(limit >= 60);
	free(l);
}

/* Bounded: what is lost to a place that never pays is a few tries in LEARN_RETRY exits. */
static void misses_do_not(void)
{
	struct learn *l = calloc(1, sizeof(*l));
	unsigned tried = 0, spent = 0;

	for (unsigned i = 0; i < 64 * LEARN_RETRY; i++) {
		unsigned limit = learn_limit(l, RIP, MOST, true);

		if (!limit)
			continue;
		tried++;
		spent += limit;
		learn_result(l, RIP, MOST, limit, false);
	}
	CU_ASSERT_TRUE(tried >= 60); /* but it is tried */
	CU_ASSERT_TRUE(tried <= 2 * 72);
	CU_ASSERT_TRUE(spent <= 4 * 72 * MOST); /* 1 exit in 60 */
	/* What changes its ways is taken up again. */
	for (unsigned i = 0; i < 2 * LEARN_RETRY; i++)
		if (learn_limit(l, RIP, MOST, true))
			learn_result(l, RIP, MOST, 2, true);
	CU_ASSERT_TRUE(learn_limit(l, RIP, MOST, false) > 0);
	free(l);
}

/* The far ones are beyond what an exit costs, and still both are worth it. */
static void near_and_far(void)
{
	struct learn *l = calloc(1, sizeof(*l));
	unsigned missed = 0;

	for (unsigned i = 0; i < 40; i++) {
		unsigned limit = learn_limit(l, RIP, MOST, true), at = i % 2 ? 120 : 10;

		if (limit < at)
			missed++;
		if (limit)
			learn_result(l, RIP, MOST, limit < at ? limit : at, limit >= at);
	}
	CU_ASSERT_TRUE(missed <= 2);
	free(l);
}

/* One helper does the instruction for all: the depth of the stack tells the callers apart. */
static void callers(void)
{
	struct hybrid *h = make(HYBRID_AUTO);

	for (unsigned i = 0; i < 20; i++) {
		hybrid_begin(h, RIP, RSP, true);
		if (h->on)
			hybrid_ran(h, h->limit, h->limit);
		hybrid_begin(h, RIP, RSP - 32, true);
		if (h->on)
			hybrid_saved(h, RIP + 1, RSP - 32);
	}
	hybrid_begin(h, RIP, RSP, true);
	CU_ASSERT_FALSE(h->on);
	hybrid_begin(h, RIP, RSP - 32, true);
	CU_ASSERT_TRUE(h->on);
	free(h);
}

/* One in four pays: 100 - n for it against n of three others. */
static void worth_is_a_mean(void)
{
	struct learn *near = calloc(1, sizeof(*near)), *far = calloc(1, sizeof(*far));
	unsigned near_on = 0, far_on = 0;

	for (unsigned i = 0; i < 400; i++) {
		learn_result(near, RIP, MOST, i % 4 ? 10 : 5, !(i % 4));
		learn_result(far, RIP, MOST, i % 4 ? 90 : 80, !(i % 4));
		near_on += learn_limit(near, RIP, MOST, true) > 0;
		far_on += learn_limit(far, RIP, MOST, true) > 0;
	}
	CU_ASSERT_TRUE(near_on > 300);
	CU_ASSERT_TRUE(far_on < 20);
	free(near);
	free(far);
}

/* Two addresses in one slot take turns and never see each other's. */
static void collisions(void)
{
	struct learn *l = calloc(1, sizeof(*l));
	uint64_t other = RIP;

	learn_result(l, RIP, MOST, MOST, false);
	for (uint64_t a = 1; a <= 4 * LEARN_SLOTS && other == RIP; a++) {
		learn_result(l, a, MOST, 1, true);
		if (learn_limit(l, RIP, MOST, true) == MOST)
			other = a;
	}
	CU_ASSERT_NOT_EQUAL(other, RIP);
	CU_ASSERT_TRUE(learn_limit(l, other, MOST, false) > 0);
	free(l);
}

static void fixed_budgets(void)
{
	struct hybrid *h = make(0);

	hybrid_begin(h, RIP, RSP, true);
	CU_ASSERT_FALSE(h->on);
	h->budget = 3;
	hybrid_begin(h, RIP, RSP, false);
	CU_ASSERT_TRUE(h->on);
	CU_ASSERT_EQUAL(hybrid_room(h, 100), 3);
	CU_ASSERT_EQUAL(hybrid_room(h, 2), 2);
	hybrid_ran(h, 1, 1);
	hybrid_ran(h, 1, 1);
	CU_ASSERT_TRUE(h->on);
	CU_ASSERT_EQUAL(hybrid_room(h, 100), 1);
	hybrid_saved(h, RIP + 3, RSP); /* begins anew */
	hybrid_ran(h, 2, 2);	       /* a block of two */
	CU_ASSERT_TRUE(h->on);
	hybrid_ran(h, 1, 1);
	CU_ASSERT_FALSE(h->on);
	CU_ASSERT_EQUAL(h->n.saved, 1);
	CU_ASSERT_EQUAL(h->n.ahead, 6);
	free(h);
}

static void for_ever(void)
{
	struct hybrid *h = make(HYBRID_FOREVER);

	hybrid_begin(h, RIP, RSP, false);
	for (unsigned i = 0; i < 100; i++)
		hybrid_ran(h, 1, 1u << 31); /* however much: cheap wraps */
	CU_ASSERT_EQUAL(hybrid_room(h, 77), 77);
	CU_ASSERT_TRUE(h->on);
	hybrid_stop(h);
	CU_ASSERT_FALSE(h->on);
	free(h);
}

static void the_budget_is_the_exit(void)
{
	struct hybrid *h = make(HYBRID_AUTO);

	CU_ASSERT_EQUAL(hybrid_most(h), 100);
	hybrid_begin(h, RIP, RSP, true);
	CU_ASSERT_EQUAL(h->limit, 100);
	h->exit_ns = 100; /* less than one instruction */
	hybrid_begin(h, RIP + 0x1000, RSP, true);
	CU_ASSERT_FALSE(h->on);
	free(h);
}

/* n times: an exit is saved after `cheap` instructions, if the policy waits so long. */
static unsigned saved_at(struct hybrid *h, uint64_t rip, unsigned cheap, unsigned n)
{
	unsigned saved = 0;

	for (unsigned i = 0; i < n; i++) {
		hybrid_begin(h, rip, RSP, true);
		if (!h->on)
			continue;
		hybrid_ran(h, cheap < h->limit ? cheap : h->limit, cheap);
		if (h->on) {
			saved++;
			hybrid_saved(h, RIP + 0x2000, RSP);
		}
	}
	return saved;
}

/* 150 instructions for an exit worth 100: only where others gained enough. */
static void gains_are_spent(void)
{
	struct hybrid *h = make(HYBRID_AUTO);
	unsigned before;

	CU_ASSERT_TRUE(saved_at(h, RIP, 150, 200) < 20);
	CU_ASSERT_TRUE(h->credit <= 0);
	free(h);
	h = make(HYBRID_AUTO);
	saved_at(h, RIP + 0x1000, 5, 2000);
	CU_ASSERT_TRUE(h->credit > 0);
	before = (unsigned)h->credit;
	CU_ASSERT_TRUE(saved_at(h, RIP, 150, 200) > 190);
	CU_ASSERT_TRUE(h->credit < before);
	/* And no more than that: then it is as it was in the beginning. */
	CU_ASSERT_TRUE(saved_at(h, RIP, 150, 2000) < CREDIT_SAVES);
	CU_ASSERT_TRUE(h->credit > -(int64_t)(40 * MOST));
	free(h);
}

/* A helper that many call: mostly near, far now and then, as by a caller that comes seldom. */
static void seldom_far(void)
{
	struct learn *l = calloc(1, sizeof(*l));
	unsigned missed = 0;

	for (unsigned i = 0; i < 300; i++) {
		unsigned limit = learn_limit(l, RIP, MOST, true), at = i % 12 ? 3 : 160;

		missed += limit < at;
		if (limit)
			learn_result(l, RIP, MOST, limit < at ? limit : at, limit >= at);
	}
	CU_ASSERT_TRUE(missed <= 3);
	free(l);
}

/* The instruction that faulted is interpreted when its handler is done, whatever was learned. */
static void the_faulting_instruction(void)
{
	struct hybrid *h = make(HYBRID_AUTO);

	h->fault[0].rip = RIP;
	h->faults = 1;
	hybrid_begin(h, RIP, RSP, false);
	CU_ASSERT_EQUAL(h->limit, 1);
	hybrid_begin(h, RIP + 8, RSP, false);
	CU_ASSERT_FALSE(h->on);
	free(h);
}

static void time_of_an_instruction(void)
{
	struct hybrid *h = make(HYBRID_AUTO);
	const uint32_t first = h->insn_ps;

	hybrid_timed(h, 1000000000, 10); /* the host did something else */
	CU_ASSERT_EQUAL(h->insn_ps, first);
	hybrid_timed(h, 100, 0);
	CU_ASSERT_EQUAL(h->insn_ps, first);
	for (unsigned i = 0; i < 200; i++)
		hybrid_timed(h, 100 * 50, 50);
	CU_ASSERT_TRUE(h->insn_ps >= 100000);
	CU_ASSERT_TRUE(h->insn_ps <= 101000);
	/* One sample that was in somebody's way moves it little, one that was not moves it more. */
	hybrid_timed(h, 300 * 50, 50);
	CU_ASSERT_TRUE(h->insn_ps < 105000);
	hybrid_timed(h, 20 * 50, 50);
	CU_ASSERT_TRUE(h->insn_ps < 95000);
	for (unsigned i = 0; i < 200; i++)
		hybrid_timed(h, 0, 50);
	CU_ASSERT_TRUE(h->insn_ps > 0);
	free(h);
}

static void what_traps(void)
{
	static const uint8_t mov_cr3[15] = {0x0f, 0x22, 0xd8}, mov[15] = {0x48, 0x89, 0xc8},
			     mov_r8_cr2[15] = {0x41, 0x0f, 0x20, 0xd0},
			     movzx_like[15] = {0x48, 0x8b, 0x20};

	CU_ASSERT_TRUE(hybrid_traps(ZYDIS_MNEMONIC_MOV, mov_cr3));
	CU_ASSERT_TRUE(hybrid_traps(ZYDIS_MNEMONIC_MOV, mov_r8_cr2));
	CU_ASSERT_FALSE(hybrid_traps(ZYDIS_MNEMONIC_MOV, mov));
	CU_ASSERT_FALSE(hybrid_traps(ZYDIS_MNEMONIC_MOV, movzx_like));
	CU_ASSERT_TRUE(hybrid_traps(ZYDIS_MNEMONIC_IRETQ, mov));
	CU_ASSERT_TRUE(hybrid_traps(ZYDIS_MNEMONIC_SWAPGS, mov));
	CU_ASSERT_FALSE(hybrid_traps(ZYDIS_MNEMONIC_ADD, mov));
	CU_ASSERT_FALSE(hybrid_traps(ZYDIS_MNEMONIC_MAX_VALUE + 1, mov));
}

const struct tap_case hybrid_tests[] = {
	{"an address not seen before is tried if asked", unknown_addresses},
	{"where an exit follows, going ahead pays", hits_pay},
	{"where none does, little is lost", misses_do_not},
	{"sometimes: the mean decides", worth_is_a_mean},
	{"two addresses in one slot", collisions},
	{"budgets of 0 and 3", fixed_budgets},
	{"for ever", for_ever},
	{"auto: as many as an exit costs", the_budget_is_the_exit},
	{"an instruction that faulted is done", the_faulting_instruction},
	{"what an instruction takes", time_of_an_instruction},
	{"which instructions trap", what_traps},
	{"two callers of one instruction", callers},
	{"near and far by turns", near_and_far},
	{"mostly near and seldom far", seldom_far},
	{"what was gained is spent, and no more", gains_are_spent},
	TAP_NO_CASE,
};
