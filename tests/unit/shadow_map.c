/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: ranges mapped at once, and what reserved frames and device memory are spared.
 * Read first: shadow_gather.h, shadow/map.h, shadow/reserve.h.
 */
#include <errno.h>

#include "shadow/map.h"
#include "shadow/reserve.h"
#include "tests/unit/shadow_gather.h"

#define RANGE 24u

static struct released rel;

/* Frames that are no neighbours, and on them what says which is which. */
static uint64_t frame_of(unsigned i)
{
	return G_DATA + (i * 7) % 32;
}

static void start(struct fake *f, bool prefetch)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.options.on[SH_OPT_PREFETCH] = prefetch;
	fx_start(f, &cfg);
	for (unsigned i = 0; i < 32; i++) {
		gmem_store(f->gm, GPA((G_PT << 12) + 8 * i), fx_pte(frame_of(i), T_RWUD), 8);
		gmem_store(f->gm, GPA(frame_of(i) << 12), 1000 + i, 8);
	}
}

static int map(struct fake *f, unsigned pages, struct sh_mapped *m)
{
	return sh_map_range(f->vcpu[0].v, GVA(0), pages, SH_USER | SH_WRITE, m);
}

static unsigned leaves(struct fake *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RANGE; i++)
		n += sh_set_count(&f->mmu->rmap[frame_of(i)]);
	return n;
}

/* What is read, and the hidden faults it takes. */
static unsigned read_all(struct fake *f, unsigned vcpu)
{
	unsigned faults = 0;

	for (unsigned i = 0; i < RANGE; i++) {
		uint64_t v = 0;

		faults += fake_access(f, vcpu, (uint64_t)i << 12, SH_USER, &v, 8).faults;
		CU_ASSERT_EQUAL(v, 1000 + i);
	}
	return faults;
}

/* ---- VR-4 ---- */

static void test_populate(void)
{
	struct sh_mapped m;
	struct fake f;

	start(&f, false);
	CU_ASSERT_EQUAL(read_all(&f, 0), RANGE);
	fx_end(&f);
	start(&f, false);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA), 32, SH_RESERVED_RAW), 0);
	CU_ASSERT_EQUAL(map(&f, RANGE, &m), 0);
	CU_ASSERT_EQUAL(m.pages, RANGE);
	CU_ASSERT_EQUAL(m.faults, RANGE);
	fake_enter(&f, 0, SH_USER);
	CU_ASSERT_EQUAL(read_all(&f, 0), 0);
	CU_ASSERT_EQUAL(map(&f, RANGE, &m), 0);
	CU_ASSERT_EQUAL(m.faults, 0);
	fx_end(&f);
}

/* ---- VR-7 ---- */

static bool watch_mapped(struct fake *f)
{
	for (unsigned i = 0; i < RANGE; i++)
		for (unsigned v = 0; v < 2; v++)
			if (gather_in_tlb(f, v, frame_of(i)))
				return true;
	return leaves(f) != 0;
}

/* vCPU 1 uses what has been mapped so far, as soon as it is. */
static void fail_at(struct fake *f, unsigned k)
{
	struct sh_mapped m;

	CU_ASSERT_EQUAL(map(f, k, &m), 0);
	for (unsigned i = 0; i < k; i++) {
		uint64_t v = 0;

		fake_access(f, 1, (uint64_t)i << 12, SH_USER, &v, 8);
	}
	f->vcpu[1].running = true;
	sh_inject_arm(&f->mmu->inject, SH_INJECT_MAP_PAGE, k, 1, 0);
	CU_ASSERT_EQUAL(map(f, RANGE, &m), -ENOMEM);
	CU_ASSERT_EQUAL(m.pages, k);
	CU_ASSERT(m.taken >= k);
	/* Before the error is returned: the frames may be another's from here on. */
	sh_catch_up(f->vcpu[1].v);
	CU_ASSERT_FALSE(watch_mapped(f));
	CU_ASSERT_EQUAL(m.flushes, k ? 1 : m.taken > 0);
	CU_ASSERT_EQUAL(m.kicks, k > 0);
	f->vcpu[1].running = false;
}

static void test_fails(void)
{
	struct fake f;

	for (unsigned prefetch = 0; prefetch < 2; prefetch++)
		for (unsigned k = 0; k < RANGE; k += 5) {
			start(&f, prefetch);
			fail_at(&f, k);
			read_all(&f, 1); /* and it is all still to be had */
			fx_end(&f);
		}
}

/* Not by injection: no entry, no RAM, a table; each in the middle. */
static void test_guest_says_no(void)
{
	static const struct {
		uint64_t entry;
		int err;
	} bad[] = {{0, -EFAULT},
		   {(1ull << 30) | T_RWUD, -EFAULT},
		   {(uint64_t)G_PT << 12 | T_RWUD, -EPERM}};
	struct sh_mapped m;
	struct fake f;

	for (unsigned i = 0; i < 3; i++) {
		start(&f, true);
		gmem_store(f.gm, GPA((G_PT << 12) + 8 * 9), bad[i].entry, 8);
		CU_ASSERT_EQUAL(map(&f, RANGE, &m), bad[i].err);
		CU_ASSERT_EQUAL(m.pages, 9);
		CU_ASSERT_FALSE(watch_mapped(&f));
		fx_end(&f);
	}
}

/* A large leaf goes whole. */
static void test_large(void)
{
	struct fake_config cfg;
	struct sh_mapped m;
	struct sh_stats s;
	struct fake f;

	fake_defaults(&cfg);
	cfg.size = cfg.lowmem = 32 << 20;
	fx_start(&f, &cfg);
	fx_put(&f, G_PD, 3, fx_pte(512 * 5, T_RWUD | PTE_PS));
	fx_put(&f, G_PD, 4, 0);
	CU_ASSERT_EQUAL(sh_map_range(f.vcpu[0].v, GVA(3ull << 21), 512, SH_USER, &m), 0);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_LARGE), 1);
	CU_ASSERT_EQUAL(m.faults, 1);
	CU_ASSERT_EQUAL(sh_map_range(f.vcpu[0].v, GVA(3ull << 21), 513, SH_USER, &m), -EFAULT);
	CU_ASSERT_EQUAL(m.pages, 512);
	CU_ASSERT_EQUAL(m.taken, 1);
	sh_mmu_stats(f.mmu, &s);
	CU_ASSERT_EQUAL(s.pages_2m, 0);
	fx_end(&f);
}

/* ---- VR-5 ---- */

static uint64_t pins(struct fake *f)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < f->mmu->be.tables; i++)
		n += atomic_load(&f->mmu->pages[i].pins);
	return n;
}

/* Pins of tables and all counters of locked things are the same with and without the mark; when it goes,
 * no frame remembers it. */
static void test_no_trace(void)
{
	struct sh_stats before, after;
	struct sh_unmapped u;
	uint64_t pinned;
	struct fake f;

	start(&f, true);
	read_all(&f, 0);
	sh_mmu_stats(f.mmu, &before);
	pinned = pins(&f);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA), 32, SH_RESERVED_COUNTED), 0);
	CU_ASSERT_EQUAL(read_all(&f, 0), 0);
	sh_mmu_stats(f.mmu, &after);
	for (unsigned i = 0; i < SH_STATS; i++)
		CU_ASSERT_EQUAL(after.v[i], before.v[i]);
	CU_ASSERT_EQUAL(after.tables_used, before.tables_used);
	CU_ASSERT_EQUAL(pins(&f), pinned);
	CU_ASSERT_EQUAL(sh_unreserve_frames(f.mmu, NULL, GFN(G_DATA), NULL, &u), 0);
	CU_ASSERT_EQUAL(pins(&f), pinned);
	for (unsigned i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(f.mmu->rmap[G_DATA + i], 0);
	CU_ASSERT_EQUAL(f.mmu->reserved_n, 0);
	fx_end(&f);
}

/* ---- VR-8 ---- */

/* Ranges side by side stay two; one can't be grown over another, and the end of one is not the other's. */
static void test_no_merge(void)
{
	struct sh_unmapped u;
	struct fake f;

	start(&f, true);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA), 8, SH_RESERVED_RAW), 0);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA + 8), 8, SH_RESERVED_RAW), 0);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA), 16, SH_RESERVED_RAW), -EEXIST);
	CU_ASSERT_EQUAL(sh_reserve_frames(f.mmu, GFN(G_DATA + 15), 2, SH_RESERVED_RAW),
			-EEXIST);
	CU_ASSERT_EQUAL(f.mmu->reserved_n, 2);
	CU_ASSERT_EQUAL(sh_unreserve_frames(f.mmu, NULL, GFN(G_DATA), NULL, &u), 0);
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA, 16).reserved, 8);
	CU_ASSERT_EQUAL(sh_unreserve_frames(f.mmu, NULL, GFN(G_DATA + 8), NULL, &u), 0);
	fx_end(&f);
}

/* ---- VR-9 ---- */

#define DEVICE (1ull << 30) /* no RAM */

/* Between pages that neighbours' faults bring along: each access gets to the device, and no entry is
 * ever made. */
static void test_device(void)
{
	struct sh_path path;
	struct fake f;

	start(&f, true);
	gmem_store(f.gm, GPA((G_PT << 12) + 8 * 6), fx_pte(DEVICE >> 12, T_RWUD), 8);
	for (unsigned n = 0; n < 100; n++) {
		uint64_t v = 0, taken = fx_stat(&f, SH_ST_PF_EMULATE);
		struct sh_walk w;

		fake_access(&f, 0, 5ull << 12, SH_USER, &v, 8);
		fake_access(&f, 0, 7ull << 12, SH_USER, &v, 8);
		CU_ASSERT_EQUAL(sh_fault(f.vcpu[0].v, GVA(6ull << 12), SH_USER, &w),
				SH_FAULT_NO_RAM);
		CU_ASSERT_EQUAL(w.gpa.v, DEVICE);
		CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_PF_EMULATE), taken + 1);
		CU_ASSERT(sh_path(f.mmu, MFN(f.vcpu[0].root), GVA(6ull << 12), &path));
		CU_ASSERT_EQUAL(path.level, 1);
		CU_ASSERT_EQUAL(path.spte[1], 0);
	}
	CU_ASSERT(fx_stat(&f, SH_ST_PREFETCHED) > 0);
	fx_end(&f);
}

const struct tap_case suite_map[] = {
	{"VR-4 mapped at once, or as it is touched", test_populate},
	{"VR-5 a mark leaves no trace", test_no_trace},
	{"VR-7 a range that fails takes itself down", test_fails},
	{"VR-7 where the guest's tables end a range", test_guest_says_no},
	{"a range over a large leaf", test_large},
	{"VR-8 reserved ranges neither grow nor merge", test_no_merge},
	{"VR-9 device memory has no entry, whatever its neighbours", test_device},
	{0},
};
