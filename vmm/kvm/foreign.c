/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Touches of threads that are no vCPU. Such a thread can't run the gate: it queues, and the next vCPU
 * that enters takes the queue over and runs it, while no other enters. Slots are queued one by one as
 * long as there is room, whole tables behind that.
 *
 * Invariants: pending is true from the first thing queued until it has been applied.
 * Locks: turn is held over a gate run, by vCPUs only, with no other lock held. lock is for moments: it
 * is taken under the shadow MMU's locks and vcpus_lock; a vCPU's qlock may be taken under it.
 * Read first: kvm.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/kvm/kvm.h"

static size_t words(const struct kvm_vm *vm)
{
	return (vm->tables + 63) / 64;
}

void kvm_foreign_open(struct kvm_vm *vm)
{
	pthread_mutex_init(&vm->foreign.turn, NULL);
	pthread_spin_init(&vm->foreign.lock, PTHREAD_PROCESS_PRIVATE);
}

int kvm_foreign_init(struct kvm_vm *vm, uint32_t tables)
{
	vm->foreign.bits = calloc((tables + 63) / 64, sizeof(uint64_t));
	return vm->foreign.bits ? 0 : -ENOMEM;
}

void kvm_foreign_close(struct kvm_vm *vm)
{
	free(vm->foreign.bits);
	pthread_spin_destroy(&vm->foreign.lock);
	pthread_mutex_destroy(&vm->foreign.turn);
}

/* lock held. */
static void add_table(struct kvm_vm *vm, mfn_t table)
{
	kvm_mark_table(vm->foreign.bits, vm, table);
	vm->foreign.tables = true;
	atomic_store(&vm->foreign.pending, true);
}

static void add_slot(struct kvm_vm *vm, uint64_t va)
{
	struct kvm_foreign *f = &vm->foreign;

	if (f->touches == KVM_TOUCHES) {
		add_table(vm, kvm_touched_table(vm, va));
		return;
	}
	f->touch[f->touches++] = va;
	atomic_store(&f->pending, true);
}

void kvm_foreign_touch(struct kvm_vm *vm, mpa_t slot)
{
	pthread_spin_lock(&vm->foreign.lock);
	add_slot(vm, gate_window_va(&vm->gate, slot));
	pthread_spin_unlock(&vm->foreign.lock);
}

void kvm_foreign_table(struct kvm_vm *vm, mfn_t table)
{
	pthread_spin_lock(&vm->foreign.lock);
	add_table(vm, table);
	pthread_spin_unlock(&vm->foreign.lock);
}

/* What kv has queued and may not have done. */
static void add_queue(struct kvm_vm *vm, struct kvm_vcpu *kv)
{
	pthread_spin_lock(&kv->qlock);
	for (unsigned t = 0; t < kv->touches; t++)
		add_slot(vm, kv->touch[t]);
	for (size_t w = 0; kv->tables_marked && w < words(vm); w++)
		vm->foreign.bits[w] |= kv->table_bits[w];
	if (kv->tables_marked) {
		vm->foreign.tables = true;
		atomic_store(&vm->foreign.pending, true);
	}
	pthread_spin_unlock(&kv->qlock);
}

void kvm_foreign_settle(struct kvm_vm *vm, unsigned cpus)
{
	pthread_mutex_lock(&vm->vcpus_lock);
	pthread_spin_lock(&vm->foreign.lock);
	for (unsigned i = 0; i < cpus; i++)
		if (vm->vcpu[i])
			add_queue(vm, vm->vcpu[i]);
	pthread_spin_unlock(&vm->foreign.lock);
	pthread_mutex_unlock(&vm->vcpus_lock);
}

/* To kv's own queue. False if there is nothing: another vCPU was first, and is done. */
static bool take_over(struct kvm_vm *vm, struct kvm_vcpu *kv)
{
	struct kvm_foreign *f = &vm->foreign;
	bool any;

	pthread_spin_lock(&f->lock);
	any = f->touches || f->tables;
	for (unsigned t = 0; t < f->touches; t++)
		kvm_queue_slot(kv, f->touch[t]);
	if (f->tables)
		kvm_queue_tables(kv, f->bits);
	for (size_t w = 0; f->tables && w < words(vm); w++)
		f->bits[w] = 0;
	f->touches = 0;
	f->tables = false;
	pthread_spin_unlock(&f->lock);
	return any;
}

/* Unless more has come meanwhile. */
static void applied(struct kvm_foreign *f)
{
	pthread_spin_lock(&f->lock);
	if (!f->touches && !f->tables)
		atomic_store(&f->pending, false);
	pthread_spin_unlock(&f->lock);
}

int kvm_take_foreign(struct kvm_vcpu *kv)
{
	struct kvm_vm *vm = kv->vm;
	int err = 0;

	if (!atomic_load(&vm->foreign.pending))
		return 0;
	pthread_mutex_lock(&vm->foreign.turn);
	if (take_over(vm, kv))
		err = kvm_gate_sync(kv);
	applied(&vm->foreign);
	pthread_mutex_unlock(&vm->foreign.turn);
	return err;
}
