/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a machine offers to its debugger.
 *
 * Memory is read past the shadow MMU and written through its door, so that shadow tables follow.
 * Read first: gdb.h, ../machine.h.
 */
#include "shadow/inspect.h"
#include "vmm/control/internal.h"
#include "vmm/gdb/gdb.h"
#include "vmm/machine.h"

static void listen_to(void *ctx, void (*notify)(void *ctx), void *arg)
{
	machine_debug_listen(ctx, notify, arg);
}

static void stop(void *ctx)
{
	const struct debug_event e = {.why = DEBUG_ASKED};

	machine_debug_stop(ctx, &e);
}

static bool settle(void *ctx, struct debug_event *e)
{
	return machine_debug_settle(ctx, e);
}

static struct cpu_state *cpu(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	return &m->vcpu[vcpu].cpu.s;
}

/* ---- memory ---- */

/* What a walk begins from. */
struct view {
	struct machine *m;
	struct ctl_subject who;
	bool physical;
};

static bool begin(struct view *w, struct machine *m, unsigned vcpu, bool physical)
{
	*w = (struct view){.m = m, .who = {.mmu = m->mmu, .vcpu = vcpu}, .physical = physical};
	return physical || sh_vcpu_peek(m->mmu, vcpu, &w->who.regs, &w->who.mode);
}

/* The piece of n bytes at address at that lies in one page. */
static bool piece(const struct view *w, uint64_t at, size_t n, gpa_t *gpa, size_t *len)
{
	size_t room = SH_PAGE_SIZE - (at & (SH_PAGE_SIZE - 1));

	*len = n < room ? n : room;
	*gpa = GPA(at);
	return w->physical || ctl_translate(&w->who, GVA(at), gpa);
}

static bool read_memory(void *ctx, unsigned vcpu, bool physical, uint64_t at, void *buf,
			size_t n)
{
	struct machine *m = ctx;
	struct view w;
	size_t len;
	gpa_t gpa;

	if (!begin(&w, m, vcpu, physical))
		return false;
	for (size_t done = 0; done < n; done += len)
		if (!piece(&w, at + done, n - done, &gpa, &len) ||
		    gmem_read(m->gm, gpa, (uint8_t *)buf + done, len))
			return false;
	return true;
}

static bool write_memory(void *ctx, unsigned vcpu, bool physical, uint64_t at, const void *buf,
			 size_t n)
{
	struct machine *m = ctx;
	struct view w;
	size_t len;
	gpa_t gpa;

	if (!begin(&w, m, vcpu, physical))
		return false;
	for (size_t done = 0; done < n; done += len)
		if (!piece(&w, at + done, n - done, &gpa, &len) ||
		    sh_write(m->mmu, NULL, gpa, (const uint8_t *)buf + done, (unsigned)len))
			return false;
	return true;
}

/* ---- breakpoints and running ---- */

static int set(void *ctx, enum debug_kind kind, uint64_t at, uint64_t len, unsigned access)
{
	return machine_debug_set(ctx, kind, at, len, access);
}

static void clear(void *ctx, enum debug_kind kind, uint64_t at, uint64_t len, unsigned access)
{
	machine_debug_clear(ctx, kind, at, len, access);
}

static void clear_all(void *ctx)
{
	machine_debug_clear_all(ctx);
}

static void go(void *ctx, const enum debug_act *act)
{
	machine_debug_go(ctx, act);
}

const struct gdb_ops gdb_machine_ops = {
	.control = &machine_control_ops,
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
