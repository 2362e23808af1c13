/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether a touch on one vCPU makes a vCPU that is running guest code forget the old entry.
 *
 * A KVM that shadows our tables and interprets ring 0 sees every touch as a write to a page table:
 * it drops its own entry and, before it goes on, flushes all vCPUs itself. There a shootdown needs
 * no kick of ours. Where ring 0 runs natively a touch of a table that is out of step is not seen at
 * all, so the fact is only looked for where ring 0 is interpreted.
 *
 * A second vCPU copies the word behind the moving entry to the page for results and counts, without a
 * pause.
 * Read first: probe.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "vmm/clock.h"
#include "vmm/kvm/probe.h"

#define LOOP_OFFSET 0x100u
/* Where KVM counts its flushes of all vCPUs, the count tells. Elsewhere the copier must be seen to show
 * the new page quickly, and because a context switch of the host refreshes it too, a round counts only
 * if it was seen running just before the touch. Turns of the copier in which it still shows the old page
 * say in both cases that the touch does not reach it. */
#define RUNNING_NS 50000u
#define QUICK_NS   300000u
#define SLOW_NS	   1000000000u
#define ENOUGH	   8u
#define STALE	   5000u
#define GIVE_UP_NS 4000000000u
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

static volatile uint64_t *turns(struct probe *p)
{
	return &kvm_table(&p->vm, F_OUT)[1];
}

static bool copier_runs(struct probe *p)
{
	uint64_t start = clock_ns(), from = *turns(p);

	while (*turns(p) == from)
		if (clock_ns() - start > RUNNING_NS)
			return false;
	return true;
}

/* Nanoseconds until the copier shows page, SLOW_NS at most. */
static uint64_t until_shown(struct probe *p, unsigned page)
{
	uint64_t start = clock_ns(), ns = 0;

	while (*result(p) != page && (ns = clock_ns() - start) < SLOW_NS)
		sched_yield();
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

/* One change. Sets *stale if the copier went on with the old page; true if it was seen to change. */
static bool seen_quickly(struct probe *p, unsigned page, bool *stale)
{
	uint64_t from, start;

	probe_set_entry(p, page);
	touch(p, 1);
	start = clock_ns();
	from = *turns(p);
	while (*result(p) != page && !*stale && clock_ns() - start < QUICK_NS)
		*stale = *turns(p) - from > STALE;
	return !*stale && *result(p) == page;
}

/* Without the counter: the copier must be seen to change, often enough. */
static bool by_sight(struct probe *p)
{
	uint64_t start = clock_ns();
	unsigned seen = 0;
	bool stale = false;

	for (unsigned i = 1; seen < ENOUGH && !stale && clock_ns() - start < GIVE_UP_NS; i++) {
		if (copier_runs(p))
			seen += seen_quickly(p, i % PAGES, &stale);
		else
			sched_yield();
	}
	return seen >= ENOUGH && !stale;
}

/* By KVM's own count of such flushes: at every touch of an entry that the copier has used since the
 * last one there must be one. Needs the copier to run now and then, not at the same time. */
static bool by_count(struct probe *p, const struct probe_counter *flushes)
{
	for (unsigned i = 1; i <= ENOUGH; i++) {
		uint64_t before;
		bool stale = false;

		if (until_shown(p, (i - 1) % PAGES) >= SLOW_NS)
			return false;
		before = probe_counter_read(flushes);
		seen_quickly(p, i % PAGES, &stale);
		if (stale || probe_counter_read(flushes) == before)
			return false;
	}
	return true;
}

static void rounds(struct probe *p, bool *flushes)
{
	struct probe_counter c;

	*flushes = probe_counter_open(&c, &p->vm, "remote_tlb_flush_requests") ? by_count(p, &c)
									       : by_sight(p);
	probe_counter_close(&c);
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

void probe_remote(struct probe *p, struct kvm_facts *f)
{
	/* 1: mov (%rsi),%rax; mov %rax,(%rdi); incq 8(%rdi); jmp 1b */
	static const uint8_t loop[] = {0x48, 0x8b, 0x06, 0x48, 0x89, 0x07,
				       0x48, 0xff, 0x47, 0x08, 0xeb, 0xf4};
	struct copier c = {.p = p, .err = 1};

	if (!interpreted(p))
		return;
	memcpy((uint8_t *)kvm_table(&p->vm, F_CODE) + LOOP_OFFSET, loop, sizeof(loop));
	probe_set_entry(p, 0);
	*result(p) = PAGES;
	c.kv.fd = -1;
	if (pthread_create(&c.thread, NULL, copy, &c))
		return; /* it is an optimisation: without the fact kicks are sent */
	while (atomic_load(&c.err) == 1)
		__builtin_ia32_pause();
	until_shown(p, 0);
	if (!atomic_load(&c.err))
		rounds(p, &f->touch_flushes_all);
	stop(&c);
}
