/* SPDX-License-Identifier: BSD-2-Clause
 *
 * system_reset: the machine as it was when it started.
 *
 * Order: all vCPUs at rest -> each resets itself, on its own thread, for that is where its registers,
 * its engine's and its caches live -> devices, so that none writes for the old guest into the new one's
 * memory -> the image is loaded again, which writes guest memory past the shadow MMU -> so everything shadowed is dropped, while nobody can use it. RAM that the image
 * does not fill keeps what was in it.
 * Locks: m->lock to wait for the vCPUs. Read first: life.c, vcpu.c.
 */
#include <stdio.h>

#include "shadow/inspect.h"
#include "vmm/machine.h"

/* What came for the old guest. */
#define STALE (REQ_INIT | REQ_SIPI | REQ_NMI | REQ_EVENT | REQ_TICK)

void vcpu_reset(struct vcpu *v)
{
	/* What the engine has of the vector registers is no longer the newest. */
	if (v->m->engine->fpu)
		v->m->engine->fpu(v, true);
	cpu_reset(&v->cpu.s, v->index);
	if (v->index == 0)
		boot_cpu_state(&v->m->boot, &v->cpu.s);
	interp_destroy(v->in);
	v->in = interp_create();
	if (!v->in)
		machine_end(v->m, VERDICT_HOST, "no memory to reset vCPU %u", v->index);
	v->livelock = (struct livelock){0};
	v->spurious_rip = v->spurious_cr2 = 0;
	v->regs_stale = true;
	v->regs_drops = SH_FLUSH_ALL;
	vcpu_sync_regs(v);
}

/* m->lock held. */
static bool all_done(const struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (atomic_load(&m->vcpu[i].requests) & REQ_RESET)
			return false;
	return true;
}

/* False: the machine ended meanwhile. */
static bool reset_vcpus(struct machine *m)
{
	bool done;

	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		atomic_fetch_and(&m->vcpu[i].requests, ~STALE);
		atomic_fetch_or(&m->vcpu[i].requests, REQ_RESET);
	}
	pthread_cond_broadcast(&m->changed);
	while (!all_done(m) && !atomic_load(&m->ended))
		pthread_cond_wait(&m->changed, &m->lock);
	done = all_done(m) && !atomic_load(&m->ended);
	pthread_mutex_unlock(&m->lock);
	return done;
}

/* Those with threads have nothing in hand: they are held as long as the machine is paused. */
static void reset_devices(struct machine *m)
{
	capture_reset(m->capture);
	if (m->swapdev)
		swapdev_reset(m->swapdev);
	apic_reset(m->apic); /* also of what the devices sent */
	uart_reset(m->uart);
}

int machine_reset(struct machine *m, char *msg, size_t n)
{
	int err = -1;

	machine_pause(m);
	if (!reset_vcpus(m)) {
		snprintf(msg, n, "the machine has ended");
		machine_resume(m);
		return err;
	}
	reset_devices(m);
	if (machine_load_image(m, msg, n)) {
		machine_end(m, VERDICT_HOST, "%s", msg);
	} else {
		sh_drop_all(m->mmu, NULL);
		err = 0;
	}
	machine_resume(m);
	return err;
}
