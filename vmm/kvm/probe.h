/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The small VM of the probes: two roots with the same tables, code, a page for results, and an
 * entry that moves between data pages.
 *
 * Used by probe.c and probe_remote.c only. Read first: kvm.h.
 */
#ifndef UMBRA_KVM_PROBE_H
#define UMBRA_KVM_PROBE_H

#include "shadow/format.h"
#include "vmm/kvm/kvm.h"

#define ROUNDS	64u
#define USER_VA 0x0000008000000000ull /* PML4 slot 1: code, then the page for results */
#define OUT_VA	(USER_VA + SH_PAGE_SIZE)
#define DATA_VA (USER_VA + 0x10000)
#define PAGES	4u /* data pages the entry moves between; page i holds i */

/* Frames of the pool. */
enum { F_ROOT, F_ROOT2, F_PDPT, F_PD, F_PT, F_CODE, F_OUT, F_DATA, F_COUNT = F_DATA + PAGES };

struct probe {
	struct kvm_vm vm;
	struct kvm_vcpu kv;
	struct kvm_entry e;
};

#define BITS (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

static inline uint64_t probe_frame(struct probe *p, unsigned f)
{
	return mfn_mpa(MFN(p->vm.table_mfn.v + f)).v;
}

/* Points the moving entry at data page `page`; PAGES: at nothing. */
void probe_set_entry(struct probe *p, unsigned page);
mpa_t probe_entry(struct probe *p);

/* probe_stats.c: one of KVM's own counters of the VM. False if this KVM has none of that name. */
struct probe_counter {
	int fd;
	off_t at;
};
bool probe_counter_open(struct probe_counter *c, const struct kvm_vm *vm, const char *name);
uint64_t probe_counter_read(const struct probe_counter *c);
void probe_counter_close(struct probe_counter *c);

/* probe_remote.c: whether a touch alone makes other vCPUs forget. */
void probe_remote(struct probe *p, struct kvm_facts *f);

#endif
