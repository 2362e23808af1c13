/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzing the shadow MMU: bytes become a guest on the fake engine. The first three choose the
 * configuration; then each step is an operation byte and what that operation takes from the input.
 *
 * Checks what must hold for every input: the audit is clean every 32 steps and at the end, nothing
 * leaks, the hardware meets no table that is none and no store reaches a tracked frame natively, a
 * translation the hardware makes is the reference's, and so is a fault, to the bit.
 *
 * make fuzz runs it with an engine, tests/fuzz/replay.c on its corpus.
 * Read first: fake_engine.h, tests/model/mmu_model.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "tests/model/mmu_model.h"
#include "tests/unit/fake_engine.h"

#define VCPUS	  2u
#define TABLES	  48u
#define FEW	  (SH_MIN_TABLES + 4u)
#define FRAMES	  12u /* where entries lie and what they name */
#define MAX_STEPS 1024u
#define SLOTS	  61u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

struct fuzz {
	struct fake f;
	struct input in;
	/* When each vCPU last flushed everything, and the page in each slot. */
	uint64_t all_flushed[VCPUS];
	struct {
		uint64_t page, when;
	} flushed[VCPUS][SLOTS];
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)(in->at < in->end ? *in->at++ : 0) << (8 * i);
	return v;
}

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "shadow fuzz: %s: %s\n", what, detail);
	abort();
}

static void check(struct fuzz *z)
{
	char buf[512] = "";

	if (sh_audit(z->f.mmu, buf, sizeof(buf)))
		die("audit", buf);
	if (z->f.violations)
		die("hardware", z->f.why);
}

static uint64_t read_memory(void *ctx, uint64_t pa, unsigned bytes)
{
	uint64_t v = 0;

	if (gmem_read(ctx, GPA(pa), &v, bytes))
		return bytes == 8 ? UINT64_MAX : UINT32_MAX;
	return v;
}

static struct mm_cpu cpu_of(struct fuzz *z, const struct sh_regs *r)
{
	struct mm_cpu c = {.cr0 = r->cr0,
			   .cr3 = r->cr3,
			   .cr4 = r->cr4,
			   .efer = r->efer,
			   .maxphyaddr = z->f.cfg.model.maxphyaddr,
			   .gb_pages = z->f.cfg.model.gb_pages,
			   .read = read_memory,
			   .ctx = z->f.gm};

	memcpy(c.pdpte, r->pdpte, sizeof(c.pdpte));
	return c;
}

static struct mm_result reference(struct fuzz *z, unsigned vcpu, uint64_t va, unsigned flags)
{
	struct mm_cpu c = cpu_of(z, sh_vcpu_regs(z->f.vcpu[vcpu].v));
	struct mm_access a = {.va = va,
			      .write = flags & SH_WRITE,
			      .fetch = flags & SH_FETCH,
			      .user = flags & SH_USER,
			      .ac = flags & SH_AC};

	return mm_translate(&c, &a);
}

static void on_fill(void *ctx, const struct fake_path *p)
{
	struct fuzz *z = ctx;
	struct mm_result m = reference(z, p->vcpu, p->gva.v, p->flags);

	if (!p->uncertain && (m.kind != MM_OK || m.marks || m.pa != p->gpa))
		die("the hardware may", "what the guest's tables forbid");
}

static uint64_t address(struct input *in)
{
	static const uint16_t index[] = {0, 0, 0, 1, 2, 5, 256, 511};
	uint64_t way = take(in, 2), va = 0;

	for (unsigned level = 0; level < 4; level++)
		va = va << 9 | index[way >> (3 * level) & 7];
	return (uint64_t)((int64_t)(va << 28) >> 16) | (way >> 12 & 1) << 3;
}

/* A likely guest entry out of three bytes. */
static uint64_t entry(struct input *in)
{
	uint64_t frame = take(in, 1), bits = take(in, 2), e;

	e = (bits & 0x1ff) ^ (PTE_P | PTE_W | PTE_U | PTE_A);
	e |= bits & 0x200 ? PTE_NX : 0;
	e |= (bits >> 10 & 31) == 31 ? 1ull << (32 + frame % 31) : 0;
	if (frame >= 0xf0)
		frame = (frame & 1 ? 512ull : 0x80000ull) + (frame >> 1 & 7);
	else
		frame %= 2 * FRAMES;
	return frame << SH_PAGE_SHIFT | e;
}

static gpa_t place(struct input *in)
{
	uint64_t v = take(in, 2);

	/* Mostly entries that addresses use; now and then any byte. */
	if (v & 0x8000)
		return GPA((v & 0x7fff) * 3 % (FRAMES << SH_PAGE_SHIFT));
	return GPA((v % FRAMES) << SH_PAGE_SHIFT | (v >> 4 & 1 ? 0xff8 : (v >> 5 & 7) * 8));
}

static void step_entry(struct fuzz *z, unsigned op)
{
	gpa_t at = place(&z->in);
	uint64_t e = entry(&z->in);
	struct sh_vcpu *v = op & 0x10 ? NULL : z->f.vcpu[op >> 5 & 1].v;

	sh_write(z->f.mmu, v, at, &e, op & 0x40 ? 4 : 8);
}

/* Any bytes, 1 to 8 or a run of them, anywhere, into the next page too. */
static void step_bytes(struct fuzz *z, unsigned op)
{
	uint64_t b[4];
	gpa_t at = place(&z->in);
	unsigned n = 1 + (op >> 5 & 7);

	at.v += take(&z->in, 1) & 7;
	b[0] = take(&z->in, n);
	b[1] = b[2] = b[3] = b[0];
	sh_write(z->f.mmu, op & 0x10 ? NULL : z->f.vcpu[0].v, at, b, op & 8 ? n + 24 : n);
}

static void step_cmpxchg(struct fuzz *z, unsigned op)
{
	unsigned size = 1u << (op >> 5 & 3);
	gpa_t at = GPA(place(&z->in).v & ~(uint64_t)(size - 1));
	uint64_t expect = 0, want = entry(&z->in);

	if (op & 0x10)
		gmem_read(z->f.gm, at, &expect, size);
	sh_cmpxchg(z->f.mmu, op & 0x80 ? NULL : z->f.vcpu[1].v, at, &expect, want, size);
}

/* A slot lost to another page only makes the rule weaker. */
static uint64_t last_flush(const struct fuzz *z, unsigned vcpu, uint64_t page)
{
	uint64_t all = z->all_flushed[vcpu];
	unsigned i = page % SLOTS;

	return z->flushed[vcpu][i].page == page && z->flushed[vcpu][i].when > all
		       ? z->flushed[vcpu][i].when
		       : all;
}

static void judge(struct fuzz *z, unsigned vcpu, uint64_t va, const struct mm_result *m,
		  const struct fake_result *got)
{
	bool stale = z->f.cfg.gated || z->f.cfg.pde_cache;

	if (got->kind == FAKE_STUCK)
		die("access", "the fault does not end");
	if (got->tlb_hit && got->filled < last_flush(z, vcpu, va >> SH_PAGE_SHIFT))
		die("access", "a translation outlived its flush");
	if (got->tlb_hit || got->kind == FAKE_HOST)
		return;
	if (got->kind == FAKE_PF && (m->kind != MM_PF || m->error != got->error))
		die("access", "a fault that is not the reference's");
	if (got->kind == FAKE_NOT_CANON && m->kind != MM_NOT_CANONICAL)
		die("access", "canonical, says the reference");
	if (got->kind == FAKE_OK && m->kind != MM_OK && !stale)
		die("access", "a fault of the reference's was missed");
}

static void step_access(struct fuzz *z, unsigned op)
{
	static const unsigned size[] = {8, 4, 2, 1};
	unsigned vcpu = op >> 4 & 1, how = (unsigned)take(&z->in, 1);
	unsigned flags = (op & 0x20 ? SH_USER : 0) | (op & 0x40 ? SH_WRITE : 0);
	uint64_t va = address(&z->in), val = flags & SH_WRITE ? entry(&z->in) : 0;
	struct fake_result got;
	struct mm_result m;

	if (how & 1 && !(flags & SH_WRITE))
		flags |= SH_FETCH;
	flags |= how & 2 ? SH_AC : 0;
	if (how == 0xff)
		va ^= 1ull << 47;
	m = reference(z, vcpu, va, flags);
	got = fake_access(&z->f, vcpu, va, flags, &val, size[how >> 2 & 3]);
	judge(z, vcpu, va, &m, &got);
}

static void step_flush(struct fuzz *z, unsigned op)
{
	unsigned vcpu = op >> 4 & 1;
	uint64_t va, page;

	if (op & 0x20) {
		sh_flush_all(z->f.vcpu[vcpu].v);
		z->all_flushed[vcpu] = fake_now(&z->f);
		return;
	}
	va = address(&z->in);
	page = va >> SH_PAGE_SHIFT;
	sh_invlpg(z->f.vcpu[vcpu].v, GVA(va));
	z->flushed[vcpu][page % SLOTS].page = page;
	z->flushed[vcpu][page % SLOTS].when = fake_now(&z->f);
}

/* Loads registers as the instruction would: with PAE paging the PDPTEs come along, or it faults. */
static void load(struct fuzz *z, unsigned vcpu, struct sh_regs *r, bool flush)
{
	struct mm_cpu c = cpu_of(z, r);

	if (r->cr0 >> 31 & 1 && r->cr4 >> 5 & 1 && !(r->efer >> 10 & 1)) {
		if (!mm_load_pdptes(&c))
			return;
		memcpy(r->pdpte, c.pdpte, sizeof(r->pdpte));
	}
	fake_set_regs(&z->f, vcpu, r, flush);
	if (flush)
		z->all_flushed[vcpu] = fake_now(&z->f);
}

static void step_cr3(struct fuzz *z, unsigned op)
{
	unsigned vcpu = op >> 4 & 1;
	struct sh_regs r = *sh_vcpu_regs(z->f.vcpu[vcpu].v);

	r.cr3 = take(&z->in, 1) % FRAMES << SH_PAGE_SHIFT;
	load(z, vcpu, &r, true);
}

static void step_mode(struct fuzz *z, unsigned op)
{
	static const uint64_t cr4[] = {1ull << 20, 1ull << 21, 1ull << 4,
				       1ull << 5,  1ull << 12, 1ull << 7};
	unsigned vcpu = op >> 4 & 1, what = (unsigned)take(&z->in, 1);
	struct sh_regs r = *sh_vcpu_regs(z->f.vcpu[vcpu].v);

	if (what & 0x80) /* rarely, or everything ends in modes that have nothing mapped */
		r.cr4 ^= cr4[what % 6];
	else if (what & 0x40)
		r.cr4 ^= cr4[what & 1];
	else if (what & 0x20)
		r.efer ^= 1ull << (what == 0x3f ? 10 : 11);
	else
		r.cr0 ^= 1ull << (what == 0x1f ? 31 : 16);
	if (r.efer & 1ull << 10 && r.cr0 >> 31 & 1 && !(r.cr4 & 1ull << 5))
		return; /* #GP */
	/* CR0.WP alone drops nothing (SDM vol. 3, section 4.10.4.1). */
	load(z, vcpu, &r, what & 0xe0 || what == 0x1f);
}

static void one_step(struct fuzz *z)
{
	static void (*const step[])(struct fuzz * z, unsigned op) = {
		step_access, step_access, step_access, step_entry,
		step_entry,  step_bytes,  step_flush,  step_access,
	};
	unsigned op = (unsigned)take(&z->in, 1);

	if ((op & 15) == 15)
		step_mode(z, op);
	else if ((op & 15) == 14)
		step_cr3(z, op);
	else if ((op & 15) == 8)
		step_cmpxchg(z, op);
	else
		step[op & 7](z, op);
}

static struct fake_config config(struct input *in)
{
	unsigned a = (unsigned)take(in, 1), b = (unsigned)take(in, 1);
	struct fake_config cfg;

	fake_defaults(&cfg);
	for (unsigned o = 0; o < SH_OPTIONS; o++)
		cfg.options.on[o] = a >> o & 1;
	cfg.vcpus = VCPUS;
	cfg.tables = TABLES;
	cfg.limit = b & 1 ? FEW : 0;
	cfg.gated = b & 2;
	cfg.tagged = b & 4;
	cfg.pde_cache = b & 8 && !cfg.gated;
	cfg.evict = b & 16 ? 5 : 0;
	cfg.lowmem = b & 32 ? (b & 64 ? 0x5000 : 0) : cfg.size;
	cfg.model.gb_pages = !(b & 128);
	cfg.model.maxphyaddr = (uint8_t)(32 + take(in, 1) % 21);
	cfg.seed = a | 1;
	return cfg;
}

/* Frame 0 names 1, that 2, ...; each table's first entries name all of the others. */
static void build(struct fuzz *z)
{
	for (uint64_t t = 0; t < FRAMES; t++)
		for (uint64_t i = 0; i < 6; i++)
			gmem_store(z->f.gm, GPA(t << SH_PAGE_SHIFT | i * 8),
				   (t + i + 1) % (2 * FRAMES) << SH_PAGE_SHIFT | PTE_P | PTE_W |
					   PTE_U | PTE_A,
				   8);
}

static void start(struct fuzz *z)
{
	struct sh_regs r = {.cr0 = 0x80010001, .cr4 = 1 << 5, .efer = 0xd00};
	struct fake_config cfg = config(&z->in);

	if (fake_create(&cfg, &z->f))
		die("start", "no memory");
	build(z);
	z->f.on_fill = on_fill;
	z->f.ctx = z;
	for (unsigned i = 0; i < VCPUS; i++)
		fake_set_regs(&z->f, i, &r, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz z;
	static bool registered;

	if (!registered)
		urcu_memb_register_thread();
	registered = true;
	memset(&z, 0, sizeof(z));
	z.in = (struct input){data, data + size};
	start(&z);
	for (unsigned i = 1; z.in.at < z.in.end && i <= MAX_STEPS; i++) {
		one_step(&z);
		if (i % 32 == 0)
			check(&z);
	}
	check(&z);
	if (fake_destroy(&z.f))
		die("end", "something was left behind");
	return 0;
}
