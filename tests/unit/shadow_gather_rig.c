/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Read first: shadow_gather.h.
 */
#include <string.h>

#include "tests/unit/shadow_gather.h"

#define FRAME 0x000ffffffffff000ull

bool gather_in_tlb(struct fake *f, unsigned i, uint64_t gfn)
{
	mfn_t mfn = gmem_mfn(f->gm, GFN(gfn));

	for (unsigned s = 0; s < FAKE_TLB_SETS; s++)
		for (unsigned w = 0; w < FAKE_TLB_WAYS; w++) {
			const struct fake_tlb_entry *e = &f->vcpu[i].tlb[s][w];

			if (e->tag && (e->spte & FRAME) >> 12 == mfn.v)
				return true;
		}
	return false;
}

/* One that was told to forget will do so before its next instruction. */
static bool reachable(struct fake *f, uint64_t gfn)
{
	for (unsigned i = 0; i < f->cfg.vcpus; i++) {
		sh_catch_up(f->vcpu[i].v);
		if (gather_in_tlb(f, i, gfn))
			return true;
	}
	return sh_set_count(&f->mmu->rmap[gfn]) != 0;
}

static bool on_release(void *ctx, gfn_t gfn)
{
	struct released *r = ctx;

	if (r->look && reachable(r->f, gfn.v))
		r->stale++;
	if (r->n < GATHER_MAX)
		r->frame[r->n] = gfn;
	r->n++;
	if (gfn.v >= G_DATA) /* tables stay as they are */
		gmem_fill(r->f->gm, GPA(gfn.v << 12), 0xcc, 4096);
	return true;
}

struct sh_release gather_release(struct fake *f, struct released *r)
{
	memset(r, 0, sizeof(*r));
	r->f = f;
	r->look = true;
	return (struct sh_release){on_release, r};
}

struct sh_unmapped gather_unmap(struct fake *f, struct released *r, unsigned vcpu,
				uint64_t first, uint64_t n)
{
	struct sh_release rel = gather_release(f, r);
	struct sh_unmapped out;

	r->look = n <= 64; /* a look costs some microseconds */
	CU_ASSERT_EQUAL(sh_unmap_frames(f->mmu, f->vcpu[vcpu].v, GFN(first), n, &rel, &out), 0);
	return out;
}

void gather_start(struct fake *f, unsigned vcpus)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = vcpus;
	fx_start(f, &cfg);
}

void gather_start_big(struct fake *f, unsigned vcpus, unsigned pages)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = vcpus;
	cfg.size = cfg.lowmem = 64 << 20;
	cfg.options.on[SH_OPT_LARGE] = false;
	fx_start(f, &cfg);
	for (unsigned t = 0; t * 512 < pages; t++) {
		gmem_store(f->gm, GPA((G_PD << 12) + 8 * t), fx_pte(1024 + t, T_RWU), 8);
		for (unsigned i = 0; i < 512; i++)
			gmem_store(f->gm, GPA(((1024 + t) << 12) + 8 * i),
				   fx_pte(GATHER_BIG + t * 512 + i, T_RWUD), 8);
	}
	for (unsigned v = 0; v < vcpus; v++)
		for (unsigned i = 0; i < pages; i++) {
			uint64_t val = 0;

			fake_access(f, v, (uint64_t)i << 12, SH_USER, &val, 8);
		}
}
