/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: walkers that take turns on one thread, and walks that give way. Whoever comes back finds its
 * windows as they were; whoever gives way has none.
 * Read first: shadow_fixture.h, shadow/gmem.h. Read after: shadow_windows.c.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/urcu-memb.h>

#include "shadow/gmem_internal.h"
#include "tests/unit/shadow_fixture.h"

#define WALKERS 5u
#define EACH	32u /* frames of a walker */
#define TURNS	20000u
#define WORDS	512u

/* ---- HM-9 ---- */

struct walker {
	struct gmem_parked parked;
	unsigned depth;
	unsigned frame[GMEM_SLOTS];
	uint64_t *w[GMEM_SLOTS];
	uint64_t wrote[EACH]; /* last word of each of its frames */
};

static uint64_t rng_state;

static unsigned draw(unsigned n)
{
	rng_state ^= rng_state << 13, rng_state ^= rng_state >> 7, rng_state ^= rng_state << 17;
	return (unsigned)(rng_state >> 11) % n;
}

/* Everything is where it left it, and shows what it left. */
static bool as_left(struct walker *k)
{
	for (unsigned d = 0; d < k->depth; d++)
		if (fx_faults((volatile uint8_t *)k->w[d]) ||
		    k->w[d][WORDS - 1] != k->wrote[k->frame[d]])
			return false;
	return true;
}

static void one_turn(struct gmem *gm, struct walker *all, unsigned me)
{
	struct walker *k = &all[me];
	unsigned goal = draw(GMEM_SLOTS + 1);

	while (k->depth > goal)
		gmem_unmap(gm, k->w[--k->depth]);
	while (k->depth < goal) {
		unsigned f = draw(EACH), d = k->depth++;

		k->frame[d] = f;
		k->w[d] = gmem_map(gm, GFN(me * EACH + f));
		CU_ASSERT_PTR_NOT_NULL_FATAL(k->w[d]);
	}
	for (unsigned d = 0; d < k->depth; d++)
		k->w[d][WORDS - 1] = k->wrote[k->frame[d]] =
			(uint64_t)me << 56 | rng_state >> 8;
	gmem_park(gm, &k->parked);
}

/* With mappings refused now and then: it says so, and can be tried again. */
static unsigned come_back(struct gmem *gm, struct walker *k)
{
	int err;

	fx_refuse_memory(draw(12));
	err = gmem_unpark(gm, &k->parked);
	if (!fx_refused()) {
		CU_ASSERT_EQUAL(err, 0);
		return 0;
	}
	CU_ASSERT_EQUAL(err, -ENOMEM);
	CU_ASSERT_EQUAL(gmem_held(gm), 0);
	CU_ASSERT_EQUAL(gmem_unpark(gm, &k->parked), 0);
	return 1;
}

static void test_turns(void)
{
	struct gmem_config c = {.size = (1 << 20) + ((WALKERS * EACH) << 12)};
	struct walker all[WALKERS] = {{.depth = 0}};
	struct gmem *gm = NULL;
	unsigned refused = 0;

	CU_ASSERT_EQUAL_FATAL(gmem_create(&c, &gm), 0);
	rng_state = 88172645463325252ull;
	for (unsigned i = 0; i < TURNS; i++) {
		unsigned me = draw(WALKERS);

		refused += come_back(gm, &all[me]);
		CU_ASSERT_EQUAL(gmem_held(gm), all[me].depth);
		if (!as_left(&all[me])) {
			CU_FAIL("a window is not as it was left");
			break;
		}
		one_turn(gm, all, me);
	}
	CU_ASSERT(refused > TURNS / 20);
	for (unsigned i = 0; i < WALKERS; i++)
		for (unsigned f = 0; f < EACH; f++) {
			uint64_t v = 1;

			gmem_load64(gm, GPA((i * EACH + f) << 12 | (WORDS - 1) << 3), &v);
			CU_ASSERT_EQUAL(v, all[i].wrote[f]);
		}
	gmem_thread_exit(gm);
	gmem_destroy(gm);
}

/* ---- HM-13 ---- */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct {
	struct fake f;
	_Atomic bool stop;
} busy;

/* Another vCPU unmaps and maps what is walked. */
static void *change_tables(void *arg)
{
	(void)arg;
	urcu_memb_register_thread();
	for (unsigned i = 0; !busy.stop; i++) {
		uint64_t e = i & 1 ? 0 : fx_pte(G_DATA + i % 32, T_RWUD);

		sh_write(busy.f.mmu, busy.f.vcpu[1].v, GPA((G_PT << 12) + 8 * (i / 2 % 32)), &e,
			 8);
		sched_yield();
	}
	gmem_thread_exit(busy.f.gm);
	urcu_memb_unregister_thread();
	return NULL;
}

/* A walk of all that is mapped, with a place to give way after each page: nothing is held there, so that
 * what happens to the slots meanwhile does no harm, and the frames read are never the thief's. */
static void test_gives_way(void)
{
	static double took[4096];
	struct fake_config cfg;
	unsigned mapped = 0;
	pthread_t t;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	cfg.vcpus = 2;
	fx_start(&busy.f, &cfg);
	gmem_fill(busy.f.gm, GPA(300 << 12), 0xff, SH_PAGE_SIZE);
	busy.stop = false;
	pthread_create(&t, NULL, change_tables, NULL);
	for (unsigned i = 0; i < 4096; i++) {
		enum sh_walk_result r;
		double at = now_us();
		struct sh_walk w;

		r = sh_translate(busy.f.vcpu[0].v, GVA((uint64_t)(i % 32) << 12),
				 SH_USER | SH_PEEK, &w);
		took[i] = now_us() - at;
		CU_ASSERT_EQUAL(gmem_held(busy.f.gm), 0);
		CU_ASSERT(r == SH_WALK_OK || r == SH_WALK_FAULT);
		if (r == SH_WALK_OK) {
			mapped++;
			CU_ASSERT(gpa_gfn(w.gpa).v - G_DATA < 32);
		}
		sh_may_wait(); /* counted if a window is held */
		gmem_windows_steal(busy.f.gm, GFN(300));
		sched_yield();
	}
	busy.stop = true;
	pthread_join(t, NULL);
	CU_ASSERT(mapped > 0);
	qsort(took, 4096, sizeof(took[0]), by_value);
	printf("# between two places to give way, slots stolen each time: p50 %.2f us, p99 "
	       "%.2f us\n",
	       took[2048], took[4055]);
	fx_end(&busy.f);
}

const struct tap_case suite_windows_switch[] = {
	{"HM-9 walkers take turns, 20,000 times", test_turns},
	{"HM-13 a walk gives way, and its slots are stolen", test_gives_way},
	{0},
};
