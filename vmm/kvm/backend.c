/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the KVM engine does for the shadow MMU: touches, invalidations, shootdowns.
 *
 * A vCPU's own queue is emptied by its next entry, or at once by kvm_gate_sync() when a shootdown
 * is about to promise that the change has been seen. A thread that is no vCPU marks tables in the
 * VM; every vCPU takes those over before it next enters, under foreign_lock, so that none enters
 * while another is still applying them.
 * Locks: foreign_lock is a leaf below the shadow MMU's locks; it is held over a gate run.
 * Read first: kvm.h, shadow/backend.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/kvm/kvm.h"

static struct kvm_vcpu *kv_of(struct machine *m, struct sh_vcpu *v)
{
	return m->vcpu[sh_vcpu_index(v)].eng;
}

static void mark_table(uint64_t *bits, const struct kvm_vm *vm, mfn_t table)
{
	uint64_t i = table.v - vm->table_mfn.v;

	bits[i / 64] |= 1ull << (i % 64);
}

void kvm_queue_touch(struct kvm_vcpu *kv, mpa_t slot)
{
	if (kv->touches == KVM_TOUCHES) {
		kvm_queue_table(kv, mpa_mfn(slot));
		return;
	}
	kv->touch[kv->touches++] = gate_window_va(&kv->vm->gate, slot);
}

void kvm_queue_table(struct kvm_vcpu *kv, mfn_t table)
{
	mark_table(kv->table_bits, kv->vm, table);
	kv->tables_marked = true;
}

void kvm_queue_invlpg(struct kvm_vcpu *kv, gva_t gva)
{
	if (kv->invlpgs == KVM_INVLPGS)
		kv->flush_all = true;
	else
		kv->invlpg[kv->invlpgs++] = gva.v;
}

static void foreign_mark(struct kvm_vm *vm, mfn_t table)
{
	pthread_mutex_lock(&vm->foreign_lock);
	mark_table(vm->foreign_bits, vm, table);
	atomic_store(&vm->foreign, true);
	pthread_mutex_unlock(&vm->foreign_lock);
}

static void be_touch(void *ctx, struct sh_vcpu *cur, mpa_t slot)
{
	struct machine *m = ctx;
	struct kvm_vm *vm = m->eng;

	if (!vm->facts.update_gated)
		return;
	if (cur)
		kvm_queue_touch(kv_of(m, cur), slot);
	else
		foreign_mark(vm, mpa_mfn(slot));
}

static void be_touch_table(void *ctx, struct sh_vcpu *cur, mfn_t table)
{
	struct machine *m = ctx;
	struct kvm_vm *vm = m->eng;

	if (!vm->facts.update_gated)
		return;
	if (cur)
		kvm_queue_table(kv_of(m, cur), table);
	else
		foreign_mark(vm, table);
}

static void be_invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	kvm_queue_invlpg(kv_of(ctx, cur), gva);
}

static void be_invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	kv_of(ctx, cur)->flush_all = true;
}

/* Kicks are sent together and awaited together. */
static unsigned be_shootdown(void *ctx, struct sh_vcpu *cur)
{
	struct machine *m = ctx;
	unsigned kicked = 0;

	if (cur) {
		struct kvm_vcpu *kv = kv_of(m, cur);

		if (kvm_gate_sync(kv))
			machine_end(m, VERDICT_HOST, "the gate did not come back from a touch");
		kv->flush_all = true;
	}
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			vcpu_request(&m->vcpu[i], REQ_FLUSH);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			kicked += vcpu_wait_out(&m->vcpu[i]);
	return kicked;
}

int kvm_take_foreign(struct kvm_vcpu *kv)
{
	struct kvm_vm *vm = kv->vm;
	int err;

	if (!atomic_load(&vm->foreign))
		return 0;
	pthread_mutex_lock(&vm->foreign_lock);
	for (uint32_t w = 0; w < (vm->tables + 63) / 64; w++) {
		kv->table_bits[w] |= vm->foreign_bits[w];
		vm->foreign_bits[w] = 0;
	}
	kv->tables_marked = true;
	err = kvm_gate_sync(kv);
	atomic_store(&vm->foreign, false);
	pthread_mutex_unlock(&vm->foreign_lock);
	return err;
}

void kvm_backend_fill(struct machine *m, struct sh_backend *be)
{
	struct kvm_vm *vm = m->eng;

	*be = (struct sh_backend){
		.ctx = m,
		.table_mem = kvm_table(vm, 0),
		.table_mfn = vm->table_mfn,
		.tables = vm->tables,
		.gate_entry = vm->gate.pml4e,
		.touch = be_touch,
		.touch_table = be_touch_table,
		.shootdown = be_shootdown,
		.invalidate = be_invalidate,
		.invalidate_all = be_invalidate_all,
	};
}
