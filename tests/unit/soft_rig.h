/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shadow MMU on the software CPU's translation hardware, without the software CPU: a few vCPUs
 * in one thread that load, store and change their tables by calls, each with an adversarial TLB.
 * Whatever the TLBs report, and every store of the hardware into a tracked frame, is counted.
 *
 * Read first: vmm/soft/tlb.h, shadow/mmu.h.
 */
#ifndef UMBRA_TESTS_SOFT_RIG_H
#define UMBRA_TESTS_SOFT_RIG_H

#include "shadow/gmem.h"
#include "shadow/mmu.h"
#include "vmm/soft/tlb.h"

#define RIG_VCPUS     2u
#define RIG_TABLE_MFN 0x100000000ull /* far above any RAM */

/* Guest frames of the ready-made address spaces A and B, which share all but the top:
 * va 0.. goes PML4[0] -> PDPT[0] -> PD[0] -> PT; page i of 32 is frame RIG_DATA + i. */
enum { RIG_A = 1, RIG_PDPT, RIG_PD, RIG_PT, RIG_B, RIG_DATA = 64, RIG_MORE = 512 };

#define RIG_RWU (PTE_P | PTE_W | PTE_U | PTE_A)

struct rig_config {
	uint64_t seed;
	uint32_t limit; /* of tables; 0: plenty */
	unsigned evict, speculate;
	bool rootcache;
};

struct rig;

struct rig_vcpu {
	struct rig *r;
	struct sh_vcpu *v;
	struct tlb *tlb;
	mfn_t root; /* CR3 of the hardware; MFN_NONE before the first entry */
};

struct rig {
	struct gmem *gm;
	struct sh_mmu *mmu;
	uint64_t *mem;
	struct tlb_tables tt;
	struct rig_vcpu vcpu[RIG_VCPUS];
	/* Another vCPU runs while a table changes its state. */
	void (*meanwhile)(struct rig *r, enum sh_table_event e);
	unsigned reports;
	char first[4096]; /* report */
};

/* NULL if there is no memory. Both vCPUs are in A. */
struct rig *rig_open(const struct rig_config *cfg);
/* Returns the tables still referenced. */
unsigned rig_close(struct rig *r);

/* A load of 8 bytes, or a store of val, by the hardware or, where it must be, by emulation. Returns
 * the guest physical address, or UINT64_MAX where the guest gets a fault. */
uint64_t rig_load(struct rig *r, unsigned vcpu, uint64_t va);
uint64_t rig_store(struct rig *r, unsigned vcpu, uint64_t va, uint64_t val);
/* The hardware translates va in the CR3 it is on, of its own accord (SDM vol. 3, 4.10.2.3). */
void rig_glance(struct rig *r, unsigned vcpu, uint64_t va);

void rig_invlpg(struct rig *r, unsigned vcpu, uint64_t va);
void rig_cr3(struct rig *r, unsigned vcpu, unsigned gfn);
/* The guest's kernel writes an entry, by emulation. */
void rig_put(struct rig *r, unsigned table, unsigned index, uint64_t entry);
static inline uint64_t rig_pte(uint64_t gfn, uint64_t bits)
{
	return gfn << 12 | bits;
}
/* vCPU goes through n address spaces of its own, each with four tables, from guest frame RIG_MORE. */
void rig_churn(struct rig *r, unsigned vcpu, unsigned n);

#endif
