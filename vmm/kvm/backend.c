/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the KVM engine does for the shadow MMU: touches, invalidations, shootdowns.
 *
 * A vCPU's own queue is emptied by its next entry, or at once by kvm_gate_sync() when a shootdown
 * is about to promise that the change has been seen. Those of threads that are no vCPU: foreign.c.
 * Locks: vcpus_lock and a vCPU's qlock, leaves below the shadow MMU's.
 * Read first: kvm.h, shadow/backend.h. Read next: foreign.c.
 */
#include <errno.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/kvm/kvm.h"

static struct kvm_vcpu *kv_of(struct machine *m, struct sh_vcpu *v)
{
	return m->vcpu[sh_vcpu_index(v)].eng; /* v's own thread asks */
}

void kvm_mark_table(uint64_t *bits, const struct kvm_vm *vm, mfn_t table)
{
	uint64_t i = table.v - vm->table_mfn.v;

	bits[i / 64] |= 1ull << (i % 64);
}

mfn_t kvm_touched_table(const struct kvm_vm *vm, uint64_t va)
{
	uint64_t window = gate_window_va(&vm->gate, mfn_mpa(vm->table_mfn));

	return MFN(vm->table_mfn.v + ((va - window) >> SH_PAGE_SHIFT));
}

void kvm_queue_slot(struct kvm_vcpu *kv, uint64_t va)
{
	pthread_spin_lock(&kv->qlock);
	if (kv->touches < KVM_TOUCHES) {
		kv->touch[kv->touches++] = va;
	} else {
		kvm_mark_table(kv->table_bits, kv->vm, kvm_touched_table(kv->vm, va));
		kv->tables_marked = true;
	}
	pthread_spin_unlock(&kv->qlock);
}

void kvm_queue_touch(struct kvm_vcpu *kv, mpa_t slot)
{
	kvm_queue_slot(kv, gate_window_va(&kv->vm->gate, slot));
}

void kvm_queue_table(struct kvm_vcpu *kv, mfn_t table)
{
	pthread_spin_lock(&kv->qlock);
	kvm_mark_table(kv->table_bits, kv->vm, table);
	kv->tables_marked = true;
	pthread_spin_unlock(&kv->qlock);
}

void kvm_queue_tables(struct kvm_vcpu *kv, const uint64_t *bits)
{
	pthread_spin_lock(&kv->qlock);
	for (uint32_t w = 0; w < (kv->vm->tables + 63) / 64; w++)
		kv->table_bits[w] |= bits[w];
	kv->tables_marked = true;
	pthread_spin_unlock(&kv->qlock);
}

/* Queues on kv what is queued on other and may not have been done yet. */
static void queue_copy(struct kvm_vcpu *kv, struct kvm_vcpu *other)
{
	uint64_t touch[KVM_TOUCHES];
	unsigned n;

	pthread_spin_lock(&other->qlock);
	n = other->touches;
	memcpy(touch, other->touch, n * sizeof(*touch));
	for (uint32_t w = 0; other->tables_marked && w < (kv->vm->tables + 63) / 64; w++)
		kv->table_bits[w] |= other->table_bits[w];
	kv->tables_marked |= other->tables_marked;
	pthread_spin_unlock(&other->qlock);
	for (unsigned i = 0; i < n; i++)
		kvm_queue_slot(kv, touch[i]);
}

void kvm_queue_invlpg(struct kvm_vcpu *kv, gva_t gva)
{
	if (kv->invlpgs == KVM_INVLPGS)
		kv->flush_all = true;
	else
		kv->invlpg[kv->invlpgs++] = gva.v;
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
		kvm_foreign_touch(vm, slot);
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
		kvm_foreign_table(vm, table);
}

/* Takes over what others have queued: it goes to the gate with kv's next entry, before kv's
 * invalidations. */
static void copy_touches(struct machine *m, struct kvm_vcpu *kv)
{
	struct kvm_vm *vm = kv->vm;

	if (!vm->facts.update_gated || m->cfg.cpus == 1)
		return;
	pthread_mutex_lock(&vm->vcpus_lock);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (vm->vcpu[i] && vm->vcpu[i] != kv)
			queue_copy(kv, vm->vcpu[i]);
	pthread_mutex_unlock(&vm->vcpus_lock);
}

static void be_invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	copy_touches(ctx, kv_of(ctx, cur));
	kvm_queue_invlpg(kv_of(ctx, cur), gva);
}

static void be_invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	copy_touches(ctx, kv_of(ctx, cur));
	kv_of(ctx, cur)->flush_all = true;
}

/* Every change made so far is seen by the hardware when this returns: cur's own, and those another
 * vCPU has made but not yet taken to its gate. That one is outside the guest and will do them
 * again, which does no harm; a third one must not run on what they replace meanwhile. */
static void settle_touches(struct machine *m, struct kvm_vcpu *kv)
{
	copy_touches(m, kv);
	if (kvm_gate_sync(kv))
		machine_end(m, VERDICT_HOST, "the gate did not come back from a touch");
}

/* Kicks are sent together and awaited together. None are needed where a touch makes KVM flush all
 * vCPUs before the gate goes on: everything that was dropped has been touched. */
static unsigned be_shootdown(void *ctx, struct sh_vcpu *cur)
{
	struct machine *m = ctx;
	struct kvm_vm *vm = m->eng;
	unsigned kicked = 0;

	if (cur) {
		settle_touches(m, kv_of(m, cur));
		kv_of(m, cur)->flush_all = true;
	} else {
		kvm_foreign_settle(vm, m->cfg.cpus);
	}
	if (cur && vm->facts.touch_flushes_all)
		return 0;
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			vcpu_request(&m->vcpu[i], REQ_FLUSH);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			kicked += vcpu_wait_out(&m->vcpu[i]);
	return kicked;
}

/* Where the processor walks our tables in memory: the entries are as they should be, and whoever may
 * have used them before is made to catch up. Where KVM has tables of its own, every vCPU must be kept
 * out until a touch has brought those in step. */
static unsigned be_shootdown_some(void *ctx, struct sh_vcpu *cur, uint64_t vcpus)
{
	struct machine *m = ctx;
	unsigned kicked = 0;

	(void)cur;
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (vcpus >> i & 1)
			vcpu_request(&m->vcpu[i], REQ_CATCH_UP);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (vcpus >> i & 1)
			kicked += vcpu_wait_out(&m->vcpu[i]);
	return kicked;
}

/* Line by line through windows: cache lines go by physical address, whatever mapping they came by.
 * Table memory (a debug mode of the direct map covers it) is mapped for good. */
static void flush_lines(const uint8_t *p)
{
	for (unsigned i = 0; i < SH_PAGE_SIZE; i += 64)
		_mm_clflush(p + i);
}

static void be_cache_flush(void *ctx, mpa_t mpa, uint64_t bytes)
{
	struct machine *m = ctx;
	struct kvm_vm *vm = m->eng;

	for (uint64_t at = mpa.v & SH_PAGE_MASK; at < mpa.v + bytes; at += SH_PAGE_SIZE) {
		mfn_t mfn = mpa_mfn(MPA(at));
		gfn_t gfn = gmem_gfn(m->gm, mfn);
		void *p;

		if (mfn.v - vm->table_mfn.v < vm->tables) {
			flush_lines((const uint8_t *)kvm_table(
				vm, (uint32_t)(mfn.v - vm->table_mfn.v)));
			continue;
		}
		p = gmem_map(m->gm, gfn);
		if (!p)
			continue;
		flush_lines(p);
		gmem_unmap(m->gm, p);
	}
	_mm_mfence();
}

/* Whether the VM's processor takes 1-GByte entries: host and KVM both must, as either may be the one
 * that walks our tables. */
static bool gb_pages(const struct kvm_vm *vm)
{
	for (uint32_t i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 0x80000001)
			return vm->cpuid->entries[i].edx & 1u << 26;
	return false;
}

void kvm_backend_fill(struct machine *m, struct sh_backend *be)
{
	struct kvm_vm *vm = m->eng;

	*be = (struct sh_backend){
		.ctx = m,
		.table_mem = kvm_table(vm, 0),
		.table_mfn = vm->table_mfn,
		.tables = vm->tables,
		.gb_pages = gb_pages(vm),
		.gate_entry = vm->gate.pml4e,
		.touch = be_touch,
		.touch_table = be_touch_table,
		.shootdown = be_shootdown,
		.shootdown_some = vm->facts.update_gated ? NULL : be_shootdown_some,
		.invalidate_ceiling = vm->facts.ceiling,
		.invalidate = be_invalidate,
		.invalidate_all = be_invalidate_all,
		.cache_flush = be_cache_flush,
	};
}
