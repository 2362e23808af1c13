/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What follows from the facts: the kind of host, what is exact on it, the engine, the
 * estimates.
 *
 * Exact means: guest-kernel code, which runs at CPL 3, sees of the processor what the guest's
 * virtual CPU should show, or traps so that the monitor can show it.
 * Read first: doctor.h.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/doctor.h"
#include "vmm/hybrid/hybrid.h"

#define FLAG_IF	  (1ull << 9)
#define FLAG_IOPL (3ull << 12)

static void say(struct measured *v, const char *text)
{
	v->kind = MEASURED_TEXT;
	snprintf(v->text, sizeof(v->text), "%s", text);
}

static bool gated(const struct doctor *d)
{
	return !strcmp(doctor_value(d, "mode")->text, "gated");
}

void doctor_kind(const struct doctor *d, struct measured *v)
{
	bool pvm = strstr(doctor_value(d, "module")->text, "kvm_pvm") != NULL;

	if (!gated(d))
		say(v, "hardware walks our tables (nested paging)");
	else if (pvm)
		say(v, "KVM shadows our tables, ring 0 is interpreted (kvm_pvm)");
	else
		say(v, "KVM shadows our tables (no nested paging)");
}

/* ---- exactness ---- */

static bool executes(const struct doctor *d, const char *key)
{
	const struct measured *v = doctor_value(d, key);

	return v->kind == MEASURED_INSN && v->how == INSN_EXECUTES;
}

static bool traps(const struct doctor *d, const char *key, unsigned vector)
{
	const struct measured *v = doctor_value(d, key);

	return v->kind == MEASURED_INSN && v->how == INSN_TRAPS && v->vector == vector;
}

static bool flags_exact(const struct doctor *d)
{
	uint64_t off = doctor_value(d, "pushf_if0_iopl3")->value;
	uint64_t popped = doctor_value(d, "popf_iopl3")->value;

	return executes(d, "pushf_if0_iopl3") && executes(d, "popf_iopl3") &&
	       (off & (FLAG_IF | FLAG_IOPL)) == FLAG_IOPL && !(popped & FLAG_IF);
}

static bool selectors_exact(const struct doctor *d)
{
	return executes(d, "mov_from_cs") &&
	       doctor_value(d, "mov_from_cs")->value == measure_own_cs &&
	       executes(d, "mov_from_ss") &&
	       doctor_value(d, "mov_from_ss")->value == measure_own_ss &&
	       executes(d, "mov_to_ds");
}

/* At any of these the monitor looks at the instruction at RIP and emulates what it is
 * (vmm/exits.c). */
static bool emulated(const struct doctor *d, const char *key)
{
	static const unsigned looked_at[] = {6, 10, 11, 12, 13}; /* #UD #TS #NP #SS #GP */

	for (size_t k = 0; k < sizeof(looked_at) / sizeof(looked_at[0]); k++)
		if (traps(d, key, looked_at[k]) && !doctor_value(d, key)->at)
			return true;
	return false;
}

/* Where it executes it shows the host's values or those given to KVM: not what follows the guest's
 * own control registers. */
static bool cpuid_exact(const struct doctor *d)
{
	return emulated(d, "cpuid");
}

static bool int_exact(const struct doctor *d)
{
	return emulated(d, "int_80");
}

static bool syscall_exact(const struct doctor *d)
{
	return traps(d, "syscall", 6);
}

/* Where it executes, WRPKRU does so unnoticed, and the guest is not offered protection keys. */
static bool pkru_exact(const struct doctor *d)
{
	return traps(d, "rdpkru", 6);
}

static const struct {
	const char *name;
	bool (*exact)(const struct doctor *d);
} policies[] = {
	{"IF by POPF and PUSHF", flags_exact},
	{"selectors", selectors_exact},
	{"CPUID", cpuid_exact},
	{"INT n", int_exact},
	{"SYSCALL", syscall_exact},
	{"PKRU", pkru_exact},
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static void list(const struct doctor *d, bool exact, struct measured *v)
{
	v->kind = MEASURED_TEXT;
	for (unsigned i = 0; i < POLICIES; i++) {
		size_t len = strlen(v->text);

		if (policies[i].exact(d) == exact)
			snprintf(v->text + len, sizeof(v->text) - len, "%s%s", len ? ", " : "",
				 policies[i].name);
	}
	if (!v->text[0])
		say(v, "none");
}

void doctor_exact(const struct doctor *d, struct measured *v)
{
	list(d, true, v);
}

void doctor_inexact(const struct doctor *d, struct measured *v)
{
	list(d, false, v);
}

/* ---- engine and estimates ---- */

/* One round trip as the engine makes it, us. */
static double round_trip(const struct doctor *d)
{
	bool direct = !strcmp(doctor_value(d, "entry")->text, "registers");

	return doctor_value(d, direct ? "fault_by_registers" : "fault_by_iretq")->number / 1e3;
}

void doctor_engine(const struct doctor *d, struct measured *v)
{
	v->yes = doctor_value(d, "touch_seen")->yes && doctor_value(d, "new_entry_seen")->yes;
	if (v->yes && round_trip(d) * 1e3 >= HYBRID_DEAR_NS)
		say(v, "hybrid, the fastest here: exits are dear");
	else if (v->yes)
		say(v, "kvm, the fastest here");
	else if (d->m)
		say(v, "soft: this KVM shows no change of tables in any way known here");
	else
		say(v, "soft: there is no KVM to use");
}

static void estimate(double us, struct measured *v)
{
	if (us > 0) {
		v->kind = MEASURED_NUMBER;
		v->number = us;
	} else {
		say(v, "its parts were not measured");
		v->kind = MEASURED_NOT;
	}
}

/* An entry that only the shadow lacks: one exit, and nothing to invalidate. */
void doctor_hidden_fault(const struct doctor *d, struct measured *v)
{
	estimate(round_trip(d), v);
}

/* A fault that the guest's kernel serves: the fault itself, its handler's store to a page table
 * that is tracked, its IRET, and the hidden fault of the retry; one touch where tables are
 * gated. */
void doctor_guest_fault(const struct doctor *d, struct measured *v)
{
	double touch = gated(d) ? doctor_value(d, "touch_first")->number / 1e3 : 0;

	estimate(4 * round_trip(d) + touch, v);
}
