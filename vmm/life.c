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

#include "vmm/clock.h"
#include "vmm/machine.h"

uint64_t machine_now(struct machine *m)
{
	uint64_t stopped = atomic_load_explicit(&m->stopped_at, memory_order_relaxed);

	return stopped ? stopped
		       : clock_ns() - atomic_load_explicit(&m->epoch, memory_order_relaxed);
}

int machine_start(struct machine *m, char *msg, size_t n)
{
	atomic_store(&m->epoch, clock_ns() - 1);
	if (m->cfg.start_paused) {
		m->pausers = 1;
		m->user_paused = true;
		atomic_store(&m->stopped_at, 1);
	}
	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		struct vcpu *v = &m->vcpu[i];
		int err;

		if (m->cfg.start_paused)
			atomic_fetch_or(&v->requests, REQ_PAUSE);
		pthread_mutex_lock(&m->lock);
		m->threads++;
		pthread_mutex_unlock(&m->lock);
		err = pthread_create(&v->thread, NULL, vcpu_main, v);
		if (err) {
			m->threads--;
			snprintf(msg, n, "cannot start the thread of vCPU %u: %s", i,
				 strerror(err));
			return -1;
		}
		v->started = true;
	}
	return 0;
}

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
}

void machine_resume(struct machine *m)
{
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
