/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine's life: start, pause, end; and its clock, which stands still while it is paused.
 *
 * Locks: m->lock guards pausers, resting and the verdict; vCPU threads wait on m->changed.
 * Read first: machine.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "vmm/clock.h"
#include "vmm/machine.h"

uint64_t machine_now(struct machine *m)
{
	uint64_t stopped = atomic_load_explicit(&m->stopped_at, memory_order_relaxed);

	if (stopped)
		return stopped;
	if (m->cfg.one_thread)
		return atomic_load_explicit(&m->turned, memory_order_relaxed);
	return clock_ns() - atomic_load_explicit(&m->epoch, memory_order_relaxed);
}

uint64_t machine_tsc(struct machine *m)
{
	if (m->cfg.one_thread)
		return atomic_load_explicit(&m->turned, memory_order_relaxed) * m->tsc_khz /
		       1000000u;
	return __rdtsc();
}

static int start_thread(struct machine *m, unsigned vcpu, void *(*fn)(void *), void *arg,
			char *msg, size_t n)
{
	int err;

	pthread_mutex_lock(&m->lock);
	m->threads++;
	pthread_mutex_unlock(&m->lock);
	err = pthread_create(&m->vcpu[vcpu].thread, NULL, fn, arg);
	if (err) {
		m->threads--;
		snprintf(msg, n, "cannot start the thread of vCPU %u: %s", vcpu, strerror(err));
		return -1;
	}
	m->vcpu[vcpu].started = true;
	return 0;
}

void machine_hold_devices(struct machine *m, bool hold)
{
	if (m->capture)
		capture_hold(m->capture, hold);
	if (m->swapdev)
		swapdev_hold(m->swapdev, hold);
}

int machine_start(struct machine *m, char *msg, size_t n)
{
	atomic_store(&m->epoch, clock_ns() - 1);
	if (m->cfg.start_paused) {
		m->pausers = 1;
		m->user_paused = true;
		atomic_store(&m->stopped_at, 1);
		machine_hold_devices(m, true);
	}
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (m->cfg.start_paused)
			atomic_fetch_or(&m->vcpu[i].requests, REQ_PAUSE);
	if (m->cfg.one_thread)
		return start_thread(m, 0, m->engine->one_thread, m, msg, n);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (start_thread(m, i, vcpu_main, &m->vcpu[i], msg, n))
			return -1;
	return 0;
}

/* The devices are held for good. */
void machine_join(struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (m->vcpu[i].started)
			vcpu_request(&m->vcpu[i], REQ_QUIT);
	pthread_mutex_lock(&m->lock);
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (m->vcpu[i].started)
			pthread_join(m->vcpu[i].thread, NULL);
	machine_hold_devices(m, true);
	if (m->uart)
		uart_flush(m->uart);
}

void machine_end(struct machine *m, enum verdict verdict, const char *fmt, ...)
{
	bool first;
	va_list ap;

	pthread_mutex_lock(&m->lock);
	first = m->verdict == VERDICT_NONE;
	if (first) {
		m->verdict = verdict;
		va_start(ap, fmt);
		vsnprintf(m->why, sizeof(m->why), fmt, ap);
		va_end(ap);
		atomic_store(&m->ended, true);
	}
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	if (!first)
		return;
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		vcpu_request(&m->vcpu[i], REQ_QUIT);
	if (m->on_end)
		m->on_end(m->on_end_ctx);
}

void machine_pause(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	if (m->pausers++ == 0) {
		for (unsigned i = 0; i < m->cfg.cpus; i++)
			vcpu_request(&m->vcpu[i], REQ_PAUSE);
	}
	while (m->resting < m->threads)
		pthread_cond_wait(&m->changed, &m->lock);
	if (!atomic_load(&m->stopped_at))
		atomic_store(&m->stopped_at, machine_now(m));
	pthread_mutex_unlock(&m->lock);
	machine_hold_devices(m, true);
}

void machine_resume(struct machine *m)
{
	machine_hold_devices(m, false);
	pthread_mutex_lock(&m->lock);
	if (--m->pausers == 0) {
		atomic_store(&m->epoch, clock_ns() - atomic_load(&m->stopped_at));
		atomic_store(&m->stopped_at, 0);
		for (unsigned i = 0; i < m->cfg.cpus; i++)
			m->host.deadline(m, i, atomic_load(&m->vcpu[i].deadline));
		pthread_cond_broadcast(&m->changed);
	}
	pthread_mutex_unlock(&m->lock);
}
