/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the shadow MMU's operations cost, one core, without any hardware behind them: ns each, with
 * all of guest RAM always mapped and with none of it (every look is through a window).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu/urcu-memb.h>

#include "shadow/mmu.h"

#define TABLES 4096u
#define PAGES  4096u /* mapped by the guest, in 8 page tables at frames 16.. */
#define RWUAD  (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

static struct gmem *gm;
static struct sh_mmu *mmu;
static struct sh_vcpu *v;

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
static void invalidate(void *c, struct sh_vcpu *cur, gva_t g)
{
	(void)c, (void)cur, (void)g;
}
static void invalidate_all(void *c, struct sh_vcpu *cur)
{
	(void)c, (void)cur;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct sh_regs regs_of(unsigned root)
{
	return (struct sh_regs){.cr0 = 0x80010001, .cr3 = (uint64_t)root << 12, .cr4 = 1 << 5,
				.efer = 0xd00};
}

static void put(uint64_t table, unsigned i, uint64_t gfn)
{
	gmem_store(gm, GPA(table << 12 | i * 8), gfn << 12 | RWUAD, 8);
}

static void create(uint64_t lowmem)
{
	struct gmem_config gc = {.size = 64 << 20, .lowmem = lowmem};
	struct sh_mmu_config mc = {.model = {.maxphyaddr = 40, .gb_pages = true}};
	struct sh_regs r = regs_of(1);

	gmem_create(&gc, &gm);
	mc.gm = gm;
	mc.backend = (struct sh_backend){.table_mem = aligned_alloc(4096, (size_t)TABLES << 12),
					 .table_mfn = MFN(1ull << 32), .tables = TABLES,
					 .touch = touch, .touch_table = touch_table,
					 .shootdown = shootdown, .invalidate = invalidate,
					 .invalidate_all = invalidate_all};
	memset(mc.backend.table_mem, 0, (size_t)TABLES << 12);
	sh_options_default(&mc.options);
	mc.options.on[SH_OPT_PREFETCH] = false;
	for (unsigned root = 1; root <= 2; root++)
		put(root, 0, 3);
	put(3, 0, 4);
	for (unsigned i = 0; i < PAGES; i++)
		put(16 + i / 512, i % 512, 64 + i);
	for (unsigned i = 0; i < PAGES / 512; i++)
		put(4, i, 16 + i);
	if (sh_mmu_create(&mc, &mmu) || sh_vcpu_create(mmu, 0, &v))
		exit(1);
	sh_set_regs(v, &r, true);
}

static struct sh_walk w;

static void walk_warm(unsigned i)
{
	(void)i;
	sh_translate(v, GVA(0x1000), SH_READ, &w);
}
static void walk_cold(unsigned i)
{
	sh_translate(v, GVA((uint64_t)(i * 577 % PAGES) << 12), SH_READ, &w);
}
static void fault(unsigned i)
{
	sh_fault(v, GVA((uint64_t)(i % PAGES) << 12), SH_WRITE, &w);
}
static void fault_table(unsigned i)
{
	sh_fault(v, GVA((uint64_t)(i % 8) << 21), SH_WRITE, &w);
}
static void write_entry(unsigned i)
{
	uint64_t e = (uint64_t)(64 + (i & 1)) << 12 | RWUAD;

	sh_write(mmu, v, GPA(16 << 12), &e, 8);
	if (i % 8 == 0) /* in use: no flood */
		sh_fault(v, GVA(0), SH_READ, &w);
}
static void cr3(unsigned i)
{
	struct sh_regs r = regs_of(1 + (i & 1));
	mfn_t root;

	sh_set_regs(v, &r, true);
	sh_root(v, SH_VIEW_KERNEL, &root);
	sh_root_loaded(v, root);
}

static const struct {
	const char *what;
	void (*fn)(unsigned i);
	unsigned n;
} ops[] = {
	{"hidden fault that makes a table", fault_table, 8},
	{"hidden fault, tables there", fault, PAGES},
	{"walk, same page", walk_warm, 200000},
	{"walk, other page each time", walk_cold, 200000},
	{"tracked write of one entry", write_entry, 100000},
	{"CR3 switch, both trees cached", cr3, 200000},
};

int main(void)
{
	static const uint64_t low[] = {64 << 20, 0};

	urcu_memb_register_thread();
	for (unsigned l = 0; l < 2; l++) {
		create(low[l]);
		for (unsigned o = 0; o < sizeof(ops) / sizeof(ops[0]); o++) {
			double t = now();

			for (unsigned i = 0; i < ops[o].n; i++)
				ops[o].fn(i);
			printf("lowmem %2lu MiB: %-34s %8.0f ns\n", (unsigned long)(low[l] >> 20),
			       ops[o].what, (now() - t) / ops[o].n);
		}
		sh_vcpu_destroy(v);
		sh_mmu_destroy(mmu);
		gmem_destroy(gm);
	}
	urcu_memb_unregister_thread();
	return 0;
}
