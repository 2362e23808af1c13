/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The KVM engine as the rest of the monitor sees it. Read first: ../engine.h, kvm.h.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/kvm/kvm.h"

int kvm_host_facts(struct kvm_facts *f, char *msg, size_t n)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct kvm_facts found;
	static bool done;
	int err = 0;

	pthread_mutex_lock(&lock);
	if (!done)
		err = kvm_probe(&found, msg, n);
	done = !err;
	*f = found;
	pthread_mutex_unlock(&lock);
	return err;
}

static int settle(struct machine *m, struct kvm_vm *vm, char *msg, size_t n)
{
	struct kvm_facts f;
	int err = kvm_host_facts(&f, msg, n);

	if (err)
		return err;
	if (m->cfg.pt_update == PT_UPDATE_DIRECT && f.update_gated)
		m->engine_warning =
			"--pt-update direct on a host that needs gated: the guest will "
			"run on stale tables; leave the option out";
	if (m->cfg.pt_update != PT_UPDATE_AUTO)
		f.update_gated = m->cfg.pt_update == PT_UPDATE_GATED;
	f.touch_flushes_all = f.touch_flushes_all && f.update_gated;
	vm->facts = f;
	m->exit_ns = f.exit_ns;
	m->pt_update_name = f.update_gated ? "gated" : "direct";
	snprintf(m->engine_note, sizeof(m->engine_note), "table updates %s, entry %s%s",
		 m->pt_update_name, f.enter_direct ? "direct" : "by IRETQ",
		 f.touch_flushes_all ? ", shootdown by touch" : ", shootdown by kick");
	return 0;
}

static int create(struct machine *m, struct sh_backend *be, char *msg, size_t n)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));
	int err;

	if (!vm)
		return -ENOMEM;
	m->eng = vm;
	vm->m = m;
	vm->fd = vm->kvm = -1;
	vm->own_mpa = engine_own_mpa(m->gm);
	err = settle(m, vm, msg, n);
	if (!err)
		err = kvm_vm_open(vm, msg, n);
	if (!err)
		err = kvm_vm_create(vm, m->cfg.cpus, engine_default_tables(m), msg, n);
	if (!err)
		err = kvm_vm_add_ram(vm, m->gm, msg, n);
	if (err)
		return err;
	kvm_kick_install();
	kvm_backend_fill(m, be);
	return 0;
}

static void destroy(struct machine *m)
{
	if (!m->eng)
		return;
	kvm_vm_destroy(m->eng);
	free(m->eng);
	m->eng = NULL;
}

static void enlist(struct kvm_vm *vm, unsigned index, struct kvm_vcpu *kv)
{
	pthread_mutex_lock(&vm->vcpus_lock);
	vm->vcpu[index] = kv;
	pthread_mutex_unlock(&vm->vcpus_lock);
}

static int vcpu_create(struct vcpu *v)
{
	struct kvm_vcpu *kv = calloc(1, sizeof(*kv));
	int err;

	if (!kv)
		return -ENOMEM;
	err = kvm_vcpu_open(v->m->eng, v->index, kv);
	if (err) {
		kvm_vcpu_close(kv);
		free(kv);
		return err;
	}
	kv->fpu_here = kv->fpu_newer = true; /* what RESET left */
	v->eng = kv;
	enlist(v->m->eng, v->index, kv);
	kvm_kick_arm(kv->run);
	return 0;
}

static void vcpu_destroy(struct vcpu *v)
{
	if (!v->eng)
		return;
	kvm_kick_arm(NULL);
	enlist(v->m->eng, v->index, NULL);
	kvm_vcpu_close(v->eng);
	free(v->eng);
	v->eng = NULL;
}

static void state_out(const struct cpu_state *s, mfn_t root, struct kvm_entry *e)
{
	memcpy(e->gpr, s->gpr, sizeof(e->gpr));
	e->rip = s->rip;
	e->rflags = s->rflags;
	e->fs_base = s->seg[CPU_FS].base;
	e->gs_base = s->seg[CPU_GS].base;
	e->cr0 = s->cr0;
	e->cr4 = s->cr4;
	e->root = root;
}

/* IF, IOPL and the virtual-8086 bits are the monitor's: the real ones say nothing. RF was the
 * processor's for this one exception. */
#define VIRTUAL_FLAGS (RFL_IF | RFL_IOPL | RFL_NT | RFL_VM | RFL_VIF | RFL_VIP)

static void state_in(struct cpu_state *s, const struct kvm_entry *e)
{
	memcpy(s->gpr, e->gpr, sizeof(s->gpr));
	s->rip = e->rip;
	s->rflags = (e->rflags & ~(VIRTUAL_FLAGS | RFL_RF)) | (s->rflags & VIRTUAL_FLAGS);
	s->seg[CPU_FS].base = e->fs_base;
	s->seg[CPU_GS].base = e->gs_base;
}

/* 64-bit code; the rest, a few instructions of boot code and AP trampolines, is interpreted. So is
 * the instruction in an interrupt shadow: after STI it is usually HLT. And where the host's CPL 3
 * would show a kernel what it should not see (--exact), all of the kernel is. */
static bool can_run(const struct vcpu *v)
{
	const struct cpu_state *s = &v->cpu.s;

	if (v->m->cfg.interpret_kernel && cpu_cpl(s) < 3)
		return false;
	/* The real debug registers are not the guest's, and a debugger's breakpoints are compared in
	 * the interpreter. */
	if (s->dr[7] & DR7_ENABLES || v->cpu.debug)
		return false;
	return cpu_64bit(s) && s->cr0 & CR0_PG && !(s->cr4 & CR4_LA57) && !s->int_shadow;
}

static bool may_enter(void *arg)
{
	return vcpu_may_enter(arg);
}

void kvm_take_flush(struct vcpu *v)
{
	struct kvm_vcpu *kv = v->eng;

	if (atomic_fetch_and(&v->requests, ~REQ_FLUSH) & REQ_FLUSH)
		kv->flush_all = true;
}

static void run(struct vcpu *v, mfn_t root, struct engine_exit *x)
{
	static const enum exit_kind kind[] = {
		[KVM_LEFT_NOT_ENTERED] = EXIT_NONE, [KVM_LEFT_EXCEPTION] = EXIT_EXCEPTION,
		[KVM_LEFT_SYSCALL] = EXIT_SYSCALL,  [KVM_LEFT_KICKED] = EXIT_KICKED,
		[KVM_LEFT_ERROR] = EXIT_HOST_ERROR,
	};
	struct kvm_vcpu *kv = v->eng;
	struct kvm_entry e;
	enum kvm_left left;
	int err;

	kvm_take_flush(v);
	if (kvm_take_foreign(kv)) {
		*x = (struct engine_exit){.kind = EXIT_HOST_ERROR,
					  .err = EIO,
					  .why = "the gate did not come back from a touch"};
		return;
	}
	err = kvm_fpu_put(kv, &v->cpu.s);
	if (err) {
		*x = (struct engine_exit){
			.kind = EXIT_HOST_ERROR, .err = -err, .why = "KVM_SET_FPU"};
		return;
	}
	state_out(&v->cpu.s, root, &e);
	exit_stats_enter(&v->stats);
	left = kvm_enter(kv, &e, x, may_enter, v);
	exit_stats_left(&v->stats);
	atomic_store(&v->mode, VCPU_OUTSIDE);
	atomic_fetch_add(&v->runs, 1);
	x->kind = kind[left];
	if (left != KVM_LEFT_NOT_ENTERED) {
		state_in(&v->cpu.s, &e);
		kv->fpu_here = false;
	}
	sh_root_loaded(v->sh, kvm_hw_root(kv));
}

static int fpu(struct vcpu *v, bool write)
{
	return kvm_fpu_take(v->eng, &v->cpu.s, write);
}

static bool usable(char *msg, size_t n)
{
	struct kvm_facts f;

	return kvm_host_facts(&f, msg, n) == 0;
}

static void kick(struct vcpu *v)
{
	pthread_kill(v->thread, KVM_KICK_SIGNAL);
}

#define CPUID7_ECX_OSPKE (1u << 4)

/* The VM's CR4.PKE stays 0, so that RDPKRU and WRPKRU raise #UD at CPL 3 and are emulated. But
 * where the VM's CPL 3 is the bare host's (kvm_pvm), what counts is the host's CR4.PKE, and CPUID
 * shows it: with it set they would run unnoticed. There PKU is not offered. */
static unsigned can(void)
{
	unsigned a, b, c = 0, d;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & CPUID7_ECX_OSPKE))
		return 0;
	return CAN_PKU;
}

const struct engine engine_kvm = {
	.name = "kvm",
	.can = can,
	.ops = &vcpu_ops,
	.needs_timer = true,
	.machine_create = create,
	.machine_destroy = destroy,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.can_run = can_run,
	.run = run,
	.kick = kick,
	.fpu = fpu,
	.usable = usable,
};
