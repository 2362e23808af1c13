/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finds out, by trying in a small VM of its own, how this host treats our tables: whether a changed
 * present entry is seen after an invalidation alone (direct) or only after a store inside the VM
 * (gated), whether a touch is such a store, whether a new entry needs nothing, and whether CPL 3
 * state and CR3 may be loaded by registers.
 *
 * The guest is two instructions at CPL 3: load a word, then an undefined one.
 * Read first: kvm.h, enter.c. Used by engine.c at start-up and by doctor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/clock.h"
#include "vmm/kvm/probe.h"

#define TIMED 15u

static void build(struct probe *p)
{
	static const uint8_t code[] = {0x48, 0x8b, 0x06, 0x0f, 0x0b}; /* mov (%rsi),%rax; ud2 */

	for (unsigned r = F_ROOT; r <= F_ROOT2; r++) {
		kvm_table(&p->vm, r)[1] = probe_frame(p, F_PDPT) | BITS;
		kvm_table(&p->vm, r)[256] = p->vm.gate.pml4e;
	}
	kvm_table(&p->vm, F_PDPT)[0] = probe_frame(p, F_PD) | BITS;
	kvm_table(&p->vm, F_PD)[0] = probe_frame(p, F_PT) | BITS;
	kvm_table(&p->vm, F_PT)[0] = probe_frame(p, F_CODE) | BITS;
	kvm_table(&p->vm, F_PT)[1] = probe_frame(p, F_OUT) | BITS;
	memcpy(kvm_table(&p->vm, F_CODE), code, sizeof(code));
	for (unsigned i = 0; i < PAGES; i++)
		kvm_table(&p->vm, F_DATA + i)[0] = i;
}

void probe_set_entry(struct probe *p, unsigned page)
{
	uint64_t *e = &kvm_table(&p->vm, F_PT)[DATA_VA >> 12 & 511];

	__atomic_store_n(e, page == PAGES ? 0 : probe_frame(p, F_DATA + page) | BITS,
			 __ATOMIC_SEQ_CST);
}

mpa_t probe_entry(struct probe *p)
{
	return MPA(probe_frame(p, F_PT) + (DATA_VA >> 12 & 511) * 8);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

/* One access. Returns the value read, PAGES for a page fault, or -errno. */
static int access_data(struct probe *p, unsigned root)
{
	struct engine_exit x = {0};
	enum kvm_left left;

	p->e.rip = USER_VA;
	p->e.rflags = RFL_FIXED;
	p->e.gpr[CPU_RSI] = DATA_VA;
	p->e.gpr[CPU_RAX] = 99;
	p->e.root = MFN(p->vm.table_mfn.v + root);
	left = kvm_enter(&p->kv, &p->e, &x, always, NULL);
	if (left == KVM_LEFT_ERROR)
		return -(x.err ? x.err : EIO);
	if (left != KVM_LEFT_EXCEPTION)
		return -EIO;
	if (x.vector == VEC_PF)
		return (int)PAGES;
	return x.vector == VEC_UD ? (int)p->e.gpr[CPU_RAX] : -EIO;
}

/* How a round makes the hardware see the change. */
enum { BY_NOTHING = 0, BY_INVLPG = 1, BY_TOUCH = 2, BY_OTHER_ROOT = 4, FROM_NONE = 8 };

static int one_round(struct probe *p, unsigned how, unsigned i)
{
	unsigned root = how & BY_OTHER_ROOT ? i & 1 : 0;

	if (how & FROM_NONE) {
		probe_set_entry(p, PAGES);
		kvm_queue_touch(&p->kv, probe_entry(p));
		kvm_queue_invlpg(&p->kv, GVA(DATA_VA));
		if (access_data(p, root) != (int)PAGES)
			return -EIO;
	}
	probe_set_entry(p, i % PAGES);
	if (how & BY_TOUCH)
		kvm_queue_touch(&p->kv, probe_entry(p));
	if (how & BY_INVLPG)
		kvm_queue_invlpg(&p->kv, GVA(DATA_VA));
	return access_data(p, root);
}

/* True if every one of the rounds saw its change. *err is set if the host failed. */
static bool always_seen(struct probe *p, unsigned how, int *err)
{
	bool seen = true;

	for (unsigned i = 0; i < ROUNDS && !*err; i++) {
		int r = one_round(p, how, i);

		if (r < 0)
			*err = r;
		seen = seen && r == (int)(i % PAGES);
	}
	return seen;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* What an exit costs, with the entry it is entered by. */
static int time_exits(struct probe *p, struct kvm_facts *f)
{
	uint32_t ns[TIMED];
	int r = 0;

	for (unsigned i = 0; i < TIMED && r >= 0; i++) {
		uint64_t t = clock_ns();

		r = access_data(p, 0);
		ns[i] = (uint32_t)(clock_ns() - t);
	}
	if (r < 0)
		return r;
	qsort(ns, TIMED, sizeof(ns[0]), by_size);
	f->exit_ns = ns[TIMED / 2];
	return 0;
}

/* Median ns of an access with n INVLPGs before it, or (n too many for the queue) a MOV CR3. */
static int time_forgetting(struct probe *p, unsigned n, uint32_t *median)
{
	uint32_t ns[TIMED];
	int r = 0;

	for (unsigned i = 0; i < TIMED && r >= 0; i++) {
		uint64_t t = clock_ns();

		for (unsigned k = 0; k < n; k++)
			kvm_queue_invlpg(&p->kv, GVA(DATA_VA));
		r = access_data(p, 0);
		ns[i] = (uint32_t)(clock_ns() - t);
	}
	qsort(ns, TIMED, sizeof(ns[0]), by_size);
	*median = ns[TIMED / 2];
	return r < 0 ? r : 0;
}

/* INVLPGs that cost what a reload of CR3 does, with the misses after it: at most what the gate takes. */
static int measure_ceiling(struct probe *p, struct kvm_facts *f)
{
	uint32_t one, all, full;
	int err = time_forgetting(p, 1, &one);
	uint64_t n;

	if (!err)
		err = time_forgetting(p, KVM_INVLPGS, &all);
	if (!err)
		err = time_forgetting(p, KVM_INVLPGS + 1, &full);
	if (err)
		return err;
	n = full <= one	 ? 1
	    : all <= one ? KVM_INVLPGS
			 : 1 + (uint64_t)(full - one) * (KVM_INVLPGS - 1) / (all - one);
	f->ceiling = n > KVM_INVLPGS ? KVM_INVLPGS : (unsigned)n;
	return 0;
}

static int run_probe(struct probe *p, struct kvm_facts *f)
{
	int err = 0;

	p->vm.facts.enter_direct = false;
	/* First, while no store inside the VM has been made to the table: after one, a host that
	 * shadows lets the table go out of step until the next load of CR3, and reads it again at
	 * an INVLPG as if it were direct. */
	f->update_gated = !always_seen(p, BY_INVLPG, &err);
	f->touch_works = always_seen(p, BY_TOUCH | BY_INVLPG, &err);
	f->np_to_p_seen = always_seen(p, FROM_NONE, &err);
	/* Loading CPL 3 state and CR3 by registers saves two interpreted ring-0 instructions where
	 * ring 0 is interpreted, which is where tables are gated; elsewhere IRETQ is as good. */
	if (!err && f->update_gated) {
		p->vm.facts.enter_direct = true;
		f->enter_direct = always_seen(p, BY_TOUCH | BY_OTHER_ROOT, &err) && !err;
		err = 0;
	}
	if (!err && f->update_gated)
		probe_remote(p, f);
	p->vm.facts.enter_direct = f->enter_direct;
	if (!err)
		err = time_exits(p, f);
	if (!err)
		err = measure_ceiling(p, f);
	f->umip = p->vm.facts.umip;
	f->rounds = ROUNDS;
	return err;
}

int kvm_probe(struct kvm_facts *facts, char *msg, size_t n)
{
	struct probe p;
	int err;

	memset(&p, 0, sizeof(p));
	memset(facts, 0, sizeof(*facts));
	p.kv.fd = p.vm.kvm = p.vm.fd = -1;
	p.vm.own_mpa = MPA(1ull << 32);
	kvm_kick_install();
	err = kvm_vm_open(&p.vm, msg, n);
	if (!err)
		err = kvm_vm_create(&p.vm, 2, F_COUNT, msg, n);
	if (!err) {
		err = kvm_vcpu_open(&p.vm, 0, &p.kv);
		if (!err) {
			build(&p);
			err = run_probe(&p, facts);
		}
		if (err)
			snprintf(msg, n, "probing this host's KVM failed: %s", strerror(-err));
	}
	kvm_vcpu_close(&p.kv);
	kvm_vm_destroy(&p.vm);
	if (!err && (!facts->touch_works || !facts->np_to_p_seen)) {
		snprintf(msg, n,
			 "this host's KVM does not see changes of page tables in any way "
			 "known here; please report it with the output of umbra doctor");
		err = -ENOTSUP;
	}
	return err;
}
