/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The engine between the shadow MMU and the TLBs. All vCPUs are in one thread, so a shootdown is
 * done when it returns. Read first: soft_rig.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/soft_rig.h"

#define TABLES	  256u
#define MAX_TRIES 100

static void be_touch(void *ctx, struct sh_vcpu *cur, mpa_t slot)
{
	(void)ctx, (void)cur, (void)slot; /* the hardware reads memory */
}

static void be_touch_table(void *ctx, struct sh_vcpu *cur, mfn_t table)
{
	(void)ctx, (void)cur, (void)table;
}

static unsigned be_shootdown(void *ctx, struct sh_vcpu *cur)
{
	struct rig *r = ctx;

	(void)cur;
	for (unsigned i = 0; i < RIG_VCPUS; i++)
		tlb_flush(r->vcpu[i].tlb);
	return RIG_VCPUS - 1;
}

static void be_invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	tlb_invlpg(((struct rig *)ctx)->vcpu[sh_vcpu_index(cur)].tlb, gva);
}

static void be_invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	tlb_flush(((struct rig *)ctx)->vcpu[sh_vcpu_index(cur)].tlb);
}

static void be_table_event(void *ctx, mfn_t table, enum sh_table_event e)
{
	struct rig *r = ctx;

	tlb_table_event(&r->tt, table, e);
	if (r->meanwhile)
		r->meanwhile(r, e);
}

static void on_report(void *ctx, const char *text)
{
	struct rig *r = ctx;

	if (!r->reports++)
		snprintf(r->first, sizeof(r->first), "%s", text);
}

static int open_mmu(struct rig *r, const struct rig_config *cfg)
{
	struct gmem_config gc = {.size = 8 << 20, .lowmem = 8 << 20};
	struct sh_mmu_config mc = {.model = {.maxphyaddr = 40, .gb_pages = true},
				   .limit = cfg->limit};

	r->mem = aligned_alloc(4096, TABLES * 4096);
	if (!r->mem || gmem_create(&gc, &r->gm))
		return -1;
	memset(r->mem, 0, TABLES * 4096);
	mc.gm = r->gm;
	mc.backend = (struct sh_backend){.ctx = r,
					 .table_mem = r->mem,
					 .table_mfn = MFN(RIG_TABLE_MFN),
					 .tables = TABLES,
					 .levels = 4,
					 .touch = be_touch,
					 .touch_table = be_touch_table,
					 .shootdown = be_shootdown,
					 .invalidate = be_invalidate,
					 .invalidate_all = be_invalidate_all,
					 .table_event = be_table_event};
	sh_options_default(&mc.options);
	mc.options.on[SH_OPT_ROOTCACHE] = cfg->rootcache;
	mc.options.on[SH_OPT_UNSYNC] = false; /* every table is write-protected */
	return sh_mmu_create(&mc, &r->mmu);
}

static int open_tlbs(struct rig *r, const struct rig_config *cfg)
{
	struct tlb_config tc = {.kind = TLB_ADVERSARIAL,
				.tables = &r->tt,
				.seed = cfg->seed,
				.evict = cfg->evict,
				.speculate = cfg->speculate,
				.report = on_report,
				.ctx = r};

	r->tt = (struct tlb_tables){.mem = r->mem,
				    .mfn = MFN(RIG_TABLE_MFN),
				    .tables = TABLES,
				    .levels = 4,
				    .gate_slot = ~0ull};
	if (tlb_tables_watch(&r->tt))
		return -1;
	for (unsigned i = 0; i < RIG_VCPUS; i++) {
		r->vcpu[i].r = r;
		r->vcpu[i].root = MFN_NONE;
		tc.vcpu = i;
		if (tlb_create(&tc, &r->vcpu[i].tlb))
			return -1;
	}
	return 0;
}

static void build(struct rig *r)
{
	static const unsigned down[][2] = {
		{RIG_A, RIG_PDPT}, {RIG_PDPT, RIG_PD}, {RIG_PD, RIG_PT}, {RIG_B, RIG_PDPT}};

	for (unsigned i = 0; i < sizeof(down) / sizeof(down[0]); i++)
		gmem_store(r->gm, GPA(down[i][0] << 12), rig_pte(down[i][1], RIG_RWU), 8);
	for (unsigned i = 0; i < 32; i++)
		gmem_store(r->gm, GPA((RIG_PT << 12) + 8 * i), rig_pte(RIG_DATA + i, RIG_RWU),
			   8);
}

struct rig *rig_open(const struct rig_config *cfg)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || open_mmu(r, cfg) || open_tlbs(r, cfg))
		return NULL;
	build(r);
	for (unsigned i = 0; i < RIG_VCPUS; i++) {
		if (sh_vcpu_create(r->mmu, i, &r->vcpu[i].v))
			return NULL;
		rig_cr3(r, i, RIG_A);
	}
	return r;
}

unsigned rig_close(struct rig *r)
{
	unsigned left;

	r->meanwhile = NULL;
	for (unsigned i = 0; i < RIG_VCPUS; i++)
		sh_vcpu_destroy(r->vcpu[i].v);
	left = sh_mmu_destroy(r->mmu);
	for (unsigned i = 0; i < RIG_VCPUS; i++)
		tlb_destroy(r->vcpu[i].tlb);
	tlb_tables_unwatch(&r->tt);
	left += gmem_thread_exit(r->gm);
	gmem_destroy(r->gm);
	free(r->mem);
	free(r);
	return left;
}

/* The hardware's own access: the guest physical address, or UINT64_MAX at #PF. */
static uint64_t native(struct rig_vcpu *vc, uint64_t va, unsigned flags, uint64_t *val)
{
	struct tlb_entry *e = tlb_lookup(vc->tlb, vc->root, GVA(va), flags);
	gpa_t gpa;

	if (!e)
		return UINT64_MAX;
	gpa = GPA(gmem_gfn(vc->r->gm, e->frame).v << 12 | (va & 4095));
	if (flags & SH_WRITE && sh_is_tracked(vc->r->mmu, gpa_gfn(gpa)))
		tlb_tracked_store(vc->tlb, e);
	if (flags & SH_WRITE)
		gmem_write(vc->r->gm, gpa, val, sizeof(*val));
	else
		gmem_read(vc->r->gm, gpa, val, sizeof(*val));
	return gpa.v;
}

static uint64_t emulate(struct rig_vcpu *vc, uint64_t va, unsigned flags, uint64_t *val)
{
	struct sh_walk w;

	if (sh_translate(vc->v, GVA(va), flags, &w) != SH_WALK_OK)
		return UINT64_MAX;
	if (flags & SH_WRITE)
		sh_write(vc->r->mmu, vc->v, w.gpa, val, sizeof(*val));
	else
		gmem_read(vc->r->gm, w.gpa, val, sizeof(*val));
	return w.gpa.v;
}

/* Guest code is the kernel's. */
static bool enter(struct rig_vcpu *vc)
{
	enum sh_view view = sh_view_of(sh_vcpu_mode(vc->v), false, false);

	if (sh_root(vc->v, view, &vc->root))
		return false;
	sh_root_loaded(vc->v, vc->root);
	return true;
}

static uint64_t access(struct rig *r, unsigned vcpu, uint64_t va, unsigned flags, uint64_t *val)
{
	struct rig_vcpu *vc = &r->vcpu[vcpu];

	for (unsigned i = 0; i < MAX_TRIES && enter(vc); i++) {
		uint64_t gpa = native(vc, va, flags, val);
		enum sh_fault_result fr;
		struct sh_walk w;

		if (gpa != UINT64_MAX)
			return gpa;
		fr = sh_fault(vc->v, GVA(va), flags, &w);
		if (fr == SH_FAULT_TRACKED)
			return emulate(vc, va, flags, val);
		if (fr != SH_FAULT_RESUME && fr != SH_FAULT_SPURIOUS)
			return UINT64_MAX;
	}
	on_report(r, "the access comes to no end");
	return UINT64_MAX;
}

uint64_t rig_load(struct rig *r, unsigned vcpu, uint64_t va)
{
	uint64_t val;

	return access(r, vcpu, va, SH_READ, &val);
}

uint64_t rig_store(struct rig *r, unsigned vcpu, uint64_t va, uint64_t val)
{
	return access(r, vcpu, va, SH_WRITE, &val);
}

void rig_glance(struct rig *r, unsigned vcpu, uint64_t va)
{
	struct rig_vcpu *vc = &r->vcpu[vcpu];

	if (!mfn_eq(vc->root, MFN_NONE))
		tlb_lookup(vc->tlb, vc->root, GVA(va), SH_READ);
}

void rig_invlpg(struct rig *r, unsigned vcpu, uint64_t va)
{
	sh_invlpg(r->vcpu[vcpu].v, GVA(va));
}

void rig_cr3(struct rig *r, unsigned vcpu, unsigned gfn)
{
	struct sh_regs regs = {.cr0 = 0x80010001ull, /* PG, WP, PE */
			       .cr3 = (uint64_t)gfn << 12,
			       .cr4 = 1ull << 5,  /* PAE */
			       .efer = 0xd00ull}; /* NXE, LMA, LME */

	sh_set_regs(r->vcpu[vcpu].v, &regs, SH_FLUSH_CURRENT);
}

void rig_put(struct rig *r, unsigned table, unsigned index, uint64_t entry)
{
	sh_write(r->mmu, r->vcpu[0].v, GPA(((uint64_t)table << 12) + 8 * index), &entry, 8);
}

void rig_churn(struct rig *r, unsigned vcpu, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned top = RIG_MORE + 4 * (i % 40);

		for (unsigned l = 0; l < 4; l++)
			rig_put(r, top + l, 0,
				rig_pte(l < 3 ? top + l + 1 : RIG_DATA, RIG_RWU));
		rig_cr3(r, vcpu, top);
		rig_load(r, vcpu, 0);
	}
}
