/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a random program on the fake engine and holds every outcome against the reference.
 *
 * Rules. What the hardware finds by walking the shadow tables must be what the guest's tables say
 * at that moment (checked as it walks). With the technique "unsync" on, through a cached directory
 * entry, or where a touch is still to come, it may also be what a processor that keeps all it may
 * could have cached (tests/model/stale.h); so may a TLB hit. A fault must be the reference's fault by
 * the tables as they are, to the bit. No native store reaches a tracked frame (checked by the
 * hardware). Memory is compared with what it should be now and then: nothing else was changed.
 * Read first: shadow_program.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shadow/share.h"
#include "tests/unit/shadow_run.h"

const char *const program_bug_names[PROGRAM_BUGS] = {
	[PROGRAM_BUG_NONE] = "none",
	[PROGRAM_BUG_INVLPG] = "invlpg-lost",
	[PROGRAM_BUG_CR3] = "cr3-lost",
	[PROGRAM_BUG_CR4] = "cr4-lost",
	[PROGRAM_BUG_INVPCID_PAGE] = "invpcid-page-lost",
	[PROGRAM_BUG_INVPCID_ONE] = "invpcid-one-lost",
	[PROGRAM_BUG_INVPCID_ALL] = "invpcid-all-lost",
	[PROGRAM_BUG_INVPCID_OTHERS] = "invpcid-non-global-lost",
};

/* Bits of A and D that the tables' walker has set, or must have: is to have. */
static void tell_marks(struct run *r, const struct mm_result *m, bool must)
{
	for (unsigned i = 0; i < m->marks; i++) {
		uint32_t e, real = 0;

		stale_read(r->s, m->mark[i].pa, &e, 4);
		gmem_read(r->f.gm, GPA(m->mark[i].pa), &real, 4);
		e |= (uint32_t)m->mark[i].bits;
		if (must || real == e)
			stale_write(r->s, m->mark[i].pa, &e, 4);
	}
}

static bool is_now(const struct mm_result *m, uint64_t gpa)
{
	return m->kind == MM_OK && !m->marks && m->pa == gpa;
}

/* Whether the hardware may translate so by something it, or the shadow, remembers. */
static bool may_be_stale(struct run *r, unsigned vcpu, const struct mm_access *a, uint64_t gpa)
{
	if (r->now)
		tell_marks(r, r->now, false);
	if (!stale_permits(r->s, vcpu, a, gpa))
		return false;
	r->v->stale++;
	return true;
}

static void on_fill(void *ctx, const struct fake_path *p)
{
	struct run *r = ctx;
	struct mm_cpu cpu = fx_cpu(&r->f, p->vcpu);
	struct mm_access a = fx_access_of(p->gva.v, p->flags);
	struct mm_result m = mm_translate(&cpu, &a);

	if (is_now(&m, p->gpa))
		return;
	if ((p->uncertain || r->f.cfg.options.on[SH_OPT_UNSYNC]) &&
	    may_be_stale(r, p->vcpu, &a, p->gpa))
		return;
	FAIL(r,
	     "the hardware may: vcpu %u va %#lx flags %#x pa %#lx%s; the guest's tables "
	     "say %d error %#x pa %#lx with %u marks missing",
	     p->vcpu, (unsigned long)p->gva.v, p->flags, (unsigned long)p->gpa,
	     p->uncertain ? " (uncertain)" : "", m.kind, m.error, (unsigned long)m.pa, m.marks);
}

/* The outcome of an access that the hardware took no remembered translation for. */
static void judge(struct run *r, unsigned vcpu, uint64_t va, unsigned flags,
		  const struct mm_result *m, const struct fake_result *got)
{
	bool native = got->kind == FAKE_OK && !got->emulated;
	bool overwritten = m->kind == MM_OK && got->kind == FAKE_OK && flags & SH_WRITE;

	if (native) /* the fill hook judged it */
		return;
	if (!fx_agrees(&r->f, m, got) && !(overwritten && m->pa == got->gpa))
		FAIL(r,
		     "vcpu %u va %#lx flags %#x: reference %d error %#x pa %#lx, shadow %d "
		     "error %#x pa %#lx last %d faults %u",
		     vcpu, (unsigned long)va, flags, m->kind, m->error, (unsigned long)m->pa,
		     got->kind, got->error, (unsigned long)got->gpa, got->last, got->faults);
}

static void judge_hit(struct run *r, unsigned vcpu, const struct mm_access *a,
		      const struct mm_result *m, const struct fake_result *got)
{
	if (!is_now(m, got->gpa) && !may_be_stale(r, vcpu, a, got->gpa))
		FAIL(r,
		     "a translation outlived its flush: vcpu %u va %#lx pa %#lx write %d fetch "
		     "%d user %d; reference %d error %#x pa %#lx",
		     vcpu, (unsigned long)a->va, (unsigned long)got->gpa, a->write, a->fetch,
		     a->user, m->kind, m->error, (unsigned long)m->pa);
}

static void step_access(struct run *r)
{
	static const unsigned sizes[] = {8, 8, 8, 8, 4, 2, 1, 8};
	unsigned vcpu = rnd(r) % VCPUS, size = sizes[rnd(r) % 8], flags;
	uint64_t *recent = &r->recent[vcpu][rnd(r) % RECENT], val;
	uint64_t va = chance(r, 40) ? *recent : random_va(r, vcpu);
	struct mm_cpu cpu = fx_cpu(&r->f, vcpu);
	struct mm_access a;
	struct mm_result m;
	struct fake_result got;

	flags = (rnd(r) % 3 == 0 ? SH_WRITE
		 : chance(r, 20) ? SH_FETCH
				 : 0) |
		(chance(r, 40) ? SH_USER : 0) | (chance(r, 60) ? SH_AC : 0);
	*recent = va;
	va |= random_offset(r, size);
	val = random_bytes(r, va & 7);
	a = fx_access_of(va, flags);
	m = mm_translate(&cpu, &a);
	r->now = &m;
	got = fake_access(&r->f, vcpu, va, flags, &val, size);
	r->v->accesses++;
	r->v->hits += got.tlb_hit;
	r->v->emulated += got.emulated;
	r->v->faults_true += got.kind == FAKE_PF;
	if (got.tlb_hit)
		judge_hit(r, vcpu, &a, &m, &got);
	else
		judge(r, vcpu, va, flags, &m, &got);
	r->now = NULL;
	/* The library walked the tables; else all marks were there, or the memory of them was. */
	if (m.kind == MM_OK && got.kind == FAKE_OK && got.faults)
		tell_marks(r, &m, true);
	if (got.kind == FAKE_OK && flags & SH_WRITE)
		stale_write(r->s, got.gpa, &val, size);
	if (got.kind == FAKE_PF)
		stale_fault(r->s, vcpu, va);
}

static void write_table(struct run *r, struct sh_vcpu *v, uint64_t gpa, const void *val,
			unsigned size)
{
	if (sh_write(r->f.mmu, v, GPA(gpa), val, size))
		FAIL(r, "sh_write failed");
	stale_write(r->s, gpa, val, size);
}

/* An emulated or foreign write straight to a table. */
static void step_write(struct run *r)
{
	static const unsigned sizes[] = {8, 8, 8, 8, 8, 4, 2, 1, 16, 3};
	unsigned size = sizes[rnd(r) % 10];
	uint64_t table = chance(r, 85) ? rnd(r) % TABLES : upper_table(r);
	uint64_t gpa = (table << 12) + random_offset(r, size > 8 ? 16 : size);
	uint64_t val[2] = {random_bytes(r, gpa & 7), random_entry(r)};
	struct sh_vcpu *v = chance(r, 30) ? NULL : r->f.vcpu[rnd(r) % VCPUS].v;

	write_table(r, v, gpa, val, size);
	r->v->writes++;
}

/* An entry in two halves, as a 32-bit kernel writes those of PAE, with something in between. */
static void step_halves(struct run *r)
{
	uint64_t gpa = (rnd(r) % TABLES << 12) + slots[rnd(r) % VA_SLOTS] * 8;
	uint64_t val = random_entry(r), first = rnd(r) % 2 * 4;
	struct sh_vcpu *v = r->f.vcpu[rnd(r) % VCPUS].v;

	write_table(r, v, gpa + first, (uint8_t *)&val + first, 4);
	step_access(r);
	write_table(r, v, gpa + 4 - first, (uint8_t *)&val + 4 - first, 4);
	r->v->writes += 2;
}

static void step_cmpxchg(struct run *r)
{
	uint64_t gpa = (rnd(r) % TABLES << 12) + slots[rnd(r) % VA_SLOTS] * 8;
	uint64_t expect, val = random_entry(r);

	stale_read(r->s, gpa, &expect, 8);
	if (sh_cmpxchg(r->f.mmu, r->f.vcpu[0].v, GPA(gpa), &expect, val, 8) != 1)
		FAIL(r, "sh_cmpxchg of what is there failed");
	stale_write(r->s, gpa, &val, 8);
}

static void step_invlpg(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS;
	uint64_t va = some_va(r, vcpu);

	if (r->bug != PROGRAM_BUG_INVLPG)
		fx_invlpg(&r->f, vcpu, va);
	if (canonical(r, vcpu, va)) /* else it does nothing */
		stale_invlpg(r->s, vcpu, va);
}

static void step_invpcid(struct run *r)
{
	static const uint8_t types[] = {0, 0, 0, 0, 1, 1, 2, 3};
	unsigned vcpu = rnd(r) % VCPUS, type = types[rnd(r) % 8];
	struct sh_vcpu *v = r->f.vcpu[vcpu].v;
	uint64_t va = some_va(r, vcpu);
	uint16_t pcid = sh_vcpu_regs(v)->cr4 & R_PCIDE ? rnd(r) % PCIDS : 0;

	if (type == 0 && !canonical(r, vcpu, va))
		return; /* #GP */
	if (r->bug != PROGRAM_BUG_INVPCID_PAGE + type)
		sh_invpcid(v, type, pcid, GVA(va));
	stale_invpcid(r->s, vcpu, type, pcid, va);
}

/* A PDPT in memory, which nobody is to look at before the next MOV CR3. */
static void step_pdpt(struct run *r)
{
	uint64_t pdpte[4], gpa = (PDPTS << 12) + rnd(r) % 4 * 32;

	for (unsigned i = 0; i < 4; i++) {
		pdpte[i] = chance(r, 85) ? fx_pte(rnd(r) % TABLES, PTE_P) : 0;
		if (chance(r, 2))
			pdpte[i] |= 1ull << rnd(r) % 64;
	}
	write_table(r, r->f.vcpu[0].v, gpa, pdpte, sizeof(pdpte));
}

/* The monitor takes translations from a root, all or some. To the guest that is nothing. */
static void step_zap(struct run *r)
{
	struct sh_root_info root[64];
	unsigned n = sh_roots(r->f.mmu, root, 64);
	struct sh_vcpu *v = chance(r, 50) ? NULL : r->f.vcpu[rnd(r) % VCPUS].v;
	uint64_t va = some_va(r, 0), size = 1ull << (12 + rnd(r) % 30);
	const struct sh_root_info *at;
	struct sh_zap z;

	if (!n)
		return;
	at = &root[rnd(r) % (n < 64 ? n : 64)];
	if (chance(r, 20))
		sh_zap_root(r->f.mmu, v, at->gfn, at->role, &z);
	else
		sh_zap_range(r->f.mmu, v, at->gfn, at->role, GVA(va), GVA(va | (size - 1)), &z);
	r->v->zaps++;
	r->v->unshared += z.unshared;
}

static const struct {
	unsigned percent;
	void (*fn)(struct run *r);
} kinds[] = {
	{1, step_zap},	   {74, step_access}, {7, step_write},	{1, step_halves},
	{1, step_cmpxchg}, {5, step_invlpg},  {3, step_cr3},	{3, step_mode},
	{3, step_invpcid}, {1, step_pdpt},    {1, step_format},
};

static void one_step(struct run *r)
{
	unsigned at = rnd(r) % 100;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (at < kinds[i].percent) {
			kinds[i].fn(r);
			return;
		}
		at -= kinds[i].percent;
	}
}

static void check(struct run *r)
{
	char buf[300] = "";
	struct sh_stats st;
	uint8_t page[4096], want[4096];

	if (sh_audit(r->f.mmu, buf, sizeof(buf)))
		FAIL(r, "audit: %s", buf);
	sh_mmu_stats(r->f.mmu, &st);
	r->v->large_seen += st.pages_2m + st.pages_1g;
	for (unsigned i = 0; i < FRAMES && !r->v->failed; i++) {
		gmem_read(r->f.gm, GPA((uint64_t)i << 12), page, sizeof(page));
		stale_read(r->s, (uint64_t)i << 12, want, sizeof(want));
		if (!memcmp(page, want, sizeof(page)))
			continue;
		for (unsigned e = 0; e < 4096; e += 8)
			if (memcmp(page + e, want + e, 8)) {
				uint64_t a, b;

				memcpy(&a, page + e, 8);
				memcpy(&b, want + e, 8);
				FAIL(r, "memory at %#x is %#lx, expected %#lx", i * 4096 + e,
				     (unsigned long)a, (unsigned long)b);
			}
	}
}

static bool start(struct run *r, const struct program *p)
{
	struct sh_regs regs = fx_regs(0);

	if (fake_create(&p->cfg, &r->f))
		return false;
	r->s = stale_create(VCPUS, p->cfg.size);
	if (!r->s)
		return false;
	r->bug = p->bug;
	r->rng = p->seed;
	r->formats = p->formats;
	for (unsigned t = 0; t < TABLES; t++)
		for (unsigned s = 0; s < VA_SLOTS; s++) {
			uint64_t e = random_entry(r), gpa = (t << 12) + 8 * slots[s];

			gmem_store(r->f.gm, GPA(gpa), e, 8);
			stale_write(r->s, gpa, &e, 8);
		}
	set_format(&regs, (unsigned)__builtin_ctz(r->formats));
	for (unsigned i = 0; i < VCPUS; i++)
		jump(r, i, &regs);
	r->f.on_fill = on_fill;
	r->f.ctx = r;
	return true;
}

void program_run(const struct program *p, struct verdict *v)
{
	struct run *r = calloc(1, sizeof(*r));

	*v = (struct verdict){0};
	r->v = v;
	if (!start(r, p))
		FAIL(r, "can't start");
	for (size_t i = 0; i < p->steps && !v->failed; i++) {
		r->rng = p->seed * 0x2545f4914f6cdd1dull + p->step[i] * 0x9e3779b97f4a7c15ull;
		rnd(r);
		one_step(r);
		v->at = p->step[i];
		if (r->f.violations)
			FAIL(r, "%s", r->f.why);
		if (i % p->audit_every == p->audit_every - 1 || i == p->steps - 1)
			check(r);
	}
	if (!v->failed) {
		struct sh_stats st;

		sh_mmu_stats(r->f.mmu, &st);
		v->tracked_writes = st.v[SH_ST_PTE_WRITE];
		v->large = st.v[SH_ST_LARGE];
		v->splits = st.v[SH_ST_LARGE_SPLIT];
	}
	if (fake_destroy(&r->f))
		FAIL(r, "leaks at the end");
	stale_destroy(r->s);
	free(r);
}
