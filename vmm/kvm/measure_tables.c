/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How this host sees changes of tables, and which addresses its CPL 3 can't reach.
 *
 * What the engine decides by is kvm_probe()'s; the rest is tried here.
 * Read first: measure_rig.h, probe.c.
 */
#include <stdio.h>
#include <string.h>

#include "shadow/format.h"
#include "vmm/kvm/measure_rig.h"

#define BITS	     (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define ROUNDS	     64u
#define TABLE_ROUNDS 16u
#define MAX_LATE     4u

static const uint8_t load[] = {0x48, 0x8b, 0x06};	     /* mov (%rsi),%rax */
static const uint8_t load_mark[] = {0x48, 0x8b, 0x46, 0x08}; /* mov 8(%rsi),%rax */

static void say_text(struct measured *v, const char *text)
{
	v->kind = MEASURED_TEXT;
	snprintf(v->text, sizeof(v->text), "%s", text);
}

static void say_bool(struct measured *v, bool yes)
{
	v->kind = MEASURED_BOOL;
	v->yes = yes;
}

void measure_mode(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	if (m->facts.rounds)
		say_text(v, m->facts.update_gated ? "gated" : "direct");
	else
		rig_not(v, strerror(-m->probed));
}

void measure_entry(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	say_text(v, m->facts.enter_direct ? "registers" : "IRETQ");
}

void measure_new_entry(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	say_bool(v, m->facts.np_to_p_seen);
}

void measure_touch(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	say_bool(v, m->facts.touch_works);
}

void measure_rounds(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	v->kind = MEASURED_NUMBER;
	v->number = m->facts.rounds;
}

/* ---- a whole table, by one touch ---- */

static void rewrite_table(struct measure *m, unsigned round)
{
	uint64_t *pt = rig_page(m, RIG_PT_MANY);

	for (unsigned i = 0; i < 512; i++)
		__atomic_store_n(&pt[i],
				 rig_frame(m, RIG_F_DATA + (i + round) % RIG_PAGES) | BITS,
				 __ATOMIC_SEQ_CST);
}

/* 1: mov (%rsi),%rax; stosb; add $4096,%rsi; dec %ecx; jnz 1b */
static const uint8_t read_many[] = {0x48, 0x8b, 0x06, 0xaa, 0x48, 0x81, 0xc6, 0x00,
				    0x10, 0x00, 0x00, 0xff, 0xc9, 0x75, 0xf1};

static bool table_seen(struct measure *m, unsigned round)
{
	const uint8_t *got = (const uint8_t *)rig_page(m, RIG_F_SCRATCH);
	struct rig_run r;

	rig_user(&r, RIG_SLOT);
	r.gpr[CPU_RSI] = rig_va(RIG_SLOT, RIG_MANY);
	r.gpr[CPU_RCX] = 512;
	rig_go(m, &r);
	if (!rig_reached(&r, RIG_SLOT, sizeof(read_many)))
		return false;
	for (unsigned i = 0; i < 512; i++)
		if (got[i] != (i + round) % RIG_PAGES)
			return false;
	return true;
}

void measure_table_touch(struct measure *m, const void *arg, struct measured *v)
{
	const struct rig_work w = {
		.tables = 1, .table = rig_frame(m, RIG_PT_MANY), .cr3 = true};
	bool seen = true;

	(void)arg;
	rig_load(m, read_many, sizeof(read_many));
	for (unsigned round = 0; round < TABLE_ROUNDS && seen; round++) {
		rig_limit(m, MEASURE_LIMIT_MS);
		if (round)
			rewrite_table(m, round);
		seen = rig_gate(m, &w) && table_seen(m, round);
	}
	say_bool(v, seen);
}

/* ---- CR3 by registers ---- */

void measure_cr3_load(struct measure *m, const void *arg, struct measured *v)
{
	struct rig_work w = {.touches = 1, .slot = rig_data_entry(m).v};
	bool seen = true;
	struct rig_run r;

	(void)arg;
	rig_load(m, load, sizeof(load));
	rig_limit(m, MEASURE_LIMIT_MS);
	for (unsigned i = 0; i < ROUNDS && seen; i++) {
		__atomic_store_n(&rig_page(m, RIG_PT)[RIG_DATA >> 12],
				 rig_frame(m, RIG_F_DATA + i % RIG_PAGES) | BITS,
				 __ATOMIC_SEQ_CST);
		w.root = i & 1 ? RIG_ROOT2 : RIG_ROOT;
		seen = rig_gate(m, &w);
		rig_user(&r, RIG_SLOT);
		r.root = i & 1 ? RIG_ROOT : RIG_ROOT2;
		rig_go(m, &r);
		seen = seen && rig_reached(&r, RIG_SLOT, sizeof(load)) &&
		       r.gpr[CPU_RAX] == i % RIG_PAGES;
	}
	say_bool(v, seen);
}

/* ---- addresses ---- */

struct reach {
	bool execute; /* the code lies there too */
	bool late;
};

static bool base_reached(struct measure *m, unsigned root, uint64_t base, struct reach *reach)
{
	uint64_t code = (reach->execute ? base : rig_va(RIG_SLOT, 0)) + RIG_CODE;
	struct rig_run r;

	for (unsigned attempt = 0; attempt < 3; attempt++) {
		rig_limit(m, MEASURE_LIMIT_MS);
		rig_user(&r, RIG_SLOT);
		r.root = root;
		r.rip = code;
		r.gpr[CPU_RSI] = base + RIG_DATA;
		rig_go(m, &r);
		if (r.how == RIG_EXCEPTION && r.vector == VEC_UD &&
		    r.rip == code + sizeof(load_mark) && r.gpr[CPU_RAX] == RIG_MARK)
			return true;
		if (r.how != RIG_EXCEPTION) {
			reach->late = true;
			return false;
		}
	}
	return false;
}

/* True if CPL 3 reaches mapped pages at both ends of the slot. In the gate's own slot there are
 * some at the end only, in RIG_ROOT2. */
static bool slot_reached(struct measure *m, unsigned slot, struct reach *reach)
{
	uint64_t first = rig_va(slot, 0), last = rig_va(slot, 511ull << 30);

	if (slot == 256)
		return base_reached(m, RIG_ROOT2, last, reach);
	return base_reached(m, RIG_ROOT, first, reach) &&
	       base_reached(m, RIG_ROOT, last, reach);
}

void measure_holes(struct measure *m, const void *arg, struct measured *v)
{
	unsigned lates = 0;

	rig_load(m, load_mark, sizeof(load_mark));
	v->kind = MEASURED_LIST;
	for (unsigned s = 0; s < 512 && lates <= MAX_LATE; s++) {
		struct reach reach = {.execute = arg != NULL};

		if (slot_reached(m, s, &reach))
			continue;
		v->list[v->count++] = (uint16_t)s;
		lates += reach.late;
	}
	rig_limit_off(m);
	if (lates > MAX_LATE)
		rig_not(v, "too many runs did not end");
}
