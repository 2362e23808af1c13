/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Local APICs from several threads at once; meant to be run under -fsanitize=thread as well.
 *
 * Each of four vCPUs sends to each of the three others a vector of its own for the pair, and
 * sends it again only after it was acknowledged: so no two merge, and each count is exact.
 */
#include "tests/unit/dev_test.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 2000
#define FIRST  0x30

struct party {
	struct apic_box *x;
	_Atomic unsigned (*got)[TEST_CPUS]; /* [receiver][sender] */
	_Atomic unsigned *finished;
	unsigned cpu;
	bool strange; /* a vector that nobody sent */
};

static uint8_t vector_for(unsigned sender, unsigned receiver)
{
	return (uint8_t)(FIRST + 16 * sender + receiver);
}

static void receive(struct party *p)
{
	int vector = apic_pending(p->x->apic, p->cpu);

	if (vector < 0)
		return;
	vector = lapic_take(p->x, p->cpu);
	if (vector < FIRST || (vector - FIRST) % 16 != (int)p->cpu) {
		p->strange = true;
		return;
	}
	p->got[p->cpu][(vector - FIRST) / 16]++;
}

static void *run_vcpu(void *arg)
{
	struct party *p = arg;
	unsigned sent[TEST_CPUS] = {0}, to, left = (TEST_CPUS - 1) * ROUNDS;

	while (left) {
		for (to = 0; to < TEST_CPUS; to++) {
			if (to == p->cpu || sent[to] == ROUNDS || p->got[to][p->cpu] != sent[to])
				continue;
			sent[to]++;
			left--;
			lapic_send(p->x, p->cpu, (uint8_t)to, 0x4000u | vector_for(p->cpu, to));
		}
		receive(p);
		apic_tick(p->x->apic, p->cpu);
		sched_yield();
	}
	++*p->finished;
	while (*p->finished < TEST_CPUS || apic_pending(p->x->apic, p->cpu) >= 0) {
		receive(p);
		sched_yield();
	}
	return NULL;
}

static void counts_are_exact(void)
{
	struct apic_box x;
	pthread_t thread[TEST_CPUS];
	struct party party[TEST_CPUS];
	static _Atomic unsigned got[TEST_CPUS][TEST_CPUS];
	_Atomic unsigned finished = 0;
	unsigned i, j;

	apic_box_open(&x, TEST_CPUS);
	for (i = 0; i < TEST_CPUS; i++) {
		party[i] = (struct party){.x = &x, .got = got, .finished = &finished, .cpu = i};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, run_vcpu, &party[i]), 0);
	}
	for (i = 0; i < TEST_CPUS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < TEST_CPUS; i++) {
		CU_ASSERT_FALSE(party[i].strange);
		for (j = 0; j < TEST_CPUS; j++)
			CU_ASSERT_EQUAL(got[i][j], i == j ? 0 : ROUNDS);
		CU_ASSERT_EQUAL(apic_pending(x.apic, i), -1);
		CU_ASSERT(x.t.kicks[i] >= 1);
	}
	apic_box_close(&x);
}

struct storm {
	struct apic_box *x;
	unsigned cpu;
};

/* Everything at once, with nothing to count but the NMIs: no deadlock, no race. */
static void *run_storm(void *arg)
{
	struct storm *s = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		lapic_send(s->x, s->cpu, 0, 0xc4400);
		lapic_send(s->x, s->cpu, 0xff, 0x4100 | 0x90);
		lapic_put(s->x, s->cpu, 0x80, (i & 7) << 4);
		lapic_put(s->x, s->cpu, 0x380, 1 + (i & 3));
		if (i % 64 == 0)
			apic_init_cpu(s->x->apic, (s->cpu + 1) % TEST_CPUS);
		lapic_take(s->x, s->cpu);
	}
	return NULL;
}

static void storm_counts_nmis(void)
{
	struct apic_box x;
	pthread_t thread[TEST_CPUS];
	struct storm storm[TEST_CPUS];
	unsigned i;

	apic_box_open(&x, TEST_CPUS);
	for (i = 0; i < TEST_CPUS; i++) {
		storm[i] = (struct storm){.x = &x, .cpu = i};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, run_storm, &storm[i]), 0);
	}
	for (i = 0; i < TEST_CPUS; i++)
		pthread_join(thread[i], NULL);
	/* An INIT may come between a sender's two ICR halves, but the shorthand needs only one. */
	for (i = 0; i < TEST_CPUS; i++)
		CU_ASSERT_EQUAL(x.t.nmis[i], (TEST_CPUS - 1) * ROUNDS);
	apic_box_close(&x);
}

const struct tap_case thread_tests[] = {
	{"IPIs between four threads, counts exact", counts_are_exact},
	{"a storm of everything", storm_counts_nmis},
	TAP_NO_CASE,
};
