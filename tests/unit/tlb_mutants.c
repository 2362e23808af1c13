/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Does the adversarial TLB find missing invalidations? Each bug of shadow/mutant.h that loses a
 * shootdown, a flush, or what a flush protects, is switched on in a child process, and the scenario
 * named for it must find it with every seed; with the bug off it must find nothing with any. At the
 * end the library without bugs runs at random, with evictions and speculation, and nothing may be
 * reported.
 *
 * Linked with a build of the library that has the bugs in it (UMBRA_MUTANTS).
 * Read first: soft_rig.h, shadow/mutant.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/mutant.h"
#include "tests/unit/soft_rig.h"

#define SEEDS 20u
#define FAR   (8ull << 21) /* led to by entry 8 of the page directory */

/* A scenario gets a fresh machine and returns what it found wrong by itself; reports count too. */
typedef unsigned scenario_fn(struct rig *r);

/* ---- Tables from pages that other vCPUs may write ---- */

/* Frame RIG_DATA + 6 becomes a page table while vCPU 1 has it writable. */
static unsigned becomes_table(struct rig *r)
{
	rig_store(r, 1, 0x6000, rig_pte(RIG_DATA + 7, RIG_RWU));
	rig_put(r, RIG_PD, 8, rig_pte(RIG_DATA + 6, RIG_RWU));
	rig_load(r, 0, FAR);
	rig_store(r, 1, 0x6008, rig_pte(RIG_DATA + 8, RIG_RWU));
	return 0;
}

/* The same when the guest has taken the mapping away, but flushed nothing. Only the last table of
 * the new path is missing, so that nothing else makes a flush. */
static unsigned dropped_then_table(struct rig *r)
{
	rig_put(r, RIG_PD, 8, rig_pte(RIG_DATA + 6, RIG_RWU));
	rig_store(r, 0, 0x6000, rig_pte(RIG_DATA + 7, RIG_RWU));
	rig_put(r, RIG_PT, 6, 0);
	rig_load(r, 0, FAR);
	rig_store(r, 0, 0x6000, rig_pte(RIG_DATA + 8, RIG_RWU));
	return 0;
}

/* The same when it has cleared D: the mapping stays, read-only. */
static unsigned narrowed_then_table(struct rig *r)
{
	rig_put(r, RIG_PD, 8, rig_pte(RIG_DATA + 6, RIG_RWU));
	rig_store(r, 0, 0x6000, rig_pte(RIG_DATA + 7, RIG_RWU));
	rig_put(r, RIG_PT, 6, rig_pte(RIG_DATA + 6, RIG_RWU));
	rig_load(r, 0, FAR);
	rig_store(r, 0, 0x6000, rig_pte(RIG_DATA + 8, RIG_RWU));
	return 0;
}

/* ---- The guest's own flushes ---- */

static unsigned invlpg(struct rig *r)
{
	rig_load(r, 0, 0x3000);
	rig_put(r, RIG_PT, 3, rig_pte(RIG_DATA + 9, RIG_RWU));
	rig_invlpg(r, 0, 0x3000);
	return rig_load(r, 0, 0x3000) != (uint64_t)(RIG_DATA + 9) << 12;
}

static unsigned mov_cr3(struct rig *r)
{
	rig_load(r, 0, 0x3000);
	rig_put(r, RIG_PT, 3, rig_pte(RIG_DATA + 9, RIG_RWU));
	rig_cr3(r, 0, RIG_A);
	return rig_load(r, 0, 0x3000) != (uint64_t)(RIG_DATA + 9) << 12;
}

/* ---- Tables given back ---- */

static void other_runs(struct rig *r, enum sh_table_event e)
{
	(void)e;
	for (unsigned i = 0; i < 8; i++)
		rig_glance(r, 1, i << 12);
}

/* vCPU 1 stays in A and uses its addresses at every moment while vCPU 0 needs tables. */
static unsigned reclaim(struct rig *r)
{
	for (unsigned i = 0; i < 8; i++)
		rig_load(r, 1, i << 12);
	r->meanwhile = other_runs;
	rig_churn(r, 0, 60);
	return 0;
}

/* vCPU 0's guest has left A, its hardware has not yet, when vCPU 1 needs tables. */
static unsigned left_root(struct rig *r)
{
	rig_cr3(r, 1, RIG_B);
	rig_load(r, 0, 0x1000);
	rig_cr3(r, 0, RIG_B);
	rig_churn(r, 1, 30);
	rig_glance(r, 0, 0x1000);
	return 0;
}

/* The top table vCPU 1 is on is written many times; then tables are needed. */
static unsigned flooded_root(struct rig *r)
{
	rig_load(r, 1, 0x1000);
	for (unsigned i = 0; i < 100; i++)
		rig_put(r, RIG_A, 300, rig_pte(i, 0));
	rig_churn(r, 0, 30);
	rig_glance(r, 1, 0x1000);
	return 0;
}

static const struct {
	enum sh_mutant m;
	const char *name;
	scenario_fn *fn;
	struct rig_config cfg;
} row[] = {
	{SH_MUT_NO_FLUSH_ON_TRACK,
	 "a page becomes a table",
	 becomes_table,
	 {.rootcache = true}},
	{SH_MUT_NO_WRITE_PROTECT, "a page becomes a table", becomes_table, {.rootcache = true}},
	{SH_MUT_DROP_NOT_COUNTED,
	 "a dropped translation, then a table",
	 dropped_then_table,
	 {.rootcache = true}},
	{SH_MUT_NARROW_NOT_COUNTED,
	 "a narrowed translation, then a table",
	 narrowed_then_table,
	 {.rootcache = true}},
	{SH_MUT_INVLPG_LOST, "INVLPG after a change", invlpg, {.rootcache = true}},
	{SH_MUT_CR3_FLUSH_LOST, "MOV CR3 after a change", mov_cr3, {.rootcache = true}},
	{SH_MUT_FREE_WITHOUT_FLUSH,
	 "a vCPU runs while another reclaims",
	 reclaim,
	 {.limit = SH_MIN_TABLES, .rootcache = true}},
	{SH_MUT_RECLAIM_IGNORES_PINS,
	 "a vCPU runs while another reclaims",
	 reclaim,
	 {.limit = SH_MIN_TABLES, .rootcache = true}},
	{SH_MUT_ZAP_LEAVES_PARENTS,
	 "a vCPU runs while another reclaims",
	 reclaim,
	 {.limit = SH_MIN_TABLES, .rootcache = true}},
	{SH_MUT_LOADED_NOT_PINNED,
	 "the guest has left, the hardware has not",
	 left_root,
	 {.limit = SH_MIN_TABLES}},
	{SH_MUT_FLOOD_IGNORES_PINS,
	 "a root in use is written",
	 flooded_root,
	 {.limit = SH_MIN_TABLES, .rootcache = true}},
};
#define ROWS (sizeof(row) / sizeof(row[0]))

/* In a child: with how many seeds something was found. */
static unsigned run_seeds(unsigned i, bool on)
{
	unsigned found = 0;

	urcu_memb_register_thread();
	sh_mutant_on[row[i].m] = on;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct rig_config cfg = row[i].cfg;
		struct rig *r;

		cfg.seed = seed;
		r = rig_open(&cfg);
		if (!r)
			return 0;
		found += (row[i].fn(r) || r->reports) != 0;
		rig_close(r);
	}
	return found;
}

/* ~0 if the child did not get that far. */
static unsigned in_child(unsigned i, bool on)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		_exit((int)run_seeds(i, on));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : ~0u;
}

/* ---- At random ---- */

/* Pages of the first 2 MiB are frames RIG_DATA and up, the first eight of which are now and then page
 * tables too, for the addresses from FAR on. */
static void step(struct rig *r, uint64_t x)
{
	unsigned vcpu = x & 1, page = x >> 8 & 31, other = x >> 16 & 7;
	uint64_t pte = rig_pte(RIG_DATA + other, x >> 24 & 3 ? RIG_RWU : 0);

	switch (x >> 1 & 15) {
	case 0:
		rig_put(r, RIG_PT, page, pte);
		break;
	case 1:
		rig_put(r, RIG_PD, 8 + (page & 7), pte);
		break;
	case 2:
		rig_invlpg(r, vcpu, (uint64_t)page << 12);
		break;
	case 3:
		if (!(x >> 24 & 7))
			rig_cr3(r, vcpu, x >> 27 & 1 ? RIG_A : RIG_B);
		break;
	case 4:
		if (!(x >> 24 & 63))
			rig_churn(r, vcpu, 8);
		rig_cr3(r, vcpu, x >> 30 & 1 ? RIG_A : RIG_B);
		break;
	case 5:
	case 6:
	case 7:
		rig_load(r, vcpu, FAR + ((uint64_t)other << 21 | (uint64_t)page << 12));
		break;
	case 8:
		rig_store(r, vcpu, FAR + ((uint64_t)other << 21 | (uint64_t)page << 12), pte);
		break;
	default:
		rig_store(r, vcpu, (uint64_t)page << 12 | (x >> 32 & 31) << 3, pte);
	}
}

static bool at_random(uint64_t seed, unsigned steps)
{
	struct rig_config cfg = {.seed = seed,
				 .limit = SH_MIN_TABLES + (uint32_t)(seed % 3) * 8,
				 .evict = 20,
				 .speculate = 3,
				 .rootcache = seed & 1};
	struct rig *r = rig_open(&cfg);
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull;
	bool good;

	if (!r)
		return false;
	r->meanwhile = seed & 2 ? other_runs : NULL;
	for (unsigned i = 0; i < steps; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		step(r, x);
	}
	if (r->reports)
		fprintf(stderr, "# seed %u: %s\n", (unsigned)seed, r->first);
	good = !r->reports;
	return !rig_close(r) && good;
}

int main(void)
{
	unsigned bad = 0, quiet = 0;

	printf("1..%u\n", (unsigned)ROWS + 1);
	for (unsigned i = 0; i < ROWS; i++) {
		unsigned found = in_child(i, true), without = in_child(i, false);
		bool good = found == SEEDS && without == 0;

		printf("%s %u - %s: \"%s\" finds it with %d of %u seeds, %d without it\n",
		       good ? "ok" : "not ok", i + 1, sh_mutant_names[row[i].m], row[i].name,
		       (int)found, SEEDS, (int)without);
		bad += !good;
	}
	urcu_memb_register_thread();
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		quiet += at_random(seed, 5000);
	printf("%s %u - the library at random: nothing to report with %u of %u seeds\n",
	       quiet == SEEDS ? "ok" : "not ok", (unsigned)ROWS + 1, quiet, SEEDS);
	return bad || quiet != SEEDS;
}
