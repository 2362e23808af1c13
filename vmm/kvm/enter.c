/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Into the guest and out of it.
 *
 * Two ways in. With work for the gate (or on a host where it is the cheaper way) the vCPU starts in
 * the gate at CPL 0 and leaves it by IRETQ. Otherwise CPL 3 state is loaded through the synced
 * registers, and no ring-0 instruction runs at all.
 * One way out: an exception's stub does OUT; the frame is on the gate's stack. A kick leaves the
 * vCPU wherever it was: at CPL 3 the registers say so; in a stub it is let run on to its OUT; in
 * the gate on the way in nothing is lost, because all guest state is still in *e and the gate's
 * work can be done twice.
 *
 * Invariant: between two calls the guest's state is in *e alone, none of it in KVM.
 * Read first: kvm.h, ../gate/gate.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shadow/format.h"
#include "vmm/kvm/kvm.h"

/* The command page: items first, the stack the gate pops from at its end. */
#define CMD_STACK 0xf00u

static __thread struct kvm_run *kick_run;

static void on_kick(int sig)
{
	(void)sig;
	if (kick_run)
		kick_run->immediate_exit = 1;
}

void kvm_kick_arm(struct kvm_run *run)
{
	kick_run = run;
}

void kvm_kick_install(void)
{
	struct sigaction sa = {.sa_handler = on_kick};

	sigemptyset(&sa.sa_mask);
	sigaction(KVM_KICK_SIGNAL, &sa, NULL);
}

/* ---- the gate's work ---- */

static uint64_t *cmd_page(struct kvm_vcpu *kv)
{
	return gate_cpu_page(&kv->vm->gate, kv->index, GATE_CPU_CMD);
}

static unsigned put_tables(struct kvm_vcpu *kv, uint64_t *item, unsigned room)
{
	unsigned n = 0;

	for (uint32_t w = 0; w < (kv->vm->tables + 63) / 64; w++)
		for (uint64_t left = kv->table_bits[w]; left && n < room; left &= left - 1) {
			unsigned b = (unsigned)__builtin_ctzll(left);
			mfn_t table = MFN(kv->vm->table_mfn.v + w * 64 + b);

			item[n++] = gate_window_va(&kv->vm->gate, mfn_mpa(table));
		}
	return n;
}

/* The marks of tables that the gate has been through. */
static void clear_tables(struct kvm_vcpu *kv, const uint64_t *item, unsigned n)
{
	uint64_t first = gate_window_va(&kv->vm->gate, mfn_mpa(kv->vm->table_mfn));
	uint64_t left = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t t = (item[i] - first) >> SH_PAGE_SHIFT;

		kv->table_bits[t / 64] &= ~(1ull << (t % 64));
	}
	for (uint32_t w = 0; w < (kv->vm->tables + 63) / 64; w++)
		left |= kv->table_bits[w];
	kv->tables_marked = left != 0;
}

/* Fills the command page and the registers gate_work takes. On the way into the guest no table is
 * marked: kvm_enter() has seen to those before. What is queued stays queued until the gate has done
 * it, so that a shootdown on another thread finds it. */
static void put_work(struct kvm_vcpu *kv, struct kvm_regs *r, bool touches_only, uint64_t cr3)
{
	uint64_t *item = cmd_page(kv);
	unsigned n = kv->touches, t = 0, i = 0;

	memcpy(item, kv->touch, n * sizeof(*item));
	if (touches_only && kv->tables_marked)
		t = put_tables(kv, item + n, KVM_ITEMS - n);
	if (!touches_only) {
		i = kv->flush_all ? 0 : kv->invlpgs;
		memcpy(item + n, kv->invlpg, i * sizeof(*item));
	}
	r->rsi = gate_cpu_va(kv->index, GATE_CPU_CMD);
	r->rcx = n;
	r->rdx = t;
	r->rbx = i;
	r->rbp = !touches_only && kv->flush_all ? cr3 : 0;
	r->rip = gate_label(gate_work);
}

static bool in_stub(uint64_t rip)
{
	return rip >= gate_label(gate_stubs) && rip < gate_label(gate_iret);
}

/* An exception that KVM has still to deliver would be delivered into whatever state comes next. */
bool kvm_exception_pending(const struct kvm_run *run)
{
	return run->s.regs.events.exception.injected || run->s.regs.events.exception.pending;
}

static int run_once(struct kvm_vcpu *kv)
{
	int r = ioctl(kv->fd, KVM_RUN, 0) < 0 ? -errno : 0;

	kv->run->kvm_dirty_regs = 0;
	kv->cr3 = kv->run->s.regs.sregs.cr3;
	return r;
}

static bool left_by_out(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
	       run->s.regs.sregs.cs.dpl == 0;
}

/* One run of the gate through what is queued, without entering the guest. */
static int sync_once(struct kvm_vcpu *kv)
{
	struct kvm_run *run = kv->run;
	struct kvm_regs *r = &run->s.regs.regs;
	uint64_t *stack = cmd_page(kv) + CMD_STACK / 8;
	unsigned tables;
	int err;

	memset(r, 0, sizeof(*r));
	put_work(kv, r, true, 0);
	tables = (unsigned)r->rdx;
	stack[0] = gate_label(gate_done);
	r->rsp = gate_cpu_va(kv->index, GATE_CPU_CMD) + CMD_STACK;
	r->rflags = RFL_FIXED;
	kvm_set_cpl(kv, 0);
	run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	do {
		run->immediate_exit = 0;
		err = run_once(kv);
	} while (err == -EINTR || err == -EAGAIN);
	if (err)
		return err;
	if (!left_by_out(run) || run->io.port != GATE_PORT_DONE)
		return -EIO;
	pthread_spin_lock(&kv->qlock);
	if (tables)
		clear_tables(kv, cmd_page(kv) + kv->touches, tables);
	kv->touches = 0;
	pthread_spin_unlock(&kv->qlock);
	return 0;
}

int kvm_gate_sync(struct kvm_vcpu *kv)
{
	int err = 0;

	while (!err && (kv->touches || kv->tables_marked))
		err = sync_once(kv);
	return err;
}

/* ---- entering ---- */

static void put_frame(uint64_t *at, const struct kvm_entry *e)
{
	at[0] = e->rip;
	at[1] = GATE_SEL_UCS;
	at[2] = kvm_real_rflags(e->rflags);
	at[3] = e->gpr[CPU_RSP];
	at[4] = GATE_SEL_UDS;
}

/* By IRETQ, with work or without. */
static void prepare_gate(struct kvm_vcpu *kv, const struct kvm_entry *e)
{
	struct kvm_regs *r = &kv->run->s.regs.regs;
	uint64_t *s = cmd_page(kv) + CMD_STACK / 8;
	uint64_t va = gate_cpu_va(kv->index, GATE_CPU_CMD) + CMD_STACK;

	kvm_put_gprs(r, e->gpr);
	r->rsp = va;
	r->rflags = RFL_FIXED;
	kvm_set_cpl(kv, 0);
	if (kv->touches == 1 && !kv->invlpgs && !kv->flush_all) {
		r->rip = gate_label(gate_touch_iret);
		r->rdi = kv->touch[0];
		*s++ = e->gpr[CPU_RDI];
	} else if (kv->invlpgs == 1 && !kv->touches && !kv->flush_all) {
		r->rip = gate_label(gate_invlpg_iret);
		r->rdi = kv->invlpg[0];
		*s++ = e->gpr[CPU_RDI];
	} else if (kv->touches || kv->invlpgs || kv->flush_all) {
		put_work(kv, r, false, mfn_mpa(e->root).v);
		*s++ = gate_label(gate_pop_iret);
		*s++ = e->gpr[CPU_RAX];
		*s++ = e->gpr[CPU_RBX];
		*s++ = e->gpr[CPU_RCX];
		*s++ = e->gpr[CPU_RDX];
		*s++ = e->gpr[CPU_RSI];
		*s++ = e->gpr[CPU_RBP];
	} else {
		r->rip = gate_label(gate_iret);
	}
	put_frame(s, e);
}

static void prepare_direct(struct kvm_vcpu *kv, const struct kvm_entry *e)
{
	struct kvm_regs *r = &kv->run->s.regs.regs;

	kvm_put_gprs(r, e->gpr);
	r->rip = e->rip;
	r->rflags = kvm_real_rflags(e->rflags);
	kvm_set_cpl(kv, 3);
}

static void prepare(struct kvm_vcpu *kv, const struct kvm_entry *e)
{
	bool same = kv->cr3 == mfn_mpa(e->root).v;

	if (!same && kv->vm->facts.enter_direct) {
		/* Loading CR3 forgets everything; nothing else is left to invalidate. */
		kv->flush_all = false;
		kv->invlpgs = 0;
	} else if (!same) {
		kv->flush_all = true; /* and the gate's MOV CR3 makes sure of it */
	}
	kvm_move_root(kv, e->root);
	kvm_set_bases(kv, e);
	kvm_set_fpu_traps(kv, e);
	if (kv->vm->facts.enter_direct && !kv->touches && !kv->invlpgs && !kv->flush_all)
		prepare_direct(kv, e);
	else
		prepare_gate(kv, e);
	kv->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

static void work_done(struct kvm_vcpu *kv)
{
	if (kv->touches) {
		pthread_spin_lock(&kv->qlock);
		kv->touches = 0;
		pthread_spin_unlock(&kv->qlock);
	}
	kv->invlpgs = 0;
	kv->flush_all = false;
}

/* ---- leaving ---- */

static void take_bases(const struct kvm_vcpu *kv, struct kvm_entry *e)
{
	/* MOV to FS or GS at CPL 3 changes these without a trap. */
	e->fs_base = kv->run->s.regs.sregs.fs.base;
	e->gs_base = kv->run->s.regs.sregs.gs.base;
}

static enum kvm_left take_exception(struct kvm_vcpu *kv, struct kvm_entry *e,
				    struct engine_exit *x)
{
	const struct kvm_run *run = kv->run;
	const uint8_t *stack = gate_cpu_page(&kv->vm->gate, kv->index, GATE_CPU_STACK);
	unsigned vector = run->io.port & 31;
	const uint64_t *f = (const uint64_t *)(const void *)(stack + (run->s.regs.regs.rsp &
								      (SH_PAGE_SIZE - 1)));

	x->error = 0;
	if (cpu_vector_has_error(vector))
		x->error = (uint32_t)*f++;
	if (!(f[1] & 3)) { /* the gate itself: a bug of ours */
		x->err = EFAULT;
		x->why = "exception inside the gate";
		e->rip = f[0];
		return KVM_LEFT_ERROR;
	}
	kvm_get_gprs(e->gpr, &run->s.regs.regs);
	e->gpr[CPU_RSP] = f[3];
	e->rip = f[0];
	e->rflags = f[2];
	x->vector = (uint8_t)vector;
	x->cr2 = run->s.regs.sregs.cr2;
	/* A host that takes SYSCALL to LSTAR without leaving CPL 3 faults on its first byte. */
	if (vector == VEC_PF && e->rip == gate_label(gate_syscall) && x->cr2 == e->rip)
		return KVM_LEFT_SYSCALL;
	return KVM_LEFT_EXCEPTION;
}

static enum kvm_left take_syscall(struct kvm_vcpu *kv, struct kvm_entry *e)
{
	kvm_get_gprs(e->gpr, &kv->run->s.regs.regs);
	e->rflags = e->gpr[CPU_R11];
	return KVM_LEFT_SYSCALL;
}

static enum kvm_left take_kick(struct kvm_vcpu *kv, struct kvm_entry *e)
{
	kvm_get_gprs(e->gpr, &kv->run->s.regs.regs);
	e->rip = kv->run->s.regs.regs.rip;
	e->rflags = kv->run->s.regs.regs.rflags;
	return KVM_LEFT_KICKED;
}

static enum kvm_left host_error(struct engine_exit *x, int err, const char *why)
{
	x->err = err;
	x->why = why;
	return KVM_LEFT_ERROR;
}

static const char *reason_name(uint32_t reason)
{
	switch (reason) {
	case KVM_EXIT_SHUTDOWN:
		return "KVM_EXIT_SHUTDOWN (the gate can't take an exception)";
	case KVM_EXIT_INTERNAL_ERROR:
		return "KVM_EXIT_INTERNAL_ERROR";
	case KVM_EXIT_FAIL_ENTRY:
		return "KVM_EXIT_FAIL_ENTRY";
	case KVM_EXIT_MMIO:
		return "KVM_EXIT_MMIO (a shadow entry names no memory)";
	default:
		return "an exit reason of KVM that should not happen here";
	}
}

static enum kvm_left take_exit(struct kvm_vcpu *kv, struct kvm_entry *e, struct engine_exit *x)
{
	if (!left_by_out(kv->run))
		return host_error(x, EIO, reason_name(kv->run->exit_reason));
	take_bases(kv, e);
	if (kv->run->io.port == GATE_PORT_SYSCALL)
		return take_syscall(kv, e);
	return take_exception(kv, e, x);
}

/* After EINTR. NOT_ENTERED also when the gate had not finished letting it in. */
static enum kvm_left interrupted(struct kvm_vcpu *kv, struct kvm_entry *e, bool *again)
{
	uint64_t rip = kv->run->s.regs.regs.rip;

	*again = kvm_exception_pending(kv->run) ||
		 (!kv->run->s.regs.sregs.cs.dpl && in_stub(rip));
	if (kv->run->s.regs.sregs.cs.dpl != 3)
		return KVM_LEFT_NOT_ENTERED;
	take_bases(kv, e);
	/* Between SYSCALL and the fault on the first byte at LSTAR: the guest must not see that RIP, in
	 * the frame of an interrupt or otherwise. */
	if (rip == gate_label(gate_syscall))
		return take_syscall(kv, e);
	return take_kick(kv, e);
}

enum kvm_left kvm_enter(struct kvm_vcpu *kv, struct kvm_entry *e, struct engine_exit *x,
			bool (*may_enter)(void *), void *arg)
{
	enum kvm_left left = KVM_LEFT_NOT_ENTERED;
	bool again;
	int err;

	/* Tables go out of use rarely; not worth a way of its own through the gate. */
	if (kv->tables_marked && kvm_gate_sync(kv))
		return host_error(x, EIO, "the gate did not come back");
	prepare(kv, e);
	kv->run->immediate_exit = 0;
	if (!may_enter(arg))
		return KVM_LEFT_NOT_ENTERED;
	do {
		again = false;
		err = run_once(kv);
		if (err == -EINTR || err == -EAGAIN) {
			left = interrupted(kv, e, &again);
			kv->run->immediate_exit = 0;
		}
	} while (again);
	if (!err)
		left = take_exit(kv, e, x);
	else if (err != -EINTR && err != -EAGAIN)
		left = host_error(x, -err, "KVM_RUN");
	if (left != KVM_LEFT_NOT_ENTERED)
		work_done(kv);
	return left;
}
