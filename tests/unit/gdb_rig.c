/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See gdb_rig.h.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/gdb_rig.h"

static const char *status(void *m)
{
	return ((struct gdb_rig *)m)->prelaunch ? "prelaunch" : "running";
}

static bool has_ended(void *m)
{
	return ((struct gdb_rig *)m)->ended;
}

static int cont(void *m, struct control_error *e)
{
	(void)e;
	((struct gdb_rig *)m)->conts++;
	((struct gdb_rig *)m)->prelaunch = false;
	return 0;
}

static void quit(void *m)
{
	((struct gdb_rig *)m)->quits++;
}

static void rest(void *m)
{
	((struct gdb_rig *)m)->rests++;
}

static struct sh_mmu *mmu(void *m)
{
	(void)m;
	return NULL;
}

static unsigned cpus(void *m)
{
	(void)m;
	return GDB_RIG_CPUS;
}

static const struct cpu_state *look(void *m, unsigned vcpu)
{
	return &((struct gdb_rig *)m)->cpu[vcpu];
}

static const struct control_ops control = {
	.status = status,
	.ended = has_ended,
	.cont = cont,
	.quit = quit,
	.pause = rest,
	.resume = rest,
	.mmu = mmu,
	.cpus = cpus,
	.cpu = look,
};

static void listen_to(void *m, void (*notify)(void *ctx), void *ctx)
{
	(void)m, (void)notify, (void)ctx;
}

static void stop(void *m)
{
	struct gdb_rig *r = m;

	if (!r->stopped)
		r->event = (struct debug_event){.why = DEBUG_ASKED};
	r->stopped = true;
}

static bool settle(void *m, struct debug_event *e)
{
	struct gdb_rig *r = m;

	if (r->stopped)
		*e = r->event;
	return r->stopped;
}

static struct cpu_state *cpu(void *m, unsigned vcpu)
{
	return &((struct gdb_rig *)m)->cpu[vcpu];
}

static uint8_t *memory(struct gdb_rig *r, unsigned vcpu, bool physical, uint64_t at, size_t n)
{
	r->memory_vcpu = vcpu;
	if (at > GDB_RIG_MEMORY || n > GDB_RIG_MEMORY - at)
		return NULL;
	return (physical ? r->physical : r->virtual) + at;
}

static bool read_memory(void *m, unsigned vcpu, bool physical, uint64_t at, void *buf, size_t n)
{
	uint8_t *p = memory(m, vcpu, physical, at, n);

	if (p)
		memcpy(buf, p, n);
	return p;
}

static bool write_memory(void *m, unsigned vcpu, bool physical, uint64_t at, const void *buf,
			 size_t n)
{
	uint8_t *p = memory(m, vcpu, physical, at, n);

	if (p)
		memcpy(p, buf, n);
	return p;
}

static int set(void *m, enum debug_kind kind, uint64_t at, uint64_t len, unsigned access)
{
	struct cpu_debug *d = &((struct gdb_rig *)m)->set;

	if (kind == DEBUG_KIND_POINT && d->points < CPU_DEBUG_POINTS)
		d->point[d->points++] = at;
	else if (kind == DEBUG_KIND_WATCH && d->watches < CPU_DEBUG_WATCHES)
		d->watch[d->watches++] =
			(struct cpu_debug_watch){.at = at, .len = len, .access = access};
	else
		return -ENOSPC;
	return 0;
}

static void clear(void *m, enum debug_kind kind, uint64_t at, uint64_t len, unsigned access)
{
	struct cpu_debug *d = &((struct gdb_rig *)m)->set;

	(void)at, (void)len, (void)access;
	if (kind == DEBUG_KIND_POINT && d->points)
		d->points--;
	if (kind == DEBUG_KIND_WATCH && d->watches)
		d->watches--;
}

static void clear_all(void *m)
{
	struct cpu_debug *d = &((struct gdb_rig *)m)->set;

	d->points = d->watches = 0;
}

static void go(void *m, const enum debug_act *act)
{
	struct gdb_rig *r = m;

	memcpy(r->act, act, sizeof(r->act));
	r->stopped = false;
	r->goes++;
}

const struct gdb_ops gdb_rig_ops = {
	.control = &control,
	.listen = listen_to,
	.stop = stop,
	.settle = settle,
	.cpu = cpu,
	.read = read_memory,
	.write = write_memory,
	.set = set,
	.clear = clear,
	.clear_all = clear_all,
	.go = go,
};

void gdb_rig_init(struct gdb_rig *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < GDB_RIG_CPUS; i++) {
		cpu_reset(&r->cpu[i], i);
		r->cpu[i].efer = EFER_LME | EFER_LMA;
		r->cpu[i].seg[CPU_CS].attr |= SEG_L;
		r->cpu[i].gpr[CPU_RAX] = 0x1122334455667700u + i;
	}
	memset(r->virtual, 0x11, sizeof(r->virtual));
	memset(r->physical, 0x22, sizeof(r->physical));
}
