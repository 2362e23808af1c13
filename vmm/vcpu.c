/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A vCPU's thread: what it looks at between two stretches of guest code.
 *
 * Read first: vcpu.h, vcpu_call.c. Read next: exits.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "vmm/cpu/deliver.h"
#include "vmm/clock.h"
#include "vmm/hybrid/hybrid.h"
#include "shadow/trace.h"
#include "vmm/machine.h"

/* Instructions interpreted before deadlines are looked at again. */
#define INTERP_BATCH 256u

/* Times, a millisecond apart, that a vCPU tries again what the host has no memory or tables for. */
#define HOST_TRIES 50u

bool vcpu_host_again(struct vcpu *v)
{
	struct timespec ms = {.tv_nsec = 1000000};
	uint64_t now = clock_ns();

	if (now - v->short_at > 1000000000u)
		v->short_times = 0;
	v->short_at = now;
	if (v->short_times++ == HOST_TRIES)
		return false;
	nanosleep(&ms, NULL);
	return true;
}

int vcpu_write(struct vcpu *v, gpa_t gpa, const void *buf, unsigned len)
{
	int err;

	do
		err = sh_write(v->m->mmu, v->sh, gpa, buf, len);
	while (err == -ENOMEM && vcpu_host_again(v));
	return err;
}

/* ---- requests ---- */

/* A vCPU of this thread that is to be reset, or NULL. */
static struct vcpu *to_reset(struct vcpu *v)
{
	struct machine *m = v->m;

	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if ((m->cfg.one_thread || i == v->index) &&
		    atomic_load(&m->vcpu[i].requests) & REQ_RESET)
			return &m->vcpu[i];
	return NULL;
}

/* m->lock held. */
static void rest_until_called(struct vcpu *v)
{
	struct machine *m = v->m;

	while ((m->pausers || (v->held && !m->cfg.one_thread)) && !atomic_load(&m->ended) &&
	       !(atomic_load(&v->requests) & REQ_QUIT)) {
		struct vcpu *r = to_reset(v);

		if (!r) {
			pthread_cond_wait(&m->changed, &m->lock);
			continue;
		}
		pthread_mutex_unlock(&m->lock);
		vcpu_reset(r);
		pthread_mutex_lock(&m->lock);
		atomic_fetch_and(&r->requests, ~REQ_RESET);
		pthread_cond_broadcast(&m->changed);
	}
}

/* Others may look at a vCPU that rests: everything it has is in v->cpu.s, and its paging registers are
 * told. */
static void lay_open(struct vcpu *v)
{
	if (v->m->engine->fpu)
		v->m->engine->fpu(v, v->m->debug.on); /* a debugger may change them, too */
	if (v->sh)
		vcpu_sync_regs(v);
}

static void rest(struct vcpu *v)
{
	struct machine *m = v->m;

	lay_open(v);
	pthread_mutex_lock(&m->lock);
	m->resting++;
	pthread_cond_broadcast(&m->changed);
	rest_until_called(v);
	atomic_fetch_and(&v->requests, ~REQ_PAUSE);
	m->resting--;
	pthread_mutex_unlock(&m->lock);
}

bool vcpu_rest(struct vcpu *v)
{
	const uint32_t req = atomic_load(&v->requests);

	if (req & REQ_PAUSE)
		rest(v);
	return req & REQ_PAUSE;
}

static void take_init(struct vcpu *v)
{
	cpu_init_signal(&v->cpu.s);
	apic_init_cpu(v->m->apic, v->index);
	v->regs_stale = true;
	v->regs_drops = SH_FLUSH_ALL;
}

static void take_nmi(struct vcpu *v)
{
	struct cpu_event e = {.kind = EVENT_NMI, .vector = VEC_NMI};

	v->cpu.s.nmi_pending = false;
	v->cpu.s.activity = CPU_RUNNING;
	vcpu_deliver(v, &e, v->cpu.s.rip);
}

static void take_requests(struct vcpu *v)
{
	uint32_t req;

	vcpu_rest(v);
	req = atomic_fetch_and(&v->requests, REQ_DROPS | REQ_QUIT | REQ_PAUSE);
	if (req & REQ_QUIT)
		return;
	if (req & REQ_INIT)
		take_init(v);
	if (req & REQ_SIPI && v->cpu.s.activity == CPU_WAIT_SIPI) {
		cpu_start_sipi(&v->cpu.s, atomic_load(&v->sipi_vector));
		v->regs_stale = true;
		v->regs_drops = SH_FLUSH_ALL;
	}
	if (req & REQ_NMI)
		v->cpu.s.nmi_pending = true;
}

/* ---- interrupts ---- */

static void take_interrupt(struct vcpu *v)
{
	struct cpu_event e = {.kind = EVENT_EXTERNAL};
	int vector;

	if (vcpu_due(v))
		apic_tick(v->m->apic, v->index);
	if (vcpu_nmi_ready(&v->cpu.s))
		take_nmi(v);
	if (!vcpu_interruptible(&v->cpu.s) || apic_pending(v->m->apic, v->index) < 0)
		return;
	vector = apic_ack(v->m->apic, v->index);
	if (vector < 0)
		return;
	v->cpu.s.activity = CPU_RUNNING;
	e.vector = (uint8_t)vector;
	vcpu_deliver(v, &e, v->cpu.s.rip);
	if (v->ahead)
		hybrid_delivered(v);
}

static void halted(struct vcpu *v)
{
	if (v->m->cfg.one_thread)
		return; /* the others go on */
	v->stats.kind = XC_HALT;
	exit_stats_enter(&v->stats);
	if (vcpu_idle(v))
		vcpu_sleep(v);
	exit_stats_left(&v->stats);
}

/* ---- the loop ---- */

static bool engine_can_run(const struct vcpu *v)
{
	return v->m->engine->can_run(v);
}

static void interpret_some(struct vcpu *v)
{
	const struct cpu_state *s = &v->cpu.s;

	v->stats.kind = XC_INTERPRETED;
	for (unsigned i = 0; i < INTERP_BATCH; i++) {
		bool open = vcpu_interruptible(s);

		if (!vcpu_interpret(v))
			return;
		if (atomic_load(&v->requests) & ~REQ_DROPS)
			return;
		/* What waited for IF or for an IRET comes before the next instruction. */
		if ((!open && vcpu_interruptible(s)) || vcpu_nmi_ready(s))
			return;
		if (engine_can_run(v) || v->cpu.s.activity != CPU_RUNNING)
			return;
	}
}

static enum sh_view view_now(struct vcpu *v)
{
	const struct cpu_state *s = &v->cpu.s;

	return sh_view_of(sh_vcpu_mode(v->sh), cpu_cpl(s) == 3, s->rflags & RFL_AC);
}

static void run_engine(struct vcpu *v)
{
	struct engine_exit x = {0};
	mfn_t root;
	int err;

	vcpu_sync_regs(v);
	err = sh_root(v->sh, view_now(v), &root);
	if (err == -ENOMEM && vcpu_host_again(v))
		return;
	if (err) {
		machine_end(v->m, VERDICT_HOST,
			    "no shadow table for a root: %s; "
			    "raise --shadow-limit",
			    strerror(-err));
		return;
	}
	sh_catch_up(v->sh);
	v->m->engine->run(v, root, &x);
	vcpu_handle_exit(v, &x);
	if (v->ahead)
		hybrid_handled(v, &x);
}

/* A step is the next instruction, whatever interrupts wait; in HLT the first one of what ends it. */
static bool debug_turn(struct vcpu *v)
{
	if (atomic_load(&v->requests) & (REQ_PAUSE | REQ_QUIT))
		return true;
	if (v->cpu.s.activity == CPU_RUNNING) {
		vcpu_debug_step(v);
		return true;
	}
	halted(v);
	return false;
}

void vcpu_turn(struct vcpu *v)
{
	if (atomic_load(&v->requests))
		take_requests(v);
	if (v->held)
		return; /* in the thread of the others */
	if (v->stepping && debug_turn(v))
		return;
	take_interrupt(v);
	if (v->stepping || atomic_load(&v->requests) & REQ_QUIT)
		return;
	if (v->cpu.s.activity != CPU_RUNNING)
		halted(v);
	else if (engine_can_run(v))
		run_engine(v);
	else if (v->ahead)
		hybrid_interpret(v);
	else
		interpret_some(v);
}

static int create_timer(struct vcpu *v)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};

	ev._sigev_un._tid = (pid_t)atomic_load(&v->tid);
	if (timer_create(CLOCK_MONOTONIC, &ev, &v->timer))
		return -errno;
	v->have_timer = true;
	return 0;
}

int vcpu_setup(struct vcpu *v)
{
	int err = v->m->engine->vcpu_create(v);

	if (err)
		return err;
	atomic_store(&v->tid, syscall(SYS_gettid));
	if (v->m->engine->needs_timer)
		err = create_timer(v);
	if (err)
		return err;
	v->regs_stale = true;
	v->in = interp_create();
	if (!v->in)
		return -ENOMEM;
	err = sh_vcpu_create(v->m->mmu, v->index, &v->sh);
	if (!err)
		sh_vcpu_rip(v->sh, &v->cpu.s.rip);
	return err;
}

void vcpu_teardown(struct vcpu *v)
{
	exit_stats_enter(&v->stats);
	sh_vcpu_destroy(v->sh);
	v->sh = NULL;
	interp_destroy(v->in);
	v->in = NULL;
	if (v->have_timer)
		timer_delete(v->timer);
	v->have_timer = false;
	v->m->engine->vcpu_destroy(v);
}

void vcpu_thread_ends(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	m->resting++;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	int err;

	urcu_memb_register_thread();
	err = vcpu_setup(v);
	if (err)
		machine_end(v->m, VERDICT_HOST, "cannot create vCPU %u: %s", v->index,
			    strerror(-err));
	exit_stats_left(&v->stats);
	while (!err && !(atomic_load(&v->requests) & REQ_QUIT))
		vcpu_turn(v);
	vcpu_teardown(v);
	gmem_thread_exit(v->m->gm);
	urcu_memb_unregister_thread();
	vcpu_thread_ends(v->m);
	return NULL;
}
