/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rig of the measurements: a VM with the gate, a few tables, and user pages for code
 * snippets at CPL 3. Every PML4 slot but the gate's leads to the same PDPT, so each page below
 * is there 511 times:
 *
 *   slot + RIG_CODE     the snippet            + RIG_STACK    its stack
 *        + RIG_SCRATCH  what it writes         + RIG_ROM      a KVM_MEM_READONLY page
 *        + RIG_DATA     moves between RIG_PAGES data pages
 *        + RIG_MANY     512 pages of a table of its own
 *
 * Unlike kvm_enter() a rig run takes raw register state, and reports any exit as it is.
 * Read first: measure.h, kvm.h.
 */
#ifndef UMBRA_MEASURE_RIG_H
#define UMBRA_MEASURE_RIG_H

#include <time.h>

#include "vmm/kvm/kvm.h"
#include "vmm/kvm/measure.h"

#define RIG_CODE    0x0000u
#define RIG_STACK   0x1000u
#define RIG_SCRATCH 0x2000u
#define RIG_ROM	    0x3000u
#define RIG_DATA    0x10000u
#define RIG_MANY    0x200000u
#define RIG_MARK    0x756d627261646f63ull /* the second word of each data page */
#define RIG_PAGES   4u
#define RIG_SLOT    1u /* the PML4 slot that snippets run in */

/* RIG_ROOT2 is RIG_ROOT with a user page in the gate's slot, too, at RIG_GATE_PROBE. */
enum {
	RIG_ROOT,
	RIG_ROOT2,
	RIG_PDPT,
	RIG_PD,
	RIG_PT,
	RIG_PT_MANY,
	RIG_F_CODE,
	RIG_F_STACK,
	RIG_F_SCRATCH,
	RIG_F_DATA,
	RIG_FRAMES = RIG_F_DATA + RIG_PAGES
};

/* Offset in the gate's code page of code that only the rig runs, at CPL 0. */
#define RIG_RING0    0xc00u
#define RIG_RING0_VA ((uint64_t)GATE_VA + GATE_CODE + RIG_RING0)

struct measure {
	struct kvm_vm vm;
	struct kvm_vcpu kv;
	struct kvm_facts facts;
	int probed; /* 0, or why kvm_probe() failed */
	struct kvm_sregs base;
	void *rom;
	mpa_t rom_mpa;
	bool has_rom, has_timer;
	bool exited; /* KVM may have something of the last exit to complete */
	timer_t timer;
	struct timespec until;
	double sample[MEASURE_ROUNDS];
};

enum rig_how { RIG_EXCEPTION, RIG_PORT, RIG_EXIT, RIG_LATE, RIG_FAILED };

/* Registers in, and what came of it. */
struct rig_run {
	uint64_t gpr[CPU_GPRS], rip, rflags;
	unsigned root; /* RIG_ROOT or RIG_ROOT2 */
	unsigned cpl;
	bool compat; /* 32-bit code segment */
	/* out */
	enum rig_how how;
	unsigned vector, port, reason; /* reason: KVM_EXIT_ */
	uint32_t error;
	uint64_t cr2;
	int err;
};

static inline uint64_t rig_va(unsigned slot, uint64_t offset)
{
	uint64_t va = (uint64_t)slot << 39;

	return (slot & 256 ? va | 0xffff000000000000ull : va) + offset;
}

/* measure.c */
int rig_open(struct measure *m, char *msg, size_t n);
/* After something the VM does not recover from. */
int rig_renew(struct measure *m);
void rig_load(struct measure *m, const void *code, size_t len);
void rig_load_ring0(struct measure *m, const void *code, size_t len);
uint64_t rig_frame(const struct measure *m, unsigned f);
uint64_t *rig_page(struct measure *m, unsigned f);
/* Snippet state: code, stack, flags, slot; everything else 0. */
void rig_user(struct rig_run *r, unsigned slot);
/* Sets the state and runs until something happens or the deadline passes. */
void rig_go(struct measure *m, struct rig_run *r);
/* The two halves of it. */
void rig_put(struct measure *m, const struct rig_run *r);
void rig_wait(struct measure *m, struct rig_run *r);
/* The deadline: from now, and off. One covers a whole measurement where rounds are short. */
void rig_limit(struct measure *m, unsigned ms);
void rig_limit_off(struct measure *m);
bool rig_is_late(const struct measure *m);
/* True if r ended at the UD2 behind len bytes of code. */
bool rig_reached(const struct rig_run *r, unsigned slot, size_t len);

/* Runs gate_work with that many touches of slot, touches of whole tables, INVLPGs of gva, and
 * MOV CR3 (of RIG_ROOT). False if it did not come back. */
struct rig_work {
	unsigned touches, tables, invlpgs;
	unsigned root; /* RIG_ROOT or RIG_ROOT2 */
	bool cr3;
	uint64_t slot, table, gva;
};
bool rig_gate(struct measure *m, const struct rig_work *w);
mpa_t rig_data_entry(const struct measure *m);

/* measure_cost.c */
double rig_now(void); /* ns */
/* v gets median and least of m->sample[0..n). */
void rig_times(struct measure *m, unsigned n, double divide, struct measured *v);
void rig_not(struct measured *v, const char *why);

#endif
