/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a random program on the fake engine and holds every outcome against the reference.
 *
 * Rules. What the hardware finds by walking the shadow tables must be what the guest's tables say
 * at that moment (checked as it walks), or, where a touch is still to come, have been so since this
 * vCPU's last flush. A TLB hit must be younger than the vCPU's last flush of that address. A fault
 * must be the reference's fault, to the bit. No native store reaches a tracked frame (checked by
 * the hardware). All of memory is compared with a mirror now and then: nothing else was changed.
 * Read first: shadow_program.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/shadow_program.h"

#define TABLES	 12u /* frames 0..11 are what entries like to name as tables */
#define FRAMES	 32u /* frames the program plays with */
#define VA_SLOTS 6u
#define VCPUS	 2u
#define LARGE	 512u /* frames of a region of 2 MiB: what large pages name */
#define REGIONS	 16u /* the memory's; the first has the tables, the next four one now and then */

#define PDPTS TABLES /* the frame PDPTs of PAE are taken from */

struct run {
	struct fake f;
	unsigned formats;
	struct verdict *v;
	uint8_t *mirror; /* FRAMES pages */
	uint64_t rng;
	uint64_t all_flushed[VCPUS];
	struct {
		uint64_t page, when;
	} flushed[VCPUS][1024];
};

static const unsigned slots[VA_SLOTS] = {0, 1, 2, 3, 5, 511};

static uint64_t rnd(struct run *r)
{
	uint64_t z = (r->rng += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool chance(struct run *r, unsigned percent)
{
	return rnd(r) % 100 < percent;
}

#define FAIL(r, ...)                                                             \
	do {                                                                     \
		if (!(r)->v->failed)                                             \
			snprintf((r)->v->why, sizeof((r)->v->why), __VA_ARGS__); \
		(r)->v->failed = true;                                           \
	} while (0)

static uint64_t upper_table(struct run *r)
{
	return LARGE * (1 + rnd(r) % 4) + rnd(r) % 3;
}

static uint64_t random_wide(struct run *r)
{
	uint64_t e = chance(r, 95) ? PTE_P : 0;
	uint64_t frame = rnd(r) % (chance(r, 93) ? TABLES : FRAMES);

	e |= (chance(r, 88) ? PTE_W : 0) | (chance(r, 85) ? PTE_U : 0);
	e |= (chance(r, 70) ? PTE_A : 0) | (chance(r, 40) ? PTE_D : 0);
	e |= chance(r, 4) ? PTE_NX : 0;
	if (r->formats >= 1u << SH_FMT_4LVL && chance(r, 40))
		e |= rnd(r) % 4 << 59;
	if (chance(r, 1))
		frame = upper_table(r);
	if (chance(r, 10)) {
		e |= PTE_PS;
		frame = chance(r, 30) ? 0 : rnd(r) % REGIONS * LARGE;
	}
	if (chance(r, 1))
		e |= 1ull << (40 + rnd(r) % 12);
	if (chance(r, 1))
		frame = 0x80000;
	return frame << 12 | e;
}

/* Two of 4 bytes: with bits 12 to 31 for the frame, and no NX. */
static uint64_t random_pair(struct run *r)
{
	return (random_wide(r) & 0xffffffff) | random_wide(r) << 32;
}

static uint64_t random_entry(struct run *r)
{
	bool narrow = r->formats & 1u << SH_FMT_32 &&
		      (r->formats == 1u << SH_FMT_32 || chance(r, 50));

	return narrow ? random_pair(r) : random_wide(r);
}

static const struct sh_format *format_of(struct run *r, unsigned vcpu)
{
	return &sh_formats[sh_vcpu_mode(r->f.vcpu[vcpu].v)->format];
}

/* Those bytes of a random entry that belong at this offset. */
static uint64_t random_bytes(struct run *r, unsigned offset)
{
	return random_entry(r) >> (8 * (offset & 7));
}

/* An address whose tables' entries are where random entries are written. */
static uint64_t random_va(struct run *r, unsigned vcpu)
{
	const struct sh_format *f = format_of(r, vcpu);
	unsigned unused = 64u - f->va_bits;
	uint64_t va = 0;

	if (!f->levels)
		return rnd(r) % (chance(r, 90) ? FRAMES : 4 * FRAMES) << 12;
	for (unsigned level = f->levels; level; level--) {
		uint64_t index =
			slots[rnd(r) % (chance(r, 85) ? level == 1 ? 3 : 1 : VA_SLOTS)];

		if (f->entry_bytes == 4)
			index = 2 * index + rnd(r) % 2;
		if (!f->level[level].perms)
			index = rnd(r) % 4;
		va |= index << f->level[level].shift;
	}
	if (!f->canonical) /* what lies above is cut off */
		return chance(r, 3) ? va | (rnd(r) & 0xffff) << 32 : va;
	if (chance(r, 1))
		return va;
	return (uint64_t)((int64_t)(va << unused) >> unused);
}

static uint64_t page_of(struct run *r, unsigned vcpu, uint64_t va)
{
	return sh_linear(format_of(r, vcpu), GVA(va)).v >> 12;
}

static unsigned random_offset(struct run *r, unsigned size)
{
	unsigned off = slots[rnd(r) % (chance(r, 70) ? 2 : VA_SLOTS)] * 8;

	if (size < 8)
		off += rnd(r) % (8 / size) * size;
	if (chance(r, 2))
		off += 1 + rnd(r) % 7;
	return off + size > 4096 ? 4096 - size : off;
}

static void mirror_write(struct run *r, uint64_t gpa, uint64_t val, unsigned size)
{
	if (gpa + size <= FRAMES * 4096)
		memcpy(r->mirror + gpa, &val, size);
}

static void mirror_marks(struct run *r, const struct mm_result *m)
{
	for (unsigned i = 0; i < m->marks; i++) {
		uint32_t e;

		if (m->mark[i].pa + 4 > FRAMES * 4096)
			continue;
		memcpy(&e, r->mirror + m->mark[i].pa, 4);
		mirror_write(r, m->mark[i].pa, e | m->mark[i].bits, 4);
	}
}

static void note_flush(struct run *r, unsigned vcpu, uint64_t page)
{
	unsigned i = page % 1021;

	/* A slot lost to another page only makes the rule weaker. */
	r->flushed[vcpu][i].page = page;
	r->flushed[vcpu][i].when = fake_now(&r->f);
}

static uint64_t last_flush(struct run *r, unsigned vcpu, uint64_t page)
{
	uint64_t all = r->all_flushed[vcpu];

	if (r->flushed[vcpu][page % 1021].page == page &&
	    r->flushed[vcpu][page % 1021].when > all)
		return r->flushed[vcpu][page % 1021].when;
	return all;
}

static void on_fill(void *ctx, const struct fake_path *p)
{
	struct run *r = ctx;
	struct mm_cpu cpu = fx_cpu(&r->f, p->vcpu);
	struct mm_access a = fx_access_of(p->gva.v, p->flags);
	struct mm_result m = mm_translate(&cpu, &a);

	if (p->uncertain)
		return;
	if (m.kind != MM_OK || m.marks || m.pa != p->gpa)
		FAIL(r,
		     "the hardware may: vcpu %u va %#lx flags %#x pa %#lx; the guest's tables "
		     "say %d error %#x pa %#lx with %u marks missing",
		     p->vcpu, (unsigned long)p->gva.v, p->flags, (unsigned long)p->gpa, m.kind,
		     m.error, (unsigned long)m.pa, m.marks);
}

static void step_access(struct run *r)
{
	static const unsigned sizes[] = {8, 8, 8, 8, 4, 2, 1, 8};
	unsigned vcpu = rnd(r) % VCPUS, size = sizes[rnd(r) % 8], flags;
	uint64_t va = random_va(r, vcpu), val;
	struct mm_cpu cpu = fx_cpu(&r->f, vcpu);
	struct mm_access a;
	struct mm_result m;
	struct fake_result got;

	flags = (rnd(r) % 3 == 0 ? SH_WRITE
		 : chance(r, 20) ? SH_FETCH
				 : 0) |
		(chance(r, 40) ? SH_USER : 0) | (chance(r, 60) ? SH_AC : 0);
	va |= random_offset(r, size);
	val = random_bytes(r, va & 7);
	a = fx_access_of(va, flags);
	m = mm_translate(&cpu, &a);
	got = fake_access(&r->f, vcpu, va, flags, &val, size);
	r->v->accesses++;
	r->v->hits += got.tlb_hit;
	r->v->emulated += got.emulated;
	r->v->faults_true += got.kind == FAKE_PF;
	if (got.tlb_hit) {
		if (got.filled < last_flush(r, vcpu, page_of(r, vcpu, va)))
			FAIL(r, "a translation outlived its flush: vcpu %u va %#lx", vcpu,
			     (unsigned long)va);
	} else if (got.kind == FAKE_OK && !got.emulated && r->f.cfg.pde_cache) {
		/* Perhaps through a cached directory entry: the fill hook judged it. */
		if (got.faults && got.gpa == m.pa)
			mirror_marks(r, &m);
	} else if (!fx_agrees(&r->f, &m, &got) && !(r->f.cfg.gated && got.kind == FAKE_OK) &&
		   !(m.kind == MM_OK && got.kind == FAKE_OK && flags & SH_WRITE)) {
		FAIL(r,
		     "vcpu %u va %#lx flags %#x: reference %d error %#x pa %#lx, shadow %d "
		     "error %#x pa %#lx last %d faults %u",
		     vcpu, (unsigned long)va, flags, m.kind, m.error, (unsigned long)m.pa,
		     got.kind, got.error, (unsigned long)got.gpa, got.last, got.faults);
	} else if (m.kind == MM_OK && got.kind == FAKE_OK) {
		if (m.pa != got.gpa && !r->f.cfg.gated)
			FAIL(r, "vcpu %u va %#lx: reference pa %#lx, shadow pa %#lx", vcpu,
			     (unsigned long)va, (unsigned long)m.pa, (unsigned long)got.gpa);
		if (got.faults) /* else the fill hook knows that none was missing */
			mirror_marks(r, &m);
	}
	if (got.kind == FAKE_OK && flags & SH_WRITE)
		mirror_write(r, got.gpa, val, size);
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

	if (sh_write(r->f.mmu, v, GPA(gpa), val, size))
		FAIL(r, "sh_write failed");
	if (gpa + size <= FRAMES * 4096)
		memcpy(r->mirror + gpa, val, size);
	r->v->writes++;
}

static void step_cmpxchg(struct run *r)
{
	uint64_t gpa = (rnd(r) % TABLES << 12) + slots[rnd(r) % VA_SLOTS] * 8;
	uint64_t expect, val = random_entry(r);

	memcpy(&expect, r->mirror + gpa, 8);
	if (sh_cmpxchg(r->f.mmu, r->f.vcpu[0].v, GPA(gpa), &expect, val, 8) != 1)
		FAIL(r, "sh_cmpxchg of what is there failed");
	mirror_write(r, gpa, val, 8);
}

static void step_invlpg(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS;
	uint64_t va = random_va(r, vcpu);

	fx_invlpg(&r->f, vcpu, va);
	note_flush(r, vcpu, page_of(r, vcpu, va));
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
	sh_write(r->f.mmu, r->f.vcpu[0].v, GPA(gpa), pdpte, sizeof(pdpte));
	memcpy(r->mirror + gpa, pdpte, sizeof(pdpte));
}

/* What the registers' new values do besides: PAE loads and checks the PDPTEs. False: #GP. */
static bool load_regs(struct run *r, unsigned vcpu, struct sh_regs *regs, bool flush)
{
	struct sh_mode mode = sh_mode_of(regs, &r->f.cfg.model);
	struct mm_cpu cpu = fx_cpu(&r->f, vcpu);

	if (mode.format == SH_FMT_PAE && flush) {
		cpu.cr3 = regs->cr3;
		if (!mm_load_pdptes(&cpu))
			return false;
		memcpy(regs->pdpte, cpu.pdpte, sizeof(regs->pdpte));
	}
	fake_set_regs(&r->f, vcpu, regs, flush);
	if (flush)
		r->all_flushed[vcpu] = fake_now(&r->f);
	return true;
}

static uint64_t random_cr3(struct run *r, enum sh_format_id format)
{
	if (format == SH_FMT_PAE)
		return (PDPTS << 12) + rnd(r) % 4 * 32;
	return rnd(r) % (chance(r, 70) ? 3 : TABLES) << 12;
}

static void set_format(struct sh_regs *regs, enum sh_format_id format)
{
	static const struct {
		uint64_t cr4, efer;
	} bits[] = {[SH_FMT_PAE] = {1 << 5, 0},
		    [SH_FMT_4LVL] = {1 << 5, 0x500},
		    [SH_FMT_5LVL] = {1 << 5 | 1 << 12, 0x500}};

	regs->cr0 = (regs->cr0 & ~(1ull << 31)) | (uint64_t)(format != SH_FMT_NONE) << 31;
	regs->cr4 = (regs->cr4 & ~(1ull << 5 | 1ull << 12)) | bits[format].cr4;
	regs->efer = (regs->efer & ~0x500ull) | bits[format].efer;
}

/* To another of the program's formats, on the same memory. */
static void step_format(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS, format = rnd(r) % SH_FORMATS;
	struct sh_regs regs = *sh_vcpu_regs(r->f.vcpu[vcpu].v);

	if (!(r->formats & 1u << format))
		return;
	set_format(&regs, format);
	regs.cr3 = random_cr3(r, format);
	r->v->switches += load_regs(r, vcpu, &regs, true);
}

static void step_cr3(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS;
	struct sh_regs regs = *sh_vcpu_regs(r->f.vcpu[vcpu].v);

	regs.cr3 = random_cr3(r, sh_vcpu_mode(r->f.vcpu[vcpu].v)->format);
	load_regs(r, vcpu, &regs, true);
}

static void step_mode(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS;
	struct sh_regs regs = *sh_vcpu_regs(r->f.vcpu[vcpu].v);
	bool flush = true;

	switch (rnd(r) % (r->formats & 1u << SH_FMT_32 ? 8 : 7)) {
	case 0:
		regs.cr0 ^= R_WP;
		flush = false; /* not one of SDM vol. 3, 4.10.4.1 */
		break;
	case 1:
		regs.cr4 ^= R_SMEP;
		break;
	case 2:
		regs.cr4 ^= R_SMAP;
		break;
	case 3:
		regs.efer ^= R_NXE;
		break;
	case 4:
		regs.cr4 ^= chance(r, 50) ? 1ull << 22 : 1ull << 24; /* PKE, PKS */
		break;
	case 5: /* WRPKRU flushes nothing */
		regs.pkru = (uint32_t)(rnd(r) & rnd(r) & rnd(r));
		flush = false;
		break;
	case 6:
		regs.pkrs = (uint32_t)(rnd(r) & rnd(r) & rnd(r));
		flush = false;
		break;
	default:
		regs.cr4 ^= 1 << 4; /* PSE */
		break;
	}
	/* No change of these loads PDPTEs but that of PSE and SMEP (SDM vol. 3, section 4.4.1). */
	fake_set_regs(&r->f, vcpu, &regs, flush);
	if (flush)
		r->all_flushed[vcpu] = fake_now(&r->f);
}

static const struct {
	unsigned percent;
	void (*fn)(struct run *r);
} kinds[] = {{80, step_access}, {8, step_write}, {1, step_cmpxchg}, {5, step_invlpg},
	     {2, step_cr3},	{2, step_mode},	 {1, step_pdpt},    {1, step_format}};

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
	uint8_t page[4096];

	if (sh_audit(r->f.mmu, buf, sizeof(buf)))
		FAIL(r, "audit: %s", buf);
	sh_mmu_stats(r->f.mmu, &st);
	r->v->large_seen += st.pages_2m + st.pages_1g;
	for (unsigned i = 0; i < FRAMES && !r->v->failed; i++) {
		gmem_read(r->f.gm, GPA((uint64_t)i << 12), page, sizeof(page));
		for (unsigned e = 0; e < 4096; e += 8)
			if (memcmp(page + e, r->mirror + i * 4096 + e, 8)) {
				uint64_t a, b;

				memcpy(&a, page + e, 8);
				memcpy(&b, r->mirror + i * 4096 + e, 8);
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
	r->mirror = calloc(FRAMES, 4096);
	r->rng = p->seed;
	r->formats = p->formats;
	for (unsigned t = 0; t < TABLES; t++)
		for (unsigned s = 0; s < VA_SLOTS; s++) {
			uint64_t e = random_entry(r), gpa = (t << 12) + 8 * slots[s];

			gmem_store(r->f.gm, GPA(gpa), e, 8);
			mirror_write(r, gpa, e, 8);
		}
	set_format(&regs, (unsigned)__builtin_ctz(r->formats));
	for (unsigned i = 0; i < VCPUS; i++)
		fake_set_regs(&r->f, i, &regs, true);
	r->f.on_fill = on_fill;
	r->f.ctx = r;
	return r->mirror;
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
	free(r->mirror);
	free(r);
}
