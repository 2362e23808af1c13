/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Read first: shadow_fixture.h.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/defer.h"
#include "tests/unit/shadow_fixture.h"

struct sh_regs fx_regs(unsigned cr3_gfn)
{
	return (struct sh_regs){.cr0 = 0x80000001ull | R_WP,
				.cr3 = (uint64_t)cr3_gfn << 12,
				.cr4 = 1ull << 5,
				.efer = 0x500ull | R_NXE};
}

static void build(struct fake *f)
{
	static const unsigned down[][2] = {
		{G_PML4, G_PDPT}, {G_PDPT, G_PD}, {G_PD, G_PT}, {G_PML4_B, G_PDPT}};

	for (unsigned i = 0; i < sizeof(down) / sizeof(down[0]); i++)
		gmem_store(f->gm, GPA(down[i][0] << 12), fx_pte(down[i][1], T_RWU), 8);
	for (unsigned i = 0; i < 32; i++)
		gmem_store(f->gm, GPA((G_PT << 12) + 8 * i), fx_pte(G_DATA + i, T_RWU), 8);
}

void fx_start(struct fake *f, const struct fake_config *cfg)
{
	struct sh_regs r = fx_regs(G_PML4);

	CU_ASSERT_FATAL(fake_create(cfg, f) == 0);
	build(f);
	for (unsigned i = 0; i < cfg->vcpus; i++)
		fake_set_regs(f, i, &r, true);
}

void fx_default(struct fake *f)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	fx_start(f, &cfg);
}

void fx_audit(struct fake *f)
{
	char buf[512] = "";
	unsigned n = sh_audit(f->mmu, buf, sizeof(buf));

	CU_ASSERT_EQUAL(n, 0);
	if (n)
		fprintf(stderr, "audit: %u\n%s", n, buf);
}

void fx_end(struct fake *f)
{
	fx_audit(f);
	CU_ASSERT_EQUAL(FAILURES(f), 0);
	if (FAILURES(f))
		fprintf(stderr, "violation: %s\n", f->why);
	CU_ASSERT_EQUAL(fake_destroy(f), 0);
}

void fx_put(struct fake *f, unsigned table, unsigned index, uint64_t entry)
{
	CU_ASSERT_EQUAL(sh_write(f->mmu, f->vcpu[0].v, GPA(((uint64_t)table << 12) + 8 * index),
				 &entry, 8),
			0);
}

uint64_t fx_get(struct fake *f, unsigned table, unsigned index)
{
	uint64_t v = 0;

	gmem_load64(f->gm, GPA(((uint64_t)table << 12) + 8 * index), &v);
	return v;
}

static uint64_t read_memory(void *ctx, uint64_t pa, unsigned bytes)
{
	uint64_t v = 0;

	if (gmem_read(ctx, GPA(pa), &v, bytes))
		return bytes == 8 ? UINT64_MAX : UINT32_MAX;
	return v;
}

struct mm_cpu fx_cpu(struct fake *f, unsigned vcpu)
{
	const struct sh_regs *r = sh_vcpu_regs(f->vcpu[vcpu].v);

	return (struct mm_cpu){.cr0 = r->cr0,
			       .cr3 = r->cr3,
			       .cr4 = r->cr4,
			       .efer = r->efer,
			       .pkru = r->pkru,
			       .pkrs = r->pkrs,
			       .pdpte = {r->pdpte[0], r->pdpte[1], r->pdpte[2], r->pdpte[3]},
			       .maxphyaddr = f->cfg.model.maxphyaddr,
			       .gb_pages = f->cfg.model.gb_pages,
			       .read = read_memory,
			       .ctx = f->gm};
}

struct mm_access fx_access_of(uint64_t va, unsigned flags)
{
	return (struct mm_access){.va = va,
				  .write = flags & SH_WRITE,
				  .fetch = flags & SH_FETCH,
				  .user = flags & SH_USER,
				  .implicit = flags & SH_IMPLICIT,
				  .ac = flags & SH_AC};
}

static bool marks_made(struct fake *f, const struct mm_result *m)
{
	for (unsigned i = 0; i < m->marks; i++) {
		uint64_t e = read_memory(f->gm, m->mark[i].pa, 4);

		/* The store itself may have gone over the entry; the caller compares memory. */
		if ((e & m->mark[i].bits) != m->mark[i].bits)
			return false;
	}
	return true;
}

bool fx_agrees(struct fake *f, const struct mm_result *m, const struct fake_result *r)
{
	switch (m->kind) {
	case MM_OK:
		return r->kind == FAKE_OK && r->gpa == m->pa && marks_made(f, m);
	case MM_PF:
		return r->kind == FAKE_PF && r->error == m->error;
	default:
		return r->kind == FAKE_NOT_CANON;
	}
}

static struct fake_result attempt(struct fake *f, unsigned vcpu, uint64_t va, unsigned flags,
				  uint64_t v)
{
	struct mm_cpu cpu = fx_cpu(f, vcpu);
	struct mm_access a = fx_access_of(va, flags);
	struct mm_result m = mm_translate(&cpu, &a);
	struct fake_result r = fake_access(f, vcpu, va, flags, &v, 8);
	bool ok = r.tlb_hit || fx_agrees(f, &m, &r);

	CU_ASSERT(ok);
	if (!ok)
		fprintf(stderr,
			"va %#lx flags %#x: reference %d error %#x pa %#lx, "
			"shadow %d error %#x pa %#lx last %d faults %u\n",
			(unsigned long)va, flags, m.kind, m.error, (unsigned long)m.pa, r.kind,
			r.error, (unsigned long)r.gpa, r.last, r.faults);
	return r;
}

struct fake_result fx_try(struct fake *f, unsigned vcpu, uint64_t va, unsigned flags)
{
	return attempt(f, vcpu, va, flags, 0);
}

struct fake_result fx_store(struct fake *f, unsigned vcpu, uint64_t va, unsigned flags,
			    uint64_t v)
{
	return attempt(f, vcpu, va, flags | SH_WRITE, v);
}

uint64_t fx_stat(struct fake *f, enum sh_stat s)
{
	struct sh_stats st;

	sh_mmu_stats(f->mmu, &st);
	return st.v[s];
}

void fx_invlpg(struct fake *f, unsigned vcpu, uint64_t va)
{
	sh_invlpg(f->vcpu[vcpu].v, GVA(va));
}

void fx_settle(struct fake *f)
{
	struct timespec ms = {.tv_nsec = 1000000};

	for (unsigned i = 0; i < 5000; i++) {
		bool idle;

		pthread_mutex_lock(&f->mmu->lock);
		idle = !(f->mmu->defer->in_queue + f->mmu->defer->in_grace);
		pthread_mutex_unlock(&f->mmu->lock);
		if (idle)
			return;
		nanosleep(&ms, NULL);
	}
	CU_FAIL("the deferral does not come to rest");
}
