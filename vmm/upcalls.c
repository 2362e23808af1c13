/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What devices ask of the machine (dev/dev.h).
 *
 * Locks: a device's own lock may be held, except where dev.h says otherwise; nothing here takes one of
 * the machine's but machine_end().
 * Read first: dev/dev.h, machine.h.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "vmm/machine.h"

static uint64_t host_now(void *ctx)
{
	return machine_now(ctx);
}

static void host_kick(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	vcpu_request(&m->vcpu[vcpu], REQ_EVENT);
}

/* Arms the timer that signals the vCPU's thread. In HLT the sleep itself has a timeout, so another
 * thread that moves the deadline only has to wake it. */
static void host_deadline(void *ctx, unsigned vcpu, uint64_t at)
{
	struct machine *m = ctx;
	struct vcpu *v = &m->vcpu[vcpu];
	struct itimerspec t = {.it_value = {0}};
	uint64_t host;

	atomic_store(&v->deadline, at);
	if (atomic_load(&m->stopped_at))
		return;
	if (atomic_load(&v->sleeping))
		vcpu_request(v, REQ_TICK);
	if (!v->have_timer)
		return;
	if (at != UINT64_MAX) {
		host = at + atomic_load(&m->epoch);
		t.it_value.tv_sec = (time_t)(host / 1000000000u);
		t.it_value.tv_nsec = (long)(host % 1000000000u) | 1; /* 0 would disarm it */
	}
	timer_settime(v->timer, TIMER_ABSTIME, &t, NULL);
}

static void host_init(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	vcpu_request(&m->vcpu[vcpu], REQ_INIT);
}

static void host_sipi(void *ctx, unsigned vcpu, uint8_t vector)
{
	struct machine *m = ctx;

	atomic_store(&m->vcpu[vcpu].sipi_vector, vector);
	vcpu_request(&m->vcpu[vcpu], REQ_SIPI);
}

static void host_nmi(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	vcpu_request(&m->vcpu[vcpu], REQ_NMI);
}

static void host_debug_exit(void *ctx, uint32_t value)
{
	struct machine *m = ctx;

	m->exit_value = value;
	machine_end(m, VERDICT_GUEST_EXIT, "the guest wrote %#x to isa-debug-exit", value);
}

static void host_serial_out(void *ctx, const uint8_t *buf, size_t n)
{
	struct machine *m = ctx;

	guest_report_feed(m, buf, n);
	while (n && m->cfg.serial_fd >= 0) {
		ssize_t w = write(m->cfg.serial_fd, buf, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* nobody reads: the line's bytes are lost, as on a real one */
		buf += w;
		n -= (size_t)w;
	}
}

static int host_dma_read(void *ctx, gpa_t gpa, void *buf, size_t n)
{
	struct machine *m = ctx;

	return gmem_read(m->gm, gpa, buf, n);
}

/* Whatever frame it is, a page table perhaps: through the door for outside writers. */
static int host_dma_write(void *ctx, gpa_t gpa, const void *buf, size_t n)
{
	struct machine *m = ctx;

	return sh_write(m->mmu, NULL, gpa, buf, (unsigned)n);
}

/* SDM vol. 3, section 11.11: destination in bits 19:12 of the address, physical; vector in bits 7:0
 * of the data, delivery mode 0 in bits 10:8. */
static void host_msi(void *ctx, uint64_t address, uint32_t data)
{
	struct machine *m = ctx;
	unsigned vcpu = (address >> 12) & 0xff;

	if (address >> 20 != 0xfee || address & 0xfff || data > 0xff || data < 0x10)
		return;
	apic_raise(m->apic, vcpu, (uint8_t)data);
}

static void host_thread_begin(void *ctx)
{
	(void)ctx;
	urcu_memb_register_thread();
}

static void host_thread_end(void *ctx)
{
	struct machine *m = ctx;

	gmem_thread_exit(m->gm);
	urcu_memb_unregister_thread();
}

void machine_host_init(struct machine *m)
{
	m->host = (struct dev_host){
		.ctx = m,
		.now = host_now,
		.kick = host_kick,
		.deadline = host_deadline,
		.init = host_init,
		.sipi = host_sipi,
		.nmi = host_nmi,
		.debug_exit = host_debug_exit,
		.serial_out = host_serial_out,
		.dma_read = host_dma_read,
		.dma_write = host_dma_write,
		.msi = host_msi,
		.threads = !m->cfg.one_thread,
		.thread_begin = host_thread_begin,
		.thread_end = host_thread_end,
	};
}
