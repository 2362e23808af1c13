/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether a touch on one vCPU makes a vCPU that is running guest code forget the old entry.
 *
 * A KVM that shadows our tables and interprets ring 0 sees every touch as a write to a page table:
 * it drops its own entry and, before it goes on, flushes all vCPUs itself. There a shootdown needs
 * no kick of ours. Where ring 0 runs natively a touch of a table that is out of step is not seen at
 * all, so the fact is only looked for where ring 0 is interpreted.
 *
 * A second vCPU copies the word behind the moving entry to the page for results, without a pause.
 * Read first: probe.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>

#include "vmm/clock.h"
#include "vmm/kvm/probe.h"

#define LOOP_OFFSET 0x100u
/* A context switch of the host would refresh the copying vCPU too, so a round counts only if it is
 * quick; one in four may be slow, because the copying thread may not be running. */
#define QUICK_NS 300000u
#define SLOW_NS	 20000000u
#define ENOUGH	 (ROUNDS * 3 / 4)
/* A natively executed touch costs some 4 ns, an interpreted one 2 us. */
#define INTERPRETED_NS 200u

struct copier {
	struct probe *p;
	struct kvm_vcpu kv;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic int err; /* 1 until it is set up */
};

static bool not_stopped(void *arg)
{
	struct copier *c = arg;

	return !atomic_load(&c->stop);
}

static void *copy(void *arg)
{
	struct copier *c = arg;
	struct kvm_entry e = {.rip = USER_VA + LOOP_OFFSET,
			      .rflags = RFL_FIXED,
			      .root = MFN(c->p->vm.table_mfn.v + F_ROOT)};
	enum kvm_left left = KVM_LEFT_KICKED;
	struct engine_exit x;
	int err = kvm_vcpu_open(&c->p->vm, 1, &c->kv);

	e.gpr[CPU_RSI] = DATA_VA;
	e.gpr[CPU_RDI] = OUT_VA;
	atomic_store(&c->err, err);
	if (err)
		return NULL;
	kvm_kick_arm(c->kv.run);
	while (left == KVM_LEFT_KICKED || (left == KVM_LEFT_NOT_ENTERED && not_stopped(c)))
		left = kvm_enter(&c->kv, &e, &x, not_stopped, c);
	kvm_kick_arm(NULL);
	return NULL;
}

static volatile uint64_t *result(struct probe *p)
{
	return &kvm_table(&p->vm, F_OUT)[0];
}

/* Nanoseconds until the copier shows page, SLOW_NS at most. */
static uint64_t until_shown(struct probe *p, unsigned page)
{
	uint64_t start = clock_ns(), ns = 0;

	while (*result(p) != page && (ns = clock_ns() - start) < SLOW_NS)
		__builtin_ia32_pause();
	return ns;
}

static int touch(struct probe *p, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		kvm_queue_touch(&p->kv, probe_entry(p));
	return kvm_gate_sync(&p->kv);
}

/* Cost of one more touch in a run of the gate. */
static bool interpreted(struct probe *p)
{
	uint64_t a, b, c;

	touch(p, 1);
	a = clock_ns();
	touch(p, 1);
	b = clock_ns();
	touch(p, KVM_TOUCHES);
	c = clock_ns();
	return c - b > b - a &&
	       (c - b) - (b - a) > (KVM_TOUCHES - 1) * (uint64_t)INTERPRETED_NS;
}

static int rounds(struct probe *p, bool *flushes)
{
	unsigned quick = 0;

	for (unsigned i = 1; i <= ROUNDS; i++) {
		unsigned page = i % PAGES;
		uint64_t ns;

		probe_set_entry(p, page);
		if (touch(p, 1))
			return -EIO;
		ns = until_shown(p, page);
		if (ns >= SLOW_NS)
			break;
		quick += ns < QUICK_NS;
	}
	*flushes = quick >= ENOUGH;
	return 0;
}

static void stop(struct copier *c)
{
	atomic_store(&c->stop, true);
	while (pthread_kill(c->thread, KVM_KICK_SIGNAL) == 0) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 1000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		if (pthread_timedjoin_np(c->thread, NULL, &t) == 0)
			break;
	}
	kvm_vcpu_close(&c->kv);
}

int probe_remote(struct probe *p, struct kvm_facts *f)
{
	/* 1: mov (%rsi),%rax; mov %rax,(%rdi); jmp 1b */
	static const uint8_t loop[] = {0x48, 0x8b, 0x06, 0x48, 0x89, 0x07, 0xeb, 0xf8};
	struct copier c = {.p = p, .err = 1};
	int err;

	if (!interpreted(p))
		return 0;
	memcpy((uint8_t *)kvm_table(&p->vm, F_CODE) + LOOP_OFFSET, loop, sizeof(loop));
	probe_set_entry(p, 0);
	*result(p) = PAGES;
	c.kv.fd = -1;
	if (pthread_create(&c.thread, NULL, copy, &c))
		return 0; /* it is an optimisation: without the fact kicks are sent */
	while (atomic_load(&c.err) == 1)
		__builtin_ia32_pause();
	until_shown(p, 0);
	err = atomic_load(&c.err) ? 0 : rounds(p, &f->touch_flushes_all);
	stop(&c);
	return err;
}
