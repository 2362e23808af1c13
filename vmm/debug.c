/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the stops of a debugger and what each vCPU may do between two of them.
 *
 * A stop is one more of m->pausers. A vCPU that comes to a breakpoint can't wait for the others: it adds
 * the pauser, asks everybody to rest and goes to rest itself; the debugger's thread waits.
 * A step is taken by the vCPU's own thread in its turn, before interrupts are looked at, so that the
 * timer does not send every step into its handler.
 *
 * Read first: debug.h, life.c, vcpu.c.
 */
#include <errno.h>
#include <string.h>

#include "vmm/machine.h"

static void reached(void *arg, uint64_t at)
{
	struct vcpu *v = arg;
	struct debug_event e = {.why = DEBUG_POINT, .vcpu = v->index, .at = at};

	machine_debug_stop(v->m, &e);
}

static void touched(void *arg, const struct cpu_debug_watch *w)
{
	struct vcpu *v = arg;
	struct debug_event e = {
		.why = DEBUG_WATCH, .vcpu = v->index, .at = w->at, .access = w->access};

	machine_debug_stop(v->m, &e);
}

void machine_debug_init(struct machine *m)
{
	m->debug.on = true;
	m->debug.set.reached = reached;
	m->debug.set.touched = touched;
}

void machine_debug_listen(struct machine *m, void (*notify)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&m->lock);
	m->debug.notify = notify;
	m->debug.ctx = ctx;
	pthread_mutex_unlock(&m->lock);
}

void machine_debug_stop(struct machine *m, const struct debug_event *e)
{
	pthread_mutex_lock(&m->lock);
	if (!m->debug.stopped) {
		m->debug.stopped = true;
		m->debug.event = *e;
		m->pausers++;
		for (unsigned i = 0; i < m->cfg.cpus; i++)
			vcpu_request(&m->vcpu[i], REQ_PAUSE);
		if (m->debug.notify)
			m->debug.notify(m->debug.ctx);
	}
	pthread_mutex_unlock(&m->lock);
}

/* What machine_pause() does besides, once for each stop: machine_resume() will undo it. */
static void rest_devices(struct machine *m)
{
	if (!m->debug.devices)
		machine_hold_devices(m, true);
	m->debug.devices = true;
}

bool machine_debug_settle(struct machine *m, struct debug_event *e)
{
	bool stopped;

	pthread_mutex_lock(&m->lock);
	stopped = m->debug.stopped;
	if (stopped) {
		while (m->resting < m->threads)
			pthread_cond_wait(&m->changed, &m->lock);
		if (!atomic_load(&m->stopped_at))
			atomic_store(&m->stopped_at, machine_now(m));
		*e = m->debug.event;
	}
	pthread_mutex_unlock(&m->lock);
	if (stopped)
		rest_devices(m);
	return stopped;
}

void machine_debug_go(struct machine *m, const enum debug_act *act)
{
	const struct cpu_debug *set = &m->debug.set;

	rest_devices(m);
	m->debug.devices = false;
	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		struct vcpu *v = &m->vcpu[i];

		v->held = act[i] == DEBUG_HOLD;
		v->stepping = act[i] == DEBUG_STEP;
		v->cpu.debug = set->points || set->watches ? set : NULL;
	}
	m->debug.stopped = false;
	pthread_mutex_unlock(&m->lock);
	machine_resume(m);
}

/* ---- points and watches ---- */

static int find_watch(const struct cpu_debug *d, uint64_t at, uint64_t len, unsigned access)
{
	for (unsigned i = 0; i < d->watches; i++)
		if (d->watch[i].at == at && d->watch[i].len == len &&
		    d->watch[i].access == access)
			return (int)i;
	return -1;
}

static int set_watch(struct cpu_debug *d, uint64_t at, uint64_t len, unsigned access)
{
	if (!len || !access)
		return -EINVAL;
	if (find_watch(d, at, len, access) >= 0)
		return 0;
	if (d->watches == CPU_DEBUG_WATCHES)
		return -ENOSPC;
	d->watch[d->watches++] =
		(struct cpu_debug_watch){.at = at, .len = len, .access = access};
	return 0;
}

int machine_debug_set(struct machine *m, enum debug_kind kind, uint64_t at, uint64_t len,
		      unsigned access)
{
	struct cpu_debug *d = &m->debug.set;

	if (kind == DEBUG_KIND_WATCH)
		return set_watch(d, at, len, access);
	if (cpu_debug_point(d, at))
		return 0;
	if (d->points == CPU_DEBUG_POINTS)
		return -ENOSPC;
	d->point[d->points++] = at;
	return 0;
}

void machine_debug_clear(struct machine *m, enum debug_kind kind, uint64_t at, uint64_t len,
			 unsigned access)
{
	struct cpu_debug *d = &m->debug.set;
	int w;

	if (kind == DEBUG_KIND_WATCH) {
		w = find_watch(d, at, len, access);
		if (w >= 0)
			d->watch[w] = d->watch[--d->watches];
		return;
	}
	for (unsigned i = 0; i < d->points; i++)
		if (d->point[i] == at)
			d->point[i] = d->point[--d->points];
}

void machine_debug_clear_all(struct machine *m)
{
	m->debug.set.points = m->debug.set.watches = 0;
}

/* ---- steps ---- */

void vcpu_debug_step(struct vcpu *v)
{
	struct debug_event e = {.why = DEBUG_STEPPED, .vcpu = v->index};
	struct interp_info info = {0};
	struct cpu_fault f = {0};
	enum cpu_result r;

	v->cpu.debug_pass = true;
	if (v->m->engine->begin)
		v->m->engine->begin(v);
	r = interp_step_deliver(v->in, &v->cpu, 1, &info, &f);
	if (v->m->engine->end)
		v->m->engine->end(v);
	v->cpu.debug_pass = false;
	v->stats.insns_interpreted++;
	if (r == CPU_RETRY)
		return; /* nothing happened: its next turn */
	v->stepping = false;
	if (r != CPU_OK)
		vcpu_broken(v, r, &info, &f);
	machine_debug_stop(v->m, &e);
}
