/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The KVM engine, inside: the VM, its vCPUs, and the work the gate does for them.
 *
 * Only files in this folder include linux/kvm.h through this header.
 * Read first: ../engine.h, ../gate/gate.h. Read next: vm.c, enter.c, backend.c, probe.c.
 */
#ifndef UMBRA_KVM_H
#define UMBRA_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>

#include "vmm/gate/gate.h"
#include "vmm/machine.h"

#define KVM_KICK_SIGNAL (SIGRTMIN)

/* Slots of one vCPU's touch list before whole tables are touched instead. */
#define KVM_TOUCHES 64u
/* Single invalidations before everything is forgotten: an INVLPG in the gate costs 3 us where ring
 * 0 is interpreted, a reload of CR3 about as much plus the misses after it. */
#define KVM_INVLPGS 16u
#define KVM_ITEMS   448u /* of 8 bytes in the command page, before the stack at its end */

/* What this host does with our tables and entries (probe.c). */
struct kvm_facts {
	bool update_gated; /* changed present entries need a touch */
	bool enter_direct; /* CPL 3 state can be loaded by registers alone, and CR3 so changed
			     * forgets translations; else by IRETQ in the gate */
	bool umip;
	bool np_to_p_seen; /* a new entry in place of none is seen without a touch */
	bool touch_works;
	bool touch_flushes_all; /* a touch makes every vCPU forget the old entry */
	unsigned rounds;
	uint32_t exit_ns; /* a fault at CPL 3 and the way back in; median */
	unsigned ceiling; /* INVLPGs from which on forgetting everything is no dearer */
};

/* Touches queued by threads that are no vCPU. foreign.c */
struct kvm_foreign {
	pthread_mutex_t turn;	 /* of the vCPU that applies them: none enters meanwhile */
	pthread_spinlock_t lock; /* of what follows */
	uint64_t touch[KVM_TOUCHES];
	unsigned touches;
	bool tables;
	uint64_t *bits;	      /* of tables */
	_Atomic bool pending; /* something is queued, or being applied */
};

struct kvm_vm {
	struct machine *m;
	int kvm, fd;
	size_t run_size;
	uint8_t *ram; /* KVM's mapping of guest RAM; never dereferenced */
	uint8_t *own; /* gate and tables */
	uint64_t own_bytes;
	mpa_t own_mpa;
	uint32_t tables;
	mfn_t table_mfn;
	struct gate gate;
	struct kvm_facts facts;
	struct kvm_cpuid2 *cpuid;

	/* The vCPUs that exist, for shootdowns. Lock: vcpus_lock, a leaf but for qlock. */
	pthread_mutex_t vcpus_lock;
	struct kvm_vcpu *vcpu[MACHINE_MAX_CPUS];

	struct kvm_foreign foreign;
};

struct kvm_vcpu {
	struct kvm_vm *vm;
	unsigned index;
	int fd;
	struct kvm_run *run;
	uint64_t cr3; /* as KVM left the VM with it */

	/* Work for the next entry. The vCPU's thread alone adds and removes; qlock is for a
	 * shootdown on another thread that looks for touches not yet done (one at a time: the
	 * shadow MMU's lock is held over it). It is a leaf. */
	pthread_spinlock_t qlock;
	uint64_t touch[KVM_TOUCHES], invlpg[KVM_INVLPGS];
	unsigned touches, invlpgs;
	bool tables_marked, flush_all;
	uint64_t *table_bits;	/* of vm->tables bits */
	struct kvm_xsave xsave; /* as last got or set, if xsave_here */
	bool xsave_here;
	bool fpu_here, fpu_newer; /* fpu.c */
};

/* vm.c */
int kvm_vm_open(struct kvm_vm *vm, char *msg, size_t n);
int kvm_vm_create(struct kvm_vm *vm, unsigned cpus, uint32_t tables, char *msg, size_t n);
int kvm_vm_add_ram(struct kvm_vm *vm, struct gmem *gm, char *msg, size_t n);
void kvm_vm_destroy(struct kvm_vm *vm);
/* Smallest memory slot setup for probing: no guest RAM. */
int kvm_vcpu_open(struct kvm_vm *vm, unsigned index, struct kvm_vcpu *kv);
void kvm_vcpu_close(struct kvm_vcpu *kv);
uint64_t *kvm_table(struct kvm_vm *vm, uint32_t i);

/* enter.c */
struct kvm_entry {
	uint64_t gpr[CPU_GPRS], rip, rflags, fs_base, gs_base;
	uint64_t cr0, cr4; /* bits that decide about vector and x87 instructions */
	mfn_t root;
};
enum kvm_left {
	KVM_LEFT_NOT_ENTERED,
	KVM_LEFT_EXCEPTION,
	KVM_LEFT_SYSCALL,
	KVM_LEFT_KICKED,
	KVM_LEFT_ERROR
};
/* Enters the guest at e; on return e holds the state it left with, x what happened. may_enter is
 * asked after the vCPU has declared itself in the guest. */
enum kvm_left kvm_enter(struct kvm_vcpu *kv, struct kvm_entry *e, struct engine_exit *x,
			bool (*may_enter)(void *), void *arg);
/* Runs queued touches now, without entering the guest. 0 or -errno. */
int kvm_gate_sync(struct kvm_vcpu *kv);
/* Per-thread setup of the kick signal for a kvm_run. */
void kvm_kick_arm(struct kvm_run *run);
void kvm_kick_install(void);
bool kvm_exception_pending(const struct kvm_run *run);

/* regs.c */
/* The root that is loaded, or will be before anything else is done in the VM. */
mfn_t kvm_hw_root(const struct kvm_vcpu *kv);
/* The vCPU, which is outside, is to be on this root whenever it next runs, be it the gate alone. */
void kvm_move_root(struct kvm_vcpu *kv, mfn_t root);
/* The vCPU's code and stack segments: the gate's at cpl 0, the guest's at 3. */
void kvm_set_cpl(struct kvm_vcpu *kv, unsigned cpl);
void kvm_set_bases(struct kvm_vcpu *kv, const struct kvm_entry *e);
void kvm_set_fpu_traps(struct kvm_vcpu *kv, const struct kvm_entry *e);
void kvm_put_gprs(struct kvm_regs *r, const uint64_t *g);
void kvm_get_gprs(uint64_t *g, const struct kvm_regs *r);
/* What the real RFLAGS are while guest code runs: interrupts on, so that nothing the guest does at
 * CPL 3 can shut the host out; IOPL 0, so that IN, OUT, CLI and STI come to the monitor. */
uint64_t kvm_real_rflags(uint64_t virt);

/* fpu.c */
/* s->fpu becomes the guest's own; with write, also KVM's at the next kvm_fpu_put(). 0 or -errno. */
int kvm_fpu_take(struct kvm_vcpu *kv, struct cpu_state *s, bool write);
int kvm_fpu_put(struct kvm_vcpu *kv, const struct cpu_state *s);

/* backend.c */
void kvm_queue_touch(struct kvm_vcpu *kv, mpa_t slot);
void kvm_queue_table(struct kvm_vcpu *kv, mfn_t table);
void kvm_queue_invlpg(struct kvm_vcpu *kv, gva_t gva);
void kvm_backend_fill(struct machine *m, struct sh_backend *be);
/* What the above are made of: an address in the gate's window; a set of tables. */
void kvm_queue_slot(struct kvm_vcpu *kv, uint64_t va);
void kvm_queue_tables(struct kvm_vcpu *kv, const uint64_t *bits);
void kvm_mark_table(uint64_t *bits, const struct kvm_vm *vm, mfn_t table);
mfn_t kvm_touched_table(const struct kvm_vm *vm, uint64_t va);

/* foreign.c. For any thread but a vCPU's: a touch, a whole table; and that all touches which vCPUs have
 * queued and may not have done are done before any of them enters again. */
void kvm_foreign_touch(struct kvm_vm *vm, mpa_t slot);
void kvm_foreign_table(struct kvm_vm *vm, mfn_t table);
void kvm_foreign_settle(struct kvm_vm *vm, unsigned cpus);
/* A vCPU, before it enters: applies what was queued. 0, or the gate did not come back. */
int kvm_take_foreign(struct kvm_vcpu *kv);
void kvm_foreign_open(
	struct kvm_vm *vm); /* with close it pairs; init once the tables are known */
int kvm_foreign_init(struct kvm_vm *vm, uint32_t tables);
void kvm_foreign_close(struct kvm_vm *vm);

/* probe.c */
int kvm_probe(struct kvm_facts *facts, char *msg, size_t n);
/* engine.c: the same, found out once: a host does not change while this process lives. */
int kvm_host_facts(struct kvm_facts *f, char *msg, size_t n);
/* REQ_FLUSH, if it is set, is done with the next entry. On v's own thread. */
void kvm_take_flush(struct vcpu *v);

#endif
