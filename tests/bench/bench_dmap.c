/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a change of attributes in the direct map costs: without a split, with one, and with the large
 * page coming back. Shootdowns cost nothing here; that they are made is in the figures of the calls
 * around them. Read first: bench.h, shadow/dmap.h.
 */
#include "shadow/dmap.h"
#include "tests/bench/bench.h"

#define ROUNDS 20000u
#define LARGE  512ull
#define SPAN   64u /* large pages that are used in turn */

static struct bench b;

static void change(uint64_t first, uint64_t frames, unsigned set, unsigned clear)
{
	struct sh_dmap_req req = {.set = set, .clear = clear};

	if (sh_dmap_change(b.mmu, b.v[0], GFN(first), frames, &req))
		bench_die("a change of attributes failed");
}

static uint64_t region(unsigned i)
{
	return (4 + i % SPAN) * LARGE;
}

static void pair(const char *what, uint64_t frames, unsigned bit, double per)
{
	double t = bench_cpu();

	for (unsigned i = 0; i < ROUNDS; i++) {
		change(region(i), frames, 0, bit);
		change(region(i), frames, bit, 0);
	}
	bench_print("dmap", what, (bench_cpu() - t) / (ROUNDS * per), "ns");
}

static void as_it_is(void)
{
	double t = bench_cpu();

	for (unsigned i = 0; i < ROUNDS; i++)
		change(region(i) + 7, 1, SH_DM_W, 0);
	bench_print("dmap", "attribute_change_as_it_is", (bench_cpu() - t) / ROUNDS, "ns");
}

static void pin_all(unsigned set, unsigned clear)
{
	for (unsigned i = 0; i < SPAN; i++)
		change(region(i), LARGE, set, clear);
}

static void splits(void)
{
	struct sh_dmap_stats before, after;
	double t = 0, back = 0, at;

	sh_dmap_stats(b.mmu, &before);
	for (unsigned r = 0; r < ROUNDS / SPAN; r++) {
		at = bench_cpu();
		for (unsigned i = 0; i < SPAN; i++)
			change(region(i) + i, 1, 0, SH_DM_W);
		t += bench_cpu() - at;
		at = bench_cpu();
		for (unsigned i = 0; i < SPAN; i++)
			change(region(i) + i, 1, SH_DM_W, 0);
		back += bench_cpu() - at;
	}
	sh_dmap_stats(b.mmu, &after);
	if (after.splits[2] - before.splits[2] != (uint64_t)(ROUNDS / SPAN) * SPAN ||
	    after.collapses[2] - before.collapses[2] != after.splits[2] - before.splits[2])
		bench_die("not one split and one collapse for each change");
	bench_print("dmap", "attribute_change_with_split", t / (ROUNDS / SPAN * SPAN), "ns");
	bench_print("dmap", "attribute_change_with_collapse", back / (ROUNDS / SPAN * SPAN),
		    "ns");
}

void bench_dmap(void)
{
	struct bench_config cfg = {.lowmem = 64 << 20, .pages = 512 * 512};

	bench_create(&b, &cfg);
	if (sh_dmap_create(b.mmu, b.v[0]))
		bench_die("no direct map");
	/* One right taken and given: the first has a flush, the second none. */
	pair("attribute_change_2m", LARGE, SH_DM_W, 2);
	as_it_is();
	splits();
	pin_all(SH_DM_PIN, 0);
	pair("attribute_change_4k", 1, SH_DM_W, 2);
	pair("attribute_change_512_pages_per_page", LARGE, SH_DM_W, 2 * LARGE);
	pin_all(0, SH_DM_PIN);
	bench_destroy(&b);
}
