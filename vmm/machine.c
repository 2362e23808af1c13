/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Building a machine and taking it apart.
 *
 * Order of building: memory, engine (its VM needs the memory), shadow MMU (it needs the engine's
 * tables), devices, the guest's image. Taking apart is the same backwards.
 * Read first: machine.h. Read next: life.c, upcalls.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "shadow/dmap.h"
#include "shadow/trace.h"
#include "vmm/machine.h"

static const char *file_trouble(int err)
{
	switch (err) {
	case -EFBIG:
		return "its size is neither 0 nor that of -m";
	case -EBUSY:
		return "another machine has it";
	case -ENODEV:
		return "it is no regular file";
	default:
		return strerror(-err);
	}
}

static int create_memory(struct machine *m, char *msg, size_t n)
{
	struct gmem_config cfg = {.size = m->cfg.memory,
				  .lowmem = m->cfg.lowmem,
				  .debug = m->cfg.window_debug,
				  .file = m->cfg.memory_file};
	int err = gmem_create(&cfg, &m->gm);

	if (err && cfg.file)
		snprintf(msg, n, "cannot keep guest memory in %s: %s; %s", cfg.file,
			 file_trouble(err), "give another to --memory-file");
	else if (err)
		snprintf(msg, n,
			 "cannot create %llu MiB of guest memory: %s; give less with -m",
			 (unsigned long long)(m->cfg.memory >> 20), strerror(-err));
	return err;
}

/* A shootdown waits for it, with the shadow MMU's lock: not the moment to take another. */
static void on_late(void *ctx, unsigned vcpu, unsigned seconds)
{
	struct machine *m = ctx;
	struct vcpu *v = &m->vcpu[vcpu];

	fprintf(stderr,
		"umbra: vCPU %u has not left the guest for another %u s "
		"(mode %d, requests %#x, left it %llu times); waiting on\n",
		vcpu, seconds, atomic_load(&v->mode), atomic_load(&v->requests),
		(unsigned long long)atomic_load(&v->runs));
}

/* The trace is in machine time: what is seeded gives the same one. */
static uint64_t trace_now(void *ctx)
{
	return machine_now(ctx);
}

/* Here and not at the first root without paging: where that code is interpreted there is none. */
static int create_debugged_map(struct machine *m, char *msg, size_t n)
{
	int err = m->cfg.dmap.pagealloc ? sh_dmap_create(m->mmu, NULL) : 0;

	if (err)
		snprintf(msg, n, "no shadow tables for the direct map of --pagealloc: %s; %s",
			 strerror(-err), "give more with --shadow-limit");
	return err;
}

static int create_mmu(struct machine *m, const struct sh_backend *be, char *msg, size_t n)
{
	struct sh_mmu_config cfg = {.gm = m->gm,
				    .backend = *be,
				    .options = m->cfg.options,
				    .dmap = m->cfg.dmap,
				    .no_thread = m->cfg.one_thread};
	int err;

	machine_model(m->can, &m->model, &cfg.model);
	err = sh_mmu_create(&cfg, &m->mmu);
	if (err)
		snprintf(msg, n, "cannot create the shadow MMU with %u tables: %s", be->tables,
			 strerror(-err));
	else
		sh_on_late(m->mmu, on_late, m);
	if (!err)
		sh_trace_clock(m->mmu, trace_now, m);
	return err ? err : create_debugged_map(m, msg, n);
}

/* Those that are ours alone: dev.h. */
static int create_own_devices(struct machine *m)
{
	m->capture = capture_create(&m->host);
	if (!m->capture || capture_attach(m->capture, m->bus, GPA(CAPTURE_GPA)))
		return -ENOMEM;
	if (!m->cfg.swap)
		return 0;
	m->swapdev = swapdev_create(&m->host, m->cfg.swap);
	return m->swapdev ? swapdev_attach(m->swapdev, m->bus, GPA(SWAPDEV_GPA)) : -ENOMEM;
}

static int create_devices(struct machine *m)
{
	machine_host_init(m);
	m->bus = bus_create();
	m->apic = apic_create(&m->host, m->cfg.cpus);
	m->uart = uart_create(&m->host);
	if (!m->bus || !m->apic || !m->uart)
		return -ENOMEM;
	if (uart_attach(m->uart, m->bus, 0x3f8) || debug_exit_attach(m->bus, 0xf4, &m->host) ||
	    legacy_attach(m->bus) || apic_attach(m->apic, m->bus))
		return -ENOMEM;
	return create_own_devices(m);
}

int machine_load_image(struct machine *m, char *msg, size_t n)
{
	struct boot_params params = {.kernel = m->cfg.kernel,
				     .initrd = m->cfg.initrd,
				     .append = m->cfg.append,
				     .cpus = m->cfg.cpus};

	return boot_load(m->gm, &params, &m->boot, msg, n) ? -EINVAL : 0;
}

static void init_vcpus(struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		struct vcpu *v = &m->vcpu[i];

		v->m = m;
		v->index = i;
		v->cpu.ops = m->engine->ops;
		v->cpu.m = v;
		v->cpu.model = &m->model;
		atomic_store(&v->deadline, UINT64_MAX);
		cpu_reset(&v->cpu.s, i);
	}
}

/* The TSC of a machine whose time is counted in instructions. */
#define TURN_TSC_KHZ 1000000u

/* Rate of the TSC, for the timer's deadline mode: counted over a few milliseconds. */
static uint64_t measure_tsc_khz(void)
{
	struct timespec a, b, nap = {.tv_nsec = 5000000};
	uint64_t t0, t1, ns;

	clock_gettime(CLOCK_MONOTONIC, &a);
	t0 = __rdtsc();
	nanosleep(&nap, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	t1 = __rdtsc();
	ns = (uint64_t)(b.tv_sec - a.tv_sec) * 1000000000u + (uint64_t)b.tv_nsec -
	     (uint64_t)a.tv_nsec;
	return ns ? (t1 - t0) * 1000000u / ns : 1000000u;
}

int machine_create(const struct machine_config *cfg, const struct engine *engine,
		   struct machine **out, char *msg, size_t n)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct sh_backend be;
	bool bad_image;
	int err;

	if (!m) {
		snprintf(msg, n, "out of memory");
		return -1;
	}
	m->cfg = *cfg;
	m->engine = engine;
	m->can = engine->can();
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->split_lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	m->tsc_khz = cfg->one_thread ? TURN_TSC_KHZ : measure_tsc_khz();
	err = create_memory(m, msg, n);
	init_vcpus(m);
	/* Before the engine: an image that can't be loaded is told sooner. */
	bad_image = !err && machine_load_image(m, msg, n);
	if (!err && !bad_image)
		boot_cpu_state(&m->boot, &m->vcpu[0].cpu.s);
	if (bad_image)
		err = -EINVAL;
	if (!err)
		err = engine->machine_create(m, &be, msg, n);
	if (!err)
		err = create_mmu(m, &be, msg, n);
	if (!err && create_devices(m)) {
		snprintf(msg, n, "out of memory for devices");
		err = -ENOMEM;
	}
	if (err) {
		machine_destroy(m);
		return bad_image ? -2 : -1;
	}
	*out = m;
	return 0;
}

unsigned machine_destroy(struct machine *m)
{
	unsigned leaked;

	if (!m)
		return 0;
	capture_destroy(m->capture);
	swapdev_destroy(m->swapdev);
	if (m->uart)
		uart_destroy(m->uart);
	if (m->apic)
		apic_destroy(m->apic);
	if (m->bus)
		bus_destroy(m->bus);
	leaked = sh_mmu_destroy(m->mmu);
	m->engine->machine_destroy(m);
	gmem_destroy(m->gm);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->split_lock);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return leaked;
}
