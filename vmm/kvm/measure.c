/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rig: builds the VM, runs snippets in it, ends them when their time is up.
 *
 * The timer's signal is the kick signal, so that its handler makes KVM_RUN return even when it
 * comes just before. A run that is late leaves the vCPU wherever it was; the next one sets all
 * state anew, which is sound as long as no exception waits for delivery, else the VM is
 * renewed. Read first: measure_rig.h, enter.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "shadow/format.h"
#include "vmm/kvm/measure_rig.h"

#define BITS	 (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define ROM_SLOT 0u

/* ---- time ---- */

void rig_limit(struct measure *m, unsigned ms)
{
	/* Repeated: one that comes while the vCPU is outside of KVM_RUN is spent on nothing. */
	struct itimerspec in = {.it_interval = {.tv_nsec = 50000000}};

	in.it_value = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};
	clock_gettime(CLOCK_MONOTONIC, &m->until);
	m->until.tv_sec += in.it_value.tv_sec;
	m->until.tv_nsec += in.it_value.tv_nsec;
	if (m->until.tv_nsec >= 1000000000l) {
		m->until.tv_sec++;
		m->until.tv_nsec -= 1000000000l;
	}
	timer_settime(m->timer, 0, &in, NULL);
}

void rig_limit_off(struct measure *m)
{
	const struct itimerspec none = {0};

	timer_settime(m->timer, 0, &none, NULL);
}

bool rig_is_late(const struct measure *m)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > m->until.tv_sec ||
	       (now.tv_sec == m->until.tv_sec && now.tv_nsec >= m->until.tv_nsec);
}

/* ---- memory ---- */

uint64_t rig_frame(const struct measure *m, unsigned f)
{
	return mfn_mpa(MFN(m->vm.table_mfn.v + f)).v;
}

uint64_t *rig_page(struct measure *m, unsigned f)
{
	return kvm_table(&m->vm, f);
}

void rig_load(struct measure *m, const void *code, size_t len)
{
	static const uint8_t ud2[] = {0x0f, 0x0b};
	uint8_t *page = (uint8_t *)rig_page(m, RIG_F_CODE);

	memcpy(page, code, len);
	memcpy(page + len, ud2, sizeof(ud2));
}

void rig_load_ring0(struct measure *m, const void *code, size_t len)
{
	memcpy(m->vm.own + GATE_CODE + RIG_RING0, code, len);
}

static void build_roots(struct measure *m)
{
	/* The gate's PDPT: the page that its PML4 entry names. */
	uint64_t at = (m->vm.gate.pml4e & 0x000ffffffffff000ull) - m->vm.own_mpa.v;
	uint64_t *gate_pdpt = (uint64_t *)(void *)(m->vm.own + at);

	for (unsigned s = 0; s < 512; s++) {
		rig_page(m, RIG_ROOT)[s] = rig_frame(m, RIG_PDPT) | BITS;
		rig_page(m, RIG_ROOT2)[s] = rig_frame(m, RIG_PDPT) | BITS;
	}
	gate_pdpt[511] = rig_frame(m, RIG_PD) | BITS;
	rig_page(m, RIG_ROOT)[256] = m->vm.gate.pml4e;
	rig_page(m, RIG_ROOT2)[256] = m->vm.gate.pml4e | PTE_U;
}

static void build(struct measure *m)
{
	uint64_t *pt = rig_page(m, RIG_PT);

	build_roots(m);
	for (unsigned i = 0; i < 512; i++)
		rig_page(m, RIG_PDPT)[i] = rig_frame(m, RIG_PD) | BITS;
	rig_page(m, RIG_PD)[0] = rig_frame(m, RIG_PT) | BITS;
	rig_page(m, RIG_PD)[1] = rig_frame(m, RIG_PT_MANY) | BITS;
	pt[RIG_CODE >> 12] = rig_frame(m, RIG_F_CODE) | BITS;
	pt[RIG_STACK >> 12] = rig_frame(m, RIG_F_STACK) | BITS;
	pt[RIG_SCRATCH >> 12] = rig_frame(m, RIG_F_SCRATCH) | BITS;
	pt[RIG_ROM >> 12] = m->rom_mpa.v | BITS;
	pt[RIG_DATA >> 12] = rig_frame(m, RIG_F_DATA) | BITS;
	for (unsigned i = 0; i < 512; i++)
		rig_page(m, RIG_PT_MANY)[i] = rig_frame(m, RIG_F_DATA + i % RIG_PAGES) | BITS;
	for (unsigned i = 0; i < RIG_PAGES; i++)
		memcpy(rig_page(m, RIG_F_DATA + i), (uint64_t[]){i, RIG_MARK}, 16);
}

static void add_rom(struct measure *m)
{
	struct kvm_userspace_memory_region r = {
		.slot = ROM_SLOT, .flags = KVM_MEM_READONLY, .memory_size = SH_PAGE_SIZE};

	m->rom_mpa = MPA(8ull << 30);
	m->rom = mmap(NULL, SH_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (m->rom == MAP_FAILED) {
		m->rom = NULL;
		return;
	}
	r.guest_phys_addr = m->rom_mpa.v;
	r.userspace_addr = (uintptr_t)m->rom;
	m->has_rom = ioctl(m->vm.fd, KVM_SET_USER_MEMORY_REGION, &r) == 0;
}

/* ---- life ---- */

/* A brand string no processor has: CPUID at CPL 3 then shows whose values it reads. */
static void mark_cpuid(struct kvm_cpuid2 *c)
{
	for (unsigned i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0x80000002u)
			c->entries[i].eax = MEASURE_BRAND;
}

int rig_open(struct measure *m, char *msg, size_t n)
{
	int err;

	m->kv.fd = m->vm.fd = m->vm.kvm = -1;
	m->vm.own_mpa = MPA(1ull << 32);
	err = kvm_vm_open(&m->vm, msg, n);
	if (!err)
		err = kvm_vm_create(&m->vm, 1, RIG_FRAMES, msg, n);
	if (err)
		return err;
	mark_cpuid(m->vm.cpuid);
	add_rom(m);
	build(m);
	err = kvm_vcpu_open(&m->vm, 0, &m->kv);
	if (err) {
		snprintf(msg, n, "no virtual CPU: %s; see the kernel's log", strerror(-err));
		return err;
	}
	m->base = m->kv.run->s.regs.sregs;
	kvm_kick_arm(m->kv.run);
	return 0;
}

static void rig_close(struct measure *m)
{
	kvm_kick_arm(NULL);
	kvm_vcpu_close(&m->kv);
	kvm_vm_destroy(&m->vm);
	if (m->rom)
		munmap(m->rom, SH_PAGE_SIZE);
	m->rom = NULL;
	m->has_rom = false;
	memset(&m->vm, 0, sizeof(m->vm));
	memset(&m->kv, 0, sizeof(m->kv));
}

int rig_renew(struct measure *m)
{
	char msg[160];

	rig_close(m);
	return rig_open(m, msg, sizeof(msg));
}

struct measure *measure_open(char *msg, size_t n)
{
	struct measure *m = calloc(1, sizeof(*m));
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL};
	char why[160];
	sigset_t kick;

	if (!m) {
		snprintf(msg, n, "out of memory");
		return NULL;
	}
	ev.sigev_signo = KVM_KICK_SIGNAL;
	kvm_kick_install();
	sigemptyset(&kick);
	sigaddset(&kick, KVM_KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL); /* whatever was inherited */
	m->has_timer = timer_create(CLOCK_MONOTONIC, &ev, &m->timer) == 0;
	if (!m->has_timer)
		snprintf(msg, n, "no timer: %s; raise the limit of pending signals",
			 strerror(errno));
	if (!m->has_timer || rig_open(m, msg, n)) {
		measure_close(m);
		return NULL;
	}
	m->probed = kvm_probe(&m->facts, why, sizeof(why));
	return m;
}

void measure_close(struct measure *m)
{
	if (!m)
		return;
	if (m->has_timer) {
		rig_limit_off(m);
		timer_delete(m->timer);
		rig_close(m);
	}
	free(m);
}

/* ---- running ---- */

void rig_user(struct rig_run *r, unsigned slot)
{
	memset(r, 0, sizeof(*r));
	r->cpl = 3;
	r->rip = rig_va(slot, RIG_CODE);
	r->rflags = RFL_FIXED | RFL_IF;
	r->gpr[CPU_RSP] = rig_va(slot, RIG_STACK) + 0x800;
	r->gpr[CPU_RDI] = rig_va(slot, RIG_SCRATCH);
	r->gpr[CPU_RSI] = rig_va(slot, RIG_DATA);
}

static struct kvm_segment flat(unsigned type, unsigned cpl, unsigned sel, bool l)
{
	return (struct kvm_segment){.limit = 0xffffffff,
				    .type = (uint8_t)type,
				    .present = 1,
				    .s = 1,
				    .l = l,
				    .db = !l,
				    .g = 1,
				    .dpl = (uint8_t)cpl,
				    .selector = (uint16_t)sel};
}

void rig_put(struct measure *m, const struct rig_run *r)
{
	struct kvm_run *run = m->kv.run;
	struct kvm_regs *g = &run->s.regs.regs;
	unsigned cpl = r->cpl;

	kvm_put_gprs(g, r->gpr);
	g->rip = r->rip;
	g->rflags = r->rflags;
	run->s.regs.sregs = m->base;
	run->s.regs.sregs.cr3 = rig_frame(m, r->root);
	run->s.regs.sregs.cs = flat(11, cpl, cpl ? GATE_SEL_UCS : GATE_SEL_CS, !r->compat);
	run->s.regs.sregs.ss = flat(3, cpl, cpl ? GATE_SEL_UDS : GATE_SEL_SS, false);
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

static void take_frame(struct measure *m, struct rig_run *r)
{
	const uint8_t *stack = gate_cpu_page(&m->vm.gate, 0, GATE_CPU_STACK);
	const struct kvm_run *run = m->kv.run;
	const uint64_t *f =
		(const uint64_t *)(const void *)(stack + (run->s.regs.regs.rsp & 0xfff));

	r->how = RIG_EXCEPTION;
	r->vector = run->io.port;
	r->error = cpu_vector_has_error(r->vector) ? (uint32_t)*f++ : 0;
	r->rip = f[0];
	r->rflags = f[2];
	r->cr2 = run->s.regs.sregs.cr2;
}

static void take(struct measure *m, struct rig_run *r)
{
	const struct kvm_run *run = m->kv.run;

	r->reason = run->exit_reason;
	kvm_get_gprs(r->gpr, &run->s.regs.regs);
	r->rip = run->s.regs.regs.rip;
	r->rflags = run->s.regs.regs.rflags;
	r->how = RIG_EXIT;
	m->exited = true;
	if (r->reason != KVM_EXIT_IO || run->s.regs.sregs.cs.dpl)
		return;
	r->port = run->io.port;
	r->how = RIG_PORT;
	if (r->port < 32)
		take_frame(m, r);
}

/* Late and in the middle of an exception's delivery: nothing can be set over that. */
static void take_late(struct measure *m, struct rig_run *r)
{
	r->how = RIG_LATE;
	if (kvm_exception_pending(m->kv.run) && rig_renew(m))
		r->how = RIG_FAILED;
}

void rig_wait(struct measure *m, struct rig_run *r)
{
	int err;

	do {
		m->kv.run->immediate_exit = 0;
		err = ioctl(m->kv.fd, KVM_RUN, 0) < 0 ? errno : 0;
		m->kv.run->kvm_dirty_regs = 0;
	} while ((err == EINTR || err == EAGAIN) && !rig_is_late(m));
	r->err = err;
	m->exited = false;
	if (!err)
		take(m, r);
	else if (err == EINTR || err == EAGAIN)
		take_late(m, r);
	else
		r->how = RIG_FAILED;
}

/* An I/O instruction at CPL 3 is completed by the next KVM_RUN, which would then take the next
 * snippet's first instruction, at the same RIP, for the one to skip. */
static void complete(struct measure *m)
{
	if (!m->exited)
		return;
	m->kv.run->immediate_exit = 1;
	ioctl(m->kv.fd, KVM_RUN, 0);
	m->exited = false;
}

void rig_go(struct measure *m, struct rig_run *r)
{
	complete(m);
	rig_put(m, r);
	rig_wait(m, r);
}

bool rig_reached(const struct rig_run *r, unsigned slot, size_t len)
{
	return r->how == RIG_EXCEPTION && r->vector == VEC_UD &&
	       r->rip == rig_va(slot, RIG_CODE) + len;
}

mpa_t rig_data_entry(const struct measure *m)
{
	return MPA(rig_frame(m, RIG_PT) + (RIG_DATA >> 12) * 8);
}

static uint64_t *repeat(uint64_t *item, unsigned n, uint64_t what)
{
	while (n--)
		*item++ = what;
	return item;
}

bool rig_gate(struct measure *m, const struct rig_work *w)
{
	uint64_t *page = gate_cpu_page(&m->vm.gate, 0, GATE_CPU_CMD), *item = page;
	struct rig_run r = {.rip = gate_label(gate_work), .rflags = RFL_FIXED, .root = w->root};

	item = repeat(item, w->touches, gate_window_va(&m->vm.gate, MPA(w->slot)));
	item = repeat(item, w->tables, gate_window_va(&m->vm.gate, MPA(w->table)));
	repeat(item, w->invlpgs, w->gva);
	page[SH_PAGE_SIZE / 8 - 1] = gate_label(gate_done);
	r.gpr[CPU_RSI] = gate_cpu_va(0, GATE_CPU_CMD);
	r.gpr[CPU_RSP] = r.gpr[CPU_RSI] + SH_PAGE_SIZE - 8;
	r.gpr[CPU_RCX] = w->touches;
	r.gpr[CPU_RDX] = w->tables;
	r.gpr[CPU_RBX] = w->invlpgs;
	r.gpr[CPU_RBP] = w->cr3 ? rig_frame(m, w->root) : 0;
	rig_go(m, &r);
	return r.how == RIG_PORT && r.port == GATE_PORT_DONE;
}
