/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine the benchmarks run on. The guest's tables stand in low memory: two top levels at
 * frames 1 and 2, the PDPT at 3, directories from 4, page tables after them. Read first: bench.h.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/bench/bench.h"

#define HIGH (4ull << 30) /* RAM goes on here, above a PC's hole */
#define LOW  (3ull << 30)

static void touch(void *c, struct sh_vcpu *cur, mpa_t s)
{
	(void)c, (void)cur, (void)s;
}

static void touch_table(void *c, struct sh_vcpu *cur, mfn_t t)
{
	(void)c, (void)cur, (void)t;
}

static unsigned shootdown(void *c, struct sh_vcpu *cur)
{
	(void)c, (void)cur;
	return 0;
}

/* All are in the guest at all times. */
static unsigned shootdown_some(void *c, struct sh_vcpu *cur, uint64_t vcpus)
{
	(void)c, (void)cur;
	return (unsigned)__builtin_popcountll(vcpus);
}

static void invalidate(void *c, struct sh_vcpu *cur, gva_t g)
{
	(void)c, (void)cur, (void)g;
}

static void invalidate_all(void *c, struct sh_vcpu *cur)
{
	(void)c, (void)cur;
}

void bench_die(const char *what)
{
	fprintf(stderr, "shadow_bench: %s\n", what);
	exit(1);
}

static double read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void bench_print(const char *group, const char *what, double value, const char *unit)
{
	printf("%s.%-40s %12.2f %s\n", group, what, value, unit);
	fflush(stdout);
}

struct sh_regs bench_regs(unsigned root)
{
	return (struct sh_regs){
		.cr0 = 0x80010001, .cr3 = (uint64_t)root << 12, .cr4 = 1 << 5, .efer = 0xd00};
}

static void put(struct bench *b, uint64_t table, uint64_t i, uint64_t gfn)
{
	gmem_store(b->gm, GPA(table << 12 | i * 8), gfn << 12 | BENCH_RWUAD, 8);
}

static void build_guest(struct bench *b, uint64_t pages)
{
	uint64_t tables = (pages + 511) / 512, directories = (tables + 511) / 512;

	b->first_table = 4 + directories;
	b->first_page = HIGH >> 12;
	for (unsigned root = 1; root <= 2; root++)
		put(b, root, 0, 3);
	for (uint64_t i = 0; i < directories; i++)
		put(b, 3, i, 4 + i);
	for (uint64_t i = 0; i < tables; i++)
		bench_set_table(b, i, true);
	for (uint64_t i = 0; i < pages; i++)
		put(b, b->first_table + i / 512, i % 512, b->first_page + i);
}

void bench_set_table(struct bench *b, uint64_t number, bool present)
{
	uint64_t e = present ? (b->first_table + number) << 12 | BENCH_RWUAD : 0;
	gpa_t at = GPA((4 + number / 512) << 12 | number % 512 * 8);

	if (b->mmu)
		sh_write(b->mmu, b->v[0], at, &e, 8);
	else
		gmem_store(b->gm, at, e, 8);
}

static void create_mmu(struct bench *b, const struct bench_config *cfg)
{
	uint32_t tables = (uint32_t)(cfg->pages / 512 + cfg->pages / (512 * 512) + 64);
	struct sh_mmu_config mc = {.gm = b->gm,
				   .limit = cfg->limit,
				   .options.on[SH_OPT_LARGE] = cfg->large,
				   .model = {.maxphyaddr = 46, .gb_pages = true}};

	b->table_bytes = (uint64_t)tables << 12;
	b->tables = mmap(NULL, b->table_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->tables == MAP_FAILED)
		bench_die("no memory for tables");
	madvise(b->tables, b->table_bytes, MADV_NOHUGEPAGE);
	mc.backend = (struct sh_backend){.table_mem = b->tables,
					 .table_mfn = MFN(1ull << 32),
					 .tables = tables,
					 .touch = touch,
					 .touch_table = touch_table,
					 .shootdown = shootdown,
					 .shootdown_some = shootdown_some,
					 .invalidate = invalidate,
					 .invalidate_all = invalidate_all};
	sh_options_default(&mc.options);
	mc.options.on[SH_OPT_PREFETCH] = false;
	if (sh_mmu_create(&mc, &b->mmu))
		bench_die("can't make the MMU");
}

void bench_create(struct bench *b, const struct bench_config *cfg)
{
	struct gmem_config gc = {.size = LOW + (cfg->pages << 12), .lowmem = cfg->lowmem};
	struct sh_regs r = bench_regs(1);

	*b = (struct bench){0};
	if (gmem_create(&gc, &b->gm))
		bench_die("can't make guest memory");
	build_guest(b, cfg->pages);
	create_mmu(b, cfg);
	for (unsigned i = 0; i < BENCH_VCPUS; i++) {
		if (sh_vcpu_create(b->mmu, i, &b->v[i]))
			bench_die("can't make a vCPU");
		sh_set_regs(b->v[i], &r, true);
	}
}

void bench_destroy(struct bench *b)
{
	for (unsigned i = 0; i < BENCH_VCPUS; i++)
		sh_vcpu_destroy(b->v[i]);
	if (sh_mmu_destroy(b->mmu))
		bench_die("something was left behind");
	gmem_destroy(b->gm);
	munmap(b->tables, b->table_bytes);
}

void bench_fault(struct bench *b, unsigned vcpu, uint64_t page)
{
	struct sh_walk w;

	if (sh_fault(b->v[vcpu], GVA(page << 12), SH_WRITE, &w) > SH_FAULT_SPURIOUS)
		bench_die("a fault was not a hidden one");
}
