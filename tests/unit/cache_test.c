/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ranged cache flush that the KVM engine provides (hazards PA-15, PA-16), on this processor's own
 * caches: after it the lines of the range are in none, those of the page behind it still are. What is
 * measured is how long a load of each line takes. A first case does the same with CLFLUSH itself; where
 * that shows no difference (some virtual machines) the others have no power here, and say so.
 *
 * One line is looked at after each flush: processors fetch others with it. Needs no /dev/kvm.
 * Read first: vmm/kvm/kvm.h, shadow/backend.h.
 */
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine.h"

#define LINES	 64u
#define ROUNDS	 15u
#define RAM	 (1ull << 20)
#define OWN_MPA	 (1ull << 32)
#define OWN	 (16u * 4096u)
#define CONTRAST 2u /* a load from memory takes so many times as long, at least */

static struct rig {
	struct machine m;
	struct kvm_vm vm;
	struct kvm_cpuid2 cpuid;
	struct sh_backend be;
	struct gmem_config cfg;
} rig;

static void start(uint64_t lowmem)
{
	memset(&rig, 0, sizeof(rig));
	rig.cfg = (struct gmem_config){.size = RAM, .lowmem = lowmem};
	CU_ASSERT_EQUAL_FATAL(gmem_create(&rig.cfg, &rig.m.gm), 0);
	rig.vm.cpuid = &rig.cpuid;
	rig.vm.own = aligned_alloc(4096, OWN);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rig.vm.own);
	memset(rig.vm.own, 1, OWN);
	rig.vm.own_mpa = MPA(OWN_MPA);
	rig.vm.table_mfn = mpa_mfn(MPA(OWN_MPA + 4096));
	rig.vm.tables = OWN / 4096 - 1;
	rig.m.eng = &rig.vm;
	kvm_backend_fill(&rig.m, &rig.be);
}

static void end(void)
{
	CU_ASSERT_EQUAL(gmem_held(rig.m.gm), 0);
	gmem_destroy(rig.m.gm);
	free(rig.vm.own);
}

static uint64_t load_time(const volatile uint8_t *p)
{
	unsigned aux;
	uint64_t t;

	_mm_mfence();
	_mm_lfence();
	t = __rdtscp(&aux);
	_mm_lfence();
	(void)*p;
	_mm_lfence();
	return __rdtscp(&aux) - t;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How long loads take after flush(arg), all of the page having been in the cache: the median of each
 * line's; of those the least, and the one in the middle. */
struct times {
	uint64_t least, middle;
};

static struct times measure(volatile uint8_t *page, void (*flush)(void *), void *arg)
{
	uint64_t took[ROUNDS], median[LINES];

	for (unsigned i = 0; i < LINES; i++) {
		for (unsigned r = 0; r < ROUNDS; r++) {
			for (unsigned k = 0; k < LINES; k++)
				page[64 * k]++;
			flush(arg);
			took[r] = load_time(&page[64 * i]);
		}
		qsort(took, ROUNDS, sizeof(took[0]), by_value);
		median[i] = took[ROUNDS / 2];
	}
	qsort(median, LINES, sizeof(median[0]), by_value);
	return (struct times){median[0], median[LINES / 2]};
}

static void flush_nothing(void *arg)
{
	(void)arg;
}

static void flush_by_hand(void *page)
{
	for (unsigned i = 0; i < LINES; i++)
		_mm_clflush((uint8_t *)page + 64 * i);
	_mm_mfence();
}

static void flush_by_engine(void *range)
{
	const uint64_t *r = range;

	rig.be.cache_flush(&rig.m, MPA(r[0]), r[1]);
}

/* Whether it can be told if a page is in the cache; in: how long loads take if it is. */
static bool contrast(volatile uint8_t *page, uint64_t *in)
{
	uint64_t out = measure(page, flush_by_hand, (void *)(uintptr_t)page).least;

	*in = measure(page, flush_nothing, NULL).middle;
	if (out >= CONTRAST * *in)
		return true;
	printf("# a flushed line takes %llu cycles to load, a cached one %llu: no power here\n",
	       (unsigned long long)out, (unsigned long long)*in);
	return false;
}

/* All lines of the page at mpa go out of the cache, the page behind it stays. */
static void check(uint64_t mpa, volatile uint8_t *page)
{
	uint64_t range[] = {mpa, 4096}, in, out, next;

	if (!contrast(page, &in))
		return;
	out = measure(page, flush_by_engine, range).least;
	next = measure(page + 4096, flush_by_engine, range).middle;
	printf("# cached %llu cycles, flushed %llu, the page behind it %llu\n",
	       (unsigned long long)in, (unsigned long long)out, (unsigned long long)next);
	CU_ASSERT(out >= CONTRAST * in);
	CU_ASSERT(next < CONTRAST * in);
}

static void test_ram(void)
{
	start(RAM);
	check(gfn_gpa(GFN(20)).v, gmem_map(rig.m.gm, GFN(20)));
	end();
}

static void test_tables(void)
{
	start(RAM);
	check(OWN_MPA + 5 * 4096, rig.vm.own + 5 * 4096);
	end();
}

/* Through another window than the flush's own: lines go by physical address. */
static void test_windows(void)
{
	uint64_t range[] = {gfn_gpa(GFN(20)).v, 4096}, in;
	volatile uint8_t *page;

	start(0);
	page = gmem_pool_map(rig.m.gm, GFN(20));
	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	if (contrast(page, &in))
		CU_ASSERT(measure(page, flush_by_engine, range).least >= CONTRAST * in);
	gmem_pool_unmap(rig.m.gm, (void *)(uintptr_t)page);
	end();
}

/* What is in RAM afterwards is what was stored. */
static void test_contents(void)
{
	uint8_t want[8192], got[8192];

	start(0);
	for (unsigned i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7 + i / 256);
	CU_ASSERT_EQUAL(gmem_write(rig.m.gm, GPA(0x3000), want, sizeof(want)), 0);
	rig.be.cache_flush(&rig.m, MPA(0x3000), sizeof(want));
	CU_ASSERT_EQUAL(gmem_read(rig.m.gm, GPA(0x3000), got, sizeof(got)), 0);
	CU_ASSERT(!memcmp(want, got, sizeof(want)));
	end();
}

int main(void)
{
	static const struct tap_case cases[] = {
		{"PA-15 the lines of a page of RAM, and no others", test_ram},
		{"PA-15 the lines of a shadow table, and no others", test_tables},
		{"PA-15 whatever window they came by", test_windows},
		{"PA-15 nothing is lost", test_contents},
		{0},
	};
	static const struct tap_suite suites[] = {{.name = "cache", .cases = cases}, TAP_END};

	return tap_run_suites(suites);
}
