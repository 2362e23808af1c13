/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How fast code runs (CPL 3 in 64-bit and 32-bit mode, CPL 0), and what it takes to get at a
 * vCPU that is busy: kick, interrupt.
 *
 * A loop is run for as many rounds as make its time stand out from the exit that ends it,
 * whether an iteration takes a third of a nanosecond or, interpreted, two thousand. Read first:
 * measure_rig.h.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/kvm/measure_rig.h"

#define FIRST_ROUNDS  256u
#define MOST_ROUNDS   (1u << 24)
#define ENOUGH_NS     300e3
#define SAMPLES	      9u
#define KICKS	      200u
#define INTERRUPTS    100u
#define KICK_AFTER_US 100u
#define IRQ_VECTOR    31u

struct loop {
	const char *code;
	unsigned len, slot, cpl;
	bool compat;
	unsigned insns; /* instructions of an iteration, if it is those that count */
};

static bool ended(const struct loop *l, const struct rig_run *r)
{
	return l->cpl ? rig_reached(r, l->slot, l->len)
		      : r->how == RIG_PORT && r->port == GATE_PORT_DONE;
}

/* ns of n iterations with the exit; less than 0 if it did not end. */
static double loop_once(struct measure *m, const struct loop *l, uint64_t n)
{
	struct rig_run r;
	double t;

	rig_user(&r, l->slot);
	r.gpr[CPU_RCX] = n;
	r.compat = l->compat;
	r.cpl = l->cpl;
	if (!l->cpl)
		r.rip = RIG_RING0_VA;
	rig_limit(m, MEASURE_LIMIT_MS);
	t = rig_now();
	rig_go(m, &r);
	t = rig_now() - t;
	return ended(l, &r) ? t : -1;
}

static void loop_load(struct measure *m, const struct loop *l)
{
	if (l->cpl)
		rig_load(m, l->code, l->len);
	else
		rig_load_ring0(m, l->code, l->len);
}

/* Least time of some runs of n, or less than 0. */
static double loop_least(struct measure *m, const struct loop *l, uint64_t n, unsigned runs)
{
	double least = -1;

	for (unsigned i = 0; i < runs; i++) {
		double t = loop_once(m, l, n);

		if (t < 0)
			return t;
		if (least < 0 || t < least)
			least = t;
	}
	return least;
}

static void loop_measure(struct measure *m, const void *arg, struct measured *v)
{
	const struct loop *l = arg;
	double base, t = 0;
	uint64_t n;

	loop_load(m, l);
	base = loop_least(m, l, 1, SAMPLES);
	for (n = FIRST_ROUNDS; base >= 0 && n < MOST_ROUNDS; n *= 4) {
		t = loop_least(m, l, n, 2);
		if (t < 0 || t - base > base + ENOUGH_NS)
			break;
	}
	for (unsigned i = 0; base >= 0 && t >= 0 && i < SAMPLES; i++) {
		t = loop_once(m, l, n);
		m->sample[i] = t > base ? t - base : 0;
	}
	rig_limit_off(m);
	if (base < 0 || t < 0)
		rig_not(v, "the code did not run to its end");
	else
		rig_times(m, SAMPLES, (double)n * l->insns, v);
}

void measure_loop64(struct measure *m, const void *arg, struct measured *v)
{
	/* 1: sub $1,%rcx; jnz 1b */
	static const struct loop l = {"\x48\x83\xe9\x01\x75\xfa", 6, RIG_SLOT, 3, false, 1};

	(void)arg;
	loop_measure(m, &l, v);
}

void measure_loop32(struct measure *m, const void *arg, struct measured *v)
{
	/* 1: sub $1,%ecx; jnz 1b */
	static const struct loop l = {"\x83\xe9\x01\x75\xfb", 5, 0, 3, true, 1};

	(void)arg;
	loop_measure(m, &l, v);
}

void measure_ring0(struct measure *m, const void *arg, struct measured *v)
{
	/* 1: sub $1,%rcx; jnz 1b; out %al,$GATE_PORT_DONE */
	static const struct loop l = {
		"\x48\x83\xe9\x01\x75\xfa\xe6\x41", 8, RIG_SLOT, 0, false, 2};

	(void)arg;
	loop_measure(m, &l, v);
}

/* The loop of measure_loop64(), in this process. */
void measure_loop_here(struct measure *m, const void *arg, struct measured *v)
{
	const uint64_t rounds = 1u << 20;

	(void)arg;
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t n = rounds;
		double t = rig_now();

		__asm__ volatile("1: sub $1,%0; jnz 1b" : "+r"(n) : : "cc");
		m->sample[i] = rig_now() - t;
	}
	rig_times(m, SAMPLES, (double)rounds, v);
}

/* ---- kicks ---- */

struct kicker {
	pthread_t thread, target;
	sem_t go;
	_Atomic bool stop;
	double at;
};

static void *kicker_main(void *arg)
{
	struct kicker *k = arg;

	for (;;) {
		while (sem_wait(&k->go) && errno == EINTR)
			;
		if (k->stop)
			return NULL;
		usleep(KICK_AFTER_US);
		k->at = rig_now();
		pthread_kill(k->target, KVM_KICK_SIGNAL);
	}
}

/* The kicker itself takes no signals: they are the vCPU's. */
static int kicker_start(struct kicker *k)
{
	sigset_t all, old;
	int err;

	k->target = pthread_self();
	k->stop = false;
	sem_init(&k->go, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&k->thread, NULL, kicker_main, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void kicker_stop(struct kicker *k)
{
	k->stop = true;
	sem_post(&k->go);
	pthread_join(k->thread, NULL);
	sem_destroy(&k->go);
}

static const uint8_t forever[] = {0xeb, 0xfe}; /* jmp . */

/* us from the signal to the return of KVM_RUN, or less than 0. */
static double kick_once(struct measure *m, struct kicker *k)
{
	struct rig_run r;
	int err;

	rig_user(&r, RIG_SLOT);
	rig_put(m, &r);
	m->kv.run->immediate_exit = 0;
	sem_post(&k->go);
	err = ioctl(m->kv.fd, KVM_RUN, 0) < 0 ? errno : 0;
	m->kv.run->kvm_dirty_regs = 0;
	return err == EINTR ? (rig_now() - k->at) / 1e3 : -1;
}

void measure_kick(struct measure *m, const void *arg, struct measured *v)
{
	struct kicker k;
	unsigned n = 0;

	(void)arg;
	if (kicker_start(&k)) {
		rig_not(v, "no second thread");
		return;
	}
	rig_load(m, forever, sizeof(forever));
	rig_limit(m, MEASURE_LIMIT_MS * 3);
	for (unsigned i = 0; i < KICKS && !rig_is_late(m); i++) {
		double t = kick_once(m, &k);

		/* The limit's own signal came first, or the vCPU was not there yet. */
		if (t > 0)
			m->sample[n++] = t;
	}
	rig_limit_off(m);
	kicker_stop(&k);
	rig_times(m, n, 1, v);
}

static double interrupt_once(struct measure *m)
{
	struct kvm_interrupt irq = {.irq = IRQ_VECTOR};
	struct rig_run r;
	double t = rig_now();

	if (ioctl(m->kv.fd, KVM_INTERRUPT, &irq) < 0)
		return -1;
	rig_user(&r, RIG_SLOT);
	rig_go(m, &r);
	return r.how == RIG_EXCEPTION && r.vector == IRQ_VECTOR ? (rig_now() - t) / 1e3 : -1;
}

void measure_interrupt(struct measure *m, const void *arg, struct measured *v)
{
	unsigned n = 0;

	(void)arg;
	rig_load(m, forever, sizeof(forever));
	rig_limit(m, MEASURE_LIMIT_MS);
	for (double t = 0; n < INTERRUPTS && t >= 0; n++)
		m->sample[n] = t = interrupt_once(m);
	rig_limit_off(m);
	if (m->sample[n - 1] < 0)
		rig_not(v, "it does not come in at CPL 3");
	else
		rig_times(m, n, 1, v);
}
