/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the shadow MMU's test suites share: a machine with a guest address space in it, the
 * reference MMU bound to that machine, and one call that does an access and holds the outcome
 * against the reference. Read first: fake_engine.h, tests/model/mmu_model.h.
 */
#ifndef UMBRA_TESTS_SHADOW_FIXTURE_H
#define UMBRA_TESTS_SHADOW_FIXTURE_H

#include <CUnit/CUnit.h>

#include "tests/unit/tap.h"
#include "tests/model/mmu_model.h"
#include "tests/unit/fake_engine.h"

/* Guest frames of the ready-made address space: va 0.. goes PML4[0] -> PDPT[0] -> PD[0] -> PT. */
enum { G_PML4 = 1, G_PDPT = 2, G_PD = 3, G_PT = 4, G_PML4_B = 5, G_PT_B = 6, G_DATA = 64 };

#define T_RW   (PTE_P | PTE_W | PTE_A)	       /* supervisor */
#define T_RWU  (PTE_P | PTE_W | PTE_U | PTE_A) /* user */
#define T_RWUD (T_RWU | PTE_D)

#define R_WP   (1ull << 16)
#define R_SMEP (1ull << 20)
#define R_SMAP (1ull << 21)
#define R_NXE  (1ull << 11)

#define FAILURES(f) ((f)->violations)

/* 4-level paging on, CR3 at gfn, WP and NXE on. */
struct sh_regs fx_regs(unsigned cr3_gfn);
/* Defaults but for what the caller changed; the address space is built, vCPUs run on it. */
void fx_start(struct fake *f, const struct fake_config *cfg);
/* As fx_start() with nothing changed. */
void fx_default(struct fake *f);
/* Audits, checks for violations and leaks, destroys. */
void fx_end(struct fake *f);
void fx_audit(struct fake *f);

/* Writes a guest entry as the kernel of vCPU 0 does by emulation. */
void fx_put(struct fake *f, unsigned table, unsigned index, uint64_t entry);
uint64_t fx_get(struct fake *f, unsigned table, unsigned index);
static inline uint64_t fx_pte(uint64_t gfn, uint64_t bits)
{
	return gfn << 12 | bits;
}

struct mm_cpu fx_cpu(struct fake *f, unsigned vcpu);
struct mm_access fx_access_of(uint64_t va, unsigned flags);
/* Whether an outcome is what the reference said; marks are looked up in guest memory. */
bool fx_agrees(struct fake *f, const struct mm_result *m, const struct fake_result *r);

/* An access on vCPU 0 of 8 bytes, held against the reference. */
struct fake_result fx_try(struct fake *f, unsigned vcpu, uint64_t va, unsigned flags);
struct fake_result fx_store(struct fake *f, unsigned vcpu, uint64_t va, unsigned flags,
			    uint64_t v);

uint64_t fx_stat(struct fake *f, enum sh_stat s);
void fx_invlpg(struct fake *f, unsigned vcpu, uint64_t va);
/* Until no table waits for a grace period; at most 5 s. */
void fx_settle(struct fake *f);

/* Run fn from inside this thread's nth next (from 0) mapping of a window, or just before its nth
 * next spin lock is taken. See shadow_hook.c. */
void fx_hook_window(unsigned nth, void (*fn)(void *ctx), void *ctx);
void fx_hook_spin(unsigned nth, void (*fn)(void *ctx), void *ctx);
bool fx_hooks_ran(void);
/* Spin locks this thread holds: none when anything may wait or allocate. */
unsigned fx_spins_held(void);

/* Refuses the kth (from 0) of the next allocations and mappings; fx_refused() says whether it came
 * to that, and ends it. fx_on_alloc: fn runs at each allocation. See shadow_alloc.c. */
void fx_refuse_memory(unsigned k);
bool fx_refused(void);
/* The same for tables of the pool, or for records of a reverse map or parent set. */
void fx_refuse_part(bool record, unsigned k);
bool fx_part_refused(bool record);
void fx_on_alloc(void (*fn)(void));
/* Whether a store to p faults. One thread at a time. */
bool fx_faults(volatile uint8_t *p);

/* One suite per file. */
extern const struct tap_case suite_model[], suite_format[], suite_gmem[], suite_rmap[],
	suite_walk[], suite_fault[], suite_large[], suite_rights[], suite_write[],
	suite_reclaim[], suite_race[], suite_audit[], suite_engine[], suite_exhaustive[],
	suite_modes[], suite_pae[], suite_life[], suite_alloc[], suite_keys[], suite_unsync[],
	suite_rules[], suite_leaf[], suite_windows[], suite_pool[], suite_windows_mmu[],
	suite_dmap[], suite_dmap_model[], suite_dmap_pressure[], suite_dmap_guest[],
	suite_share[], suite_share_race[], suite_gather[], suite_shootdown[], suite_defer[],
	suite_reserve[], suite_map[], suite_inject[], suite_windows_switch[], suite_inspect[],
	suite_trace[], suite_look[];

#endif
