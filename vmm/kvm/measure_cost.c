/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What exits and the gate's work cost: medians of many rounds, each timed alone.
 *
 * The gate's work is measured as a slope: a run with many items less a run with one, so that
 * the exit they share drops out. Read first: measure_rig.h, ../gate/gate_code.S.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/clock.h"
#include "vmm/kvm/measure_rig.h"

#define WARM	      16u
#define MANY	      17u  /* items in the longer run of a slope */
#define MOST	      401u /* that fit the command page */
#define STANDS_OUT_NS 500.0
#define SLOPE_ROUNDS  250u
#define COST_LIMIT_MS (MEASURE_LIMIT_MS * 3)

double rig_now(void)
{
	return (double)clock_ns();
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void rig_times(struct measure *m, unsigned n, double divide, struct measured *v)
{
	if (!n) {
		rig_not(v, "no round ended in time");
		return;
	}
	qsort(m->sample, n, sizeof(m->sample[0]), by_size);
	v->kind = MEASURED_TIMES;
	v->number = m->sample[n / 2] / divide;
	v->min = m->sample[0] / divide;
}

void rig_not(struct measured *v, const char *why)
{
	v->kind = MEASURED_NOT;
	snprintf(v->text, sizeof(v->text), "%s", why);
}

/* Times rounds of `once` until one fails or the limit passes. once returns its ns, or less than
 * 0 if it did not end as it should. */
static unsigned sample(struct measure *m, double (*once)(struct measure *, const void *),
		       const void *arg, unsigned rounds)
{
	unsigned n = 0;

	rig_limit(m, COST_LIMIT_MS);
	for (unsigned i = 0; i < rounds + WARM && !rig_is_late(m); i++) {
		double t = once(m, arg);

		if (t < 0)
			break;
		if (i >= WARM)
			m->sample[n++] = t;
	}
	rig_limit_off(m);
	return n;
}

/* ---- exits ---- */

static bool in_time(void *arg)
{
	return !rig_is_late(arg);
}

static double fault_once(struct measure *m, const void *arg)
{
	struct kvm_entry e = {.root = MFN(m->vm.table_mfn.v + RIG_ROOT)};
	struct engine_exit x = {0};
	enum kvm_left left;
	double t;

	(void)arg;
	e.rip = rig_va(RIG_SLOT, RIG_CODE);
	e.gpr[CPU_RSP] = rig_va(RIG_SLOT, RIG_STACK) + 0x800;
	t = rig_now();
	left = kvm_enter(&m->kv, &e, &x, in_time, m);
	t = rig_now() - t;
	return left == KVM_LEFT_EXCEPTION && x.vector == VEC_UD ? t : -1;
}

void measure_fault(struct measure *m, const void *arg, struct measured *v)
{
	struct rig_run r;

	rig_load(m, "", 0);
	rig_limit(m, MEASURE_LIMIT_MS);
	rig_user(&r, RIG_SLOT);
	rig_go(m, &r); /* leaves the segments as kvm_enter() knows them */
	m->vm.facts.enter_direct = arg != NULL;
	rig_times(m, sample(m, fault_once, NULL, MEASURE_ROUNDS), 1, v);
}

/* Registers only, as the monitor's own work for the gate is run. */
static double out_once(struct measure *m, const void *arg)
{
	struct rig_run r = {0};
	double t;

	(void)arg;
	m->kv.run->s.regs.regs.rip = RIG_RING0_VA;
	m->kv.run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	t = rig_now();
	rig_wait(m, &r);
	t = rig_now() - t;
	return r.how == RIG_PORT && r.port == GATE_PORT_DONE ? t : -1;
}

void measure_out(struct measure *m, const void *arg, struct measured *v)
{
	/* nop; out %al,$GATE_PORT_DONE. Without the NOP the next round would start at the OUT
	 * that KVM has still to step over. */
	static const uint8_t out[] = {0x90, 0xe6, GATE_PORT_DONE};
	struct rig_run r = {.rip = RIG_RING0_VA, .rflags = RFL_FIXED};

	(void)arg;
	rig_load_ring0(m, out, sizeof(out));
	rig_limit(m, MEASURE_LIMIT_MS);
	rig_go(m, &r);
	rig_times(m, sample(m, out_once, NULL, MEASURE_ROUNDS), 1, v);
}

static double ioctl_once(struct measure *m, const void *arg)
{
	struct kvm_regs regs;
	double t = rig_now();
	int err = ioctl(m->kv.fd, KVM_GET_REGS, &regs);

	(void)arg;
	return err < 0 ? -1 : rig_now() - t;
}

void measure_ioctl(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	rig_times(m, sample(m, ioctl_once, NULL, MEASURE_ROUNDS), 1, v);
}

static double mmio_once(struct measure *m, const void *arg)
{
	struct rig_run r = {0};
	double t = rig_now();

	(void)arg;
	rig_wait(m, &r);
	t = rig_now() - t;
	return r.how == RIG_EXIT && r.reason == KVM_EXIT_MMIO ? t : -1;
}

void measure_mmio(struct measure *m, const void *arg, struct measured *v)
{
	/* 1: mov %rax,(%rdi); jmp 1b */
	static const uint8_t store[] = {0x48, 0x89, 0x07, 0xeb, 0xfb};
	struct rig_run r;

	(void)arg;
	if (!m->has_rom) {
		rig_not(v, "no KVM_MEM_READONLY here");
		return;
	}
	rig_load(m, store, sizeof(store));
	rig_limit(m, MEASURE_LIMIT_MS);
	rig_user(&r, RIG_SLOT);
	r.gpr[CPU_RDI] = rig_va(RIG_SLOT, RIG_ROM);
	rig_go(m, &r);
	rig_times(m, sample(m, mmio_once, NULL, MEASURE_ROUNDS), 1, v);
}

/* ---- the gate's work ---- */

static double gate_once(struct measure *m, const void *arg)
{
	double t = rig_now();
	bool back = rig_gate(m, arg);

	return back ? rig_now() - t : -1;
}

static bool work_times(struct measure *m, const struct rig_work *w, struct measured *v)
{
	rig_times(m, sample(m, gate_once, w, SLOPE_ROUNDS), 1, v);
	return v->kind == MEASURED_TIMES;
}

/* What one item costs: `more` has that many items more than `less`. */
static void slope(struct measure *m, const struct rig_work *less, const struct rig_work *more,
		  double items, struct measured *v)
{
	struct measured few = {0}, many = {0};

	if (!work_times(m, less, &few) || !work_times(m, more, &many)) {
		rig_not(v, "the gate did not come back");
		return;
	}
	v->kind = MEASURED_TIMES;
	v->number = (many.number - few.number) / items;
	v->min = (many.min - few.min) / items;
	/* The noise of a busy host can hide what is next to nothing. */
	v->number = v->number < 1 ? 1 : v->number;
	v->min = v->min < 1 ? 1 : v->min;
	v->min = v->min > v->number ? v->number : v->min;
}

/* Few items if one of them stands out from the exit, as many as fit if not. `count` is the
 * member of *one that counts them, and is 1. */
static void item_cost(struct measure *m, const struct rig_work *one, size_t count,
		      struct measured *v)
{
	struct rig_work many = *one;
	unsigned *items = (unsigned *)(void *)((char *)&many + count);

	*items = MANY;
	slope(m, one, &many, MANY - 1, v);
	if (v->kind != MEASURED_TIMES || v->number > STANDS_OUT_NS)
		return;
	*items = MOST;
	slope(m, one, &many, MOST - 1, v);
}

void measure_touch_cost(struct measure *m, const void *arg, struct measured *v)
{
	const struct rig_work one = {.touches = 1, .slot = rig_data_entry(m).v};

	(void)arg;
	item_cost(m, &one, offsetof(struct rig_work, touches), v);
}

/* A flush at the end of each round makes a KVM that shadows protect the table again. */
void measure_touch_first(struct measure *m, const void *arg, struct measured *v)
{
	const struct rig_work less = {.cr3 = true};
	const struct rig_work more = {.cr3 = true, .touches = 1, .slot = rig_data_entry(m).v};

	(void)arg;
	slope(m, &less, &more, 1, v);
}

void measure_table_cost(struct measure *m, const void *arg, struct measured *v)
{
	const struct rig_work one = {.tables = 1, .table = rig_frame(m, RIG_PT_MANY)};

	(void)arg;
	item_cost(m, &one, offsetof(struct rig_work, tables), v);
}

void measure_invlpg_cost(struct measure *m, const void *arg, struct measured *v)
{
	const struct rig_work one = {.invlpgs = 1, .gva = rig_va(RIG_SLOT, RIG_DATA)};

	(void)arg;
	item_cost(m, &one, offsetof(struct rig_work, invlpgs), v);
}

void measure_cr3_cost(struct measure *m, const void *arg, struct measured *v)
{
	const struct rig_work none = {0}, load = {.cr3 = true};

	(void)arg;
	slope(m, &none, &load, 1, v);
}
