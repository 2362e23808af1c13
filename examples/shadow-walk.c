/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shadow MMU library by itself: a guest of four page tables, and a "processor" that is a loop
 * walking whatever the library made of them. No KVM, no monitor.
 *
 *     cc shadow-walk.c $(pkg-config --cflags --libs umbra-shadow) -o shadow-walk
 *
 * It shows the three things an engine does all day: a fault that the guest never sees (hidden), a write
 * to a page table that the library has to hear of (tracked), and the invalidation after which the
 * processor may see the change.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu/urcu-memb.h>

#include "shadow/mmu.h"

#define TABLES	     64u
#define FIRST_MFN    0x100000u /* beyond all guest RAM */
#define P_W_A	     0x23u     /* present, writable, accessed */
#define P_W_A_D	     0x63u
#define CR0_PG_WP_PE 0x80010001u
#define CR4_PAE	     0x20u
#define EFER_LMA_LME 0x500u

/* ---- the engine: nothing here remembers translations, so there is nothing to forget ---- */

static void touch(void *ctx, struct sh_vcpu *cur, mpa_t slot)
{
	(void)ctx, (void)cur, (void)slot;
}

static void touch_table(void *ctx, struct sh_vcpu *cur, mfn_t table)
{
	(void)ctx, (void)cur, (void)table;
}

static unsigned shootdown(void *ctx, struct sh_vcpu *cur)
{
	(void)ctx, (void)cur;
	return 0;
}

static void invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	(void)ctx, (void)cur, (void)gva;
}

static void invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	(void)ctx, (void)cur;
}

/* ---- the processor ---- */

static uint64_t *memory; /* of shadow tables */

/* Walks the shadow tables as hardware would. Returns the leaf entry, 0 for a page fault. */
static uint64_t hardware_walk(mfn_t root, gva_t gva)
{
	uint64_t entry = mfn_mpa(root).v;

	for (unsigned level = 4; level >= 1; level--) {
		uint64_t *table =
			memory + ((entry & 0xffffffffff000u) / 4096 - FIRST_MFN) * 512;

		entry = table[gva.v >> (3 + 9 * level) & 511];
		if (!(entry & 1))
			return 0;
	}
	return entry;
}

/* An access: walk, and on a fault ask the library, until one of the two says how it ends. */
static void access_memory(struct sh_vcpu *v, const char *what, gva_t gva, unsigned flags)
{
	static const char *const result[] = {"hidden fault, entry made",
					     "spurious",
					     "page fault of the guest's own",
					     "not canonical",
					     "tracked",
					     "no RAM",
					     "gate",
					     "host error"};
	enum sh_fault_result r;
	struct sh_walk w;
	uint64_t leaf;
	mfn_t root;

	if (sh_root(v, SH_VIEW_KERNEL, &root))
		exit(1);
	sh_root_loaded(v, root);
	leaf = hardware_walk(root, gva);
	while (!leaf || (flags & SH_WRITE && !(leaf & 2))) {
		r = sh_fault(v, gva, flags, &w);
		printf("%-28s %s\n", what, result[r]);
		if (r != SH_FAULT_RESUME && r != SH_FAULT_SPURIOUS)
			return;
		leaf = hardware_walk(root, gva);
	}
	printf("%-28s reaches machine frame %#" PRIx64 "\n", what,
	       (leaf & 0xffffffffff000u) >> 12);
}

/* ---- the guest ---- */

/* Maps gva 0x1000 to frame 5, and the tables themselves (frames 1 to 4) at 0x2000 and on. */
static void boot(struct sh_mmu *mmu)
{
	static const struct {
		unsigned frame, index;
		uint64_t entry;
	} tables[] = {
		{1, 0, 0x2000 | P_W_A},	  {2, 0, 0x3000 | P_W_A},   {3, 0, 0x4000 | P_W_A},
		{4, 1, 0x5000 | P_W_A_D}, {4, 2, 0x4000 | P_W_A_D},
	};

	for (unsigned i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		sh_write(mmu, NULL, GPA(tables[i].frame * 4096 + tables[i].index * 8),
			 &tables[i].entry, 8);
}

static void run(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	uint64_t other = 0x6000 | P_W_A_D;

	access_memory(v, "read 0x1000", GVA(0x1000), 0);
	access_memory(v, "read 0x1000 again", GVA(0x1000), 0);
	access_memory(v, "read 0x9000", GVA(0x9000), 0);
	access_memory(v, "write the page table", GVA(0x2008), SH_WRITE);
	sh_write(mmu, v, GPA(4 * 4096 + 8), &other, 8);
	sh_invlpg(v, GVA(0x1000));
	access_memory(v, "read 0x1000 after INVLPG", GVA(0x1000), 0);
}

int main(void)
{
	struct gmem_config ram = {.size = 16 << 20, .lowmem = 16 << 20};
	struct sh_mmu_config cfg = {.model = {.maxphyaddr = 40}};
	struct sh_regs regs = {
		.cr0 = CR0_PG_WP_PE, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LMA_LME};
	struct sh_vcpu *v;
	struct sh_mmu *mmu;
	char text[256] = "";
	unsigned wrong;

	urcu_memb_register_thread();
	memory = aligned_alloc(4096, TABLES * 4096);
	if (!memory || gmem_create(&ram, &cfg.gm))
		return 1;
	for (unsigned i = 0; i < TABLES * 512; i++)
		memory[i] = 0;
	cfg.backend = (struct sh_backend){.table_mem = memory,
					  .table_mfn = MFN(FIRST_MFN),
					  .tables = TABLES,
					  .touch = touch,
					  .touch_table = touch_table,
					  .shootdown = shootdown,
					  .invalidate = invalidate,
					  .invalidate_all = invalidate_all};
	sh_options_default(&cfg.options);
	cfg.options.on[SH_OPT_UNSYNC] = false; /* so that each write to a table is told */
	if (sh_mmu_create(&cfg, &mmu) || sh_vcpu_create(mmu, 0, &v))
		return 1;
	boot(mmu);
	sh_set_regs(v, &regs, SH_FLUSH_ALL);
	run(mmu, v);
	wrong = sh_audit(mmu, text, sizeof(text));
	printf("%-28s %u violations\n", "audit", wrong);
	sh_vcpu_destroy(v);
	wrong += sh_mmu_destroy(mmu);
	gmem_thread_exit(cfg.gm);
	gmem_destroy(cfg.gm);
	free(memory);
	urcu_memb_unregister_thread();
	return wrong != 0;
}
