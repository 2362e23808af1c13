/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How others get a vCPU's attention and wait until they have it; how it looks for what they want
 * before it enters the guest, and sleeps while nobody wants anything.
 *
 * Invariant: a request is seen by vcpu_may_enter() or by the sleeper, or its maker sees VCPU_IN_GUEST
 * or `sleeping` and kicks or wakes. Locks: none.
 * Read first: vcpu.h. Read next: vcpu.c.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shadow/inject.h"
#include "vmm/clock.h"
#include "vmm/machine.h"

/* A kick that has had no effect for so long is made again. */
#define KICK_AGAIN_NS 20000000u

static long futex(_Atomic uint32_t *word, int op, uint32_t val, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, timeout, NULL, 0);
}

static void kick(struct vcpu *v)
{
	if (!v->m->mmu || !sh_inject(sh_mmu_inject(v->m->mmu), SH_INJECT_KICK))
		v->m->engine->kick(v);
}

void vcpu_request(struct vcpu *v, uint32_t req)
{
	atomic_fetch_or(&v->requests, req);
	if (atomic_load(&v->mode) == VCPU_IN_GUEST)
		kick(v);
	if (atomic_load(&v->sleeping))
		futex(&v->requests, FUTEX_WAKE, INT_MAX, NULL);
}

/* Whoever waits for a vCPU to leave the guest does so until it has; but not in silence, and a kick that
 * came to nothing is made again. */
struct patience {
	uint64_t late, kick;
};

static void be_patient(struct vcpu *v, struct patience *p)
{
	uint64_t now = clock_ns();

	if (p->late && now >= p->late)
		sh_late(v->m->mmu, v->index, SH_LATE_SECONDS);
	if (!p->late || now >= p->late)
		p->late = now + SH_LATE_SECONDS * 1000000000ull;
	if (p->kick && now >= p->kick)
		kick(v);
	if (!p->kick || now >= p->kick)
		p->kick = now + KICK_AGAIN_NS;
}

bool vcpu_wait_out(struct vcpu *v)
{
	uint64_t runs = atomic_load(&v->runs);
	struct patience p = {0};
	bool again = false;

	if (atomic_load(&v->mode) != VCPU_IN_GUEST)
		return false;
	while (atomic_load(&v->mode) == VCPU_IN_GUEST && atomic_load(&v->runs) == runs) {
		/* It was outside at the request, took it and entered: nothing has kicked it. */
		if (!again && !(atomic_load(&v->requests) & (REQ_FLUSH | REQ_CATCH_UP))) {
			kick(v);
			again = true;
		}
		be_patient(v, &p);
		sched_yield();
	}
	return true;
}

bool vcpu_wait_forgotten(struct vcpu *v)
{
	uint64_t runs = atomic_load(&v->runs);
	struct patience p = {0};

	if (atomic_load(&v->mode) != VCPU_INTERPRETS)
		return false;
	while (atomic_load(&v->mode) == VCPU_INTERPRETS && atomic_load(&v->runs) == runs) {
		be_patient(v, &p);
		sched_yield();
	}
	return true;
}

bool vcpu_due(struct vcpu *v)
{
	uint64_t at = atomic_load(&v->deadline);

	return at != UINT64_MAX && machine_now(v->m) >= at;
}

bool vcpu_may_enter(struct vcpu *v)
{
	atomic_store(&v->mode, VCPU_IN_GUEST);
	if (!atomic_load(&v->requests) && !vcpu_due(v))
		return true;
	atomic_store(&v->mode, VCPU_OUTSIDE);
	return false;
}

/* An NMI waits for the IRET of the last one and while MOV SS shields the stack (SDM vol. 3,
 * sections 6.7.1 and 6.8.3). Only one waits. */
bool vcpu_nmi_ready(const struct cpu_state *s)
{
	return s->nmi_pending && !s->nmi_blocked && !s->db_shadow && s->activity <= CPU_HALTED;
}

bool vcpu_interruptible(const struct cpu_state *s)
{
	return s->rflags & RFL_IF && !s->int_shadow && s->activity <= CPU_HALTED;
}

/* ---- sleep ---- */

static bool something_to_do(struct vcpu *v)
{
	return atomic_load(&v->requests) & ~REQ_DROPS || vcpu_due(v) ||
	       vcpu_nmi_ready(&v->cpu.s) ||
	       (vcpu_interruptible(&v->cpu.s) && apic_pending(v->m->apic, v->index) >= 0);
}

bool vcpu_idle(struct vcpu *v)
{
	if (v->held)
		return !(atomic_load(&v->requests) & (REQ_PAUSE | REQ_QUIT));
	return v->cpu.s.activity != CPU_RUNNING && !something_to_do(v);
}

void vcpu_sleep(struct vcpu *v)
{
	uint64_t at, now, ns;
	struct timespec t;
	uint32_t seen;

	uart_flush(v->m->uart);
	atomic_store(&v->sleeping, true);
	at = atomic_load(&v->deadline);
	now = machine_now(v->m);
	seen = atomic_load(&v->requests);
	if (!something_to_do(v)) {
		ns = at == UINT64_MAX ? 3600ull * 1000000000u : at > now ? at - now : 0;
		t.tv_sec = (time_t)(ns / 1000000000u);
		t.tv_nsec = (long)(ns % 1000000000u);
		futex(&v->requests, FUTEX_WAIT, seen, &t);
	}
	atomic_store(&v->sleeping, false);
}
