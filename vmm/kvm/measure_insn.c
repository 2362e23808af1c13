/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What single instructions do at CPL 3: run one, with an UD2 behind it, and see where it ends.
 *
 * Read first: measure_rig.h. The instructions are rows of doctor_facts.c.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/kvm/measure_rig.h"

const uint64_t measure_own_cs = GATE_SEL_UCS, measure_own_ss = GATE_SEL_UDS;

static const char *vector_name(unsigned vector, char *buf, size_t n)
{
	static const char *const name[32] = {
		[VEC_DE] = "#DE", [VEC_DB] = "#DB", [VEC_NMI] = "NMI", [VEC_BP] = "#BP",
		[VEC_OF] = "#OF", [VEC_BR] = "#BR", [VEC_UD] = "#UD",  [VEC_NM] = "#NM",
		[VEC_DF] = "#DF", [VEC_TS] = "#TS", [VEC_NP] = "#NP",  [VEC_SS] = "#SS",
		[VEC_GP] = "#GP", [VEC_PF] = "#PF", [VEC_MF] = "#MF",  [VEC_AC] = "#AC",
		[VEC_MC] = "#MC", [VEC_XM] = "#XM",
	};

	if (vector < 32 && name[vector])
		return name[vector];
	snprintf(buf, n, "vector %u", vector);
	return buf;
}

static void say_trap(const struct rig_run *r, struct measured *v)
{
	uint64_t at = r->rip - rig_va(RIG_SLOT, RIG_CODE);
	char buf[16], error[16] = "", where[40] = "";

	v->how = INSN_TRAPS;
	v->vector = r->vector;
	v->error = r->error;
	v->at = at;
	if (cpu_vector_has_error(r->vector))
		snprintf(error, sizeof(error), "(%#x)", r->error);
	if (at)
		snprintf(where, sizeof(where), ", RIP at +%llu", (unsigned long long)at);
	snprintf(v->text, sizeof(v->text), "%s%s%s", vector_name(r->vector, buf, sizeof(buf)),
		 error, where);
}

static void say_exit(const struct rig_run *r, struct measured *v)
{
	static const char *const name[] = {
		[KVM_EXIT_IO] = "KVM_EXIT_IO",
		[KVM_EXIT_HLT] = "KVM_EXIT_HLT",
		[KVM_EXIT_MMIO] = "KVM_EXIT_MMIO",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "KVM_EXIT_IRQ_WINDOW_OPEN",
		[KVM_EXIT_SHUTDOWN] = "KVM_EXIT_SHUTDOWN",
		[KVM_EXIT_INTERNAL_ERROR] = "KVM_EXIT_INTERNAL_ERROR",
	};
	const unsigned known = sizeof(name) / sizeof(name[0]);
	uint64_t at = r->rip - rig_va(RIG_SLOT, RIG_CODE);

	v->how = INSN_EXITS;
	if (r->reason >= known || !name[r->reason])
		snprintf(v->text, sizeof(v->text), "exit reason %u", r->reason);
	else
		snprintf(v->text, sizeof(v->text), "%s, RIP at +%llu", name[r->reason],
			 (unsigned long long)at);
}

static void say_value(const struct snippet *s, const struct rig_run *r, struct measured *v)
{
	char *t = v->text;
	size_t n = sizeof(v->text);
	uint64_t a = r->gpr[CPU_RAX];

	v->how = INSN_EXECUTES;
	v->value = a;
	v->yes = s->show != SHOW_NOTHING;
	switch (s->show) {
	case SHOW_RAX:
		snprintf(t, n, "executes, reads %#llx", (unsigned long long)a);
		break;
	case SHOW_FLAGS:
		snprintf(t, n, "executes, reads IF=%u IOPL=%u", !!(a & RFL_IF),
			 (unsigned)(a >> 12 & 3));
		break;
	case SHOW_BRAND:
		snprintf(t, n, "executes, reads %s",
			 (uint32_t)a == MEASURE_BRAND ? "what was set" : "the host's own");
		break;
	case SHOW_NOTHING:
		snprintf(t, n, "executes");
		break;
	}
}

/* SYSCALL: at LSTAR, in the gate, or faulting on its first byte because still at CPL 3. */
static bool entered_gate(const struct rig_run *r)
{
	uint64_t lstar = gate_label(gate_syscall);

	return (r->how == RIG_PORT && r->port == GATE_PORT_SYSCALL) ||
	       (r->how == RIG_EXCEPTION && r->vector == VEC_PF && r->rip == lstar &&
		r->cr2 == lstar);
}

static void say(struct measure *m, const struct snippet *s, const struct rig_run *r,
		struct measured *v)
{
	v->kind = MEASURED_INSN;
	if (rig_reached(r, RIG_SLOT, s->len)) {
		say_value(s, r, v);
	} else if (entered_gate(r)) {
		v->how = INSN_ENTERS_GATE;
		snprintf(v->text, sizeof(v->text), "enters the gate at LSTAR");
	} else if (r->how == RIG_EXCEPTION) {
		say_trap(r, v);
	} else if (r->how == RIG_EXIT) {
		say_exit(r, v);
	} else if (r->how == RIG_LATE) {
		v->how = INSN_HANGS;
		snprintf(v->text, sizeof(v->text), "does not end");
	} else {
		rig_not(v, strerror(r->err));
	}
	/* Shutdown and internal errors leave a vCPU that is of no use. */
	if (r->how == RIG_FAILED ||
	    (r->how == RIG_EXIT && v->how == INSN_EXITS &&
	     (r->reason == KVM_EXIT_SHUTDOWN || r->reason == KVM_EXIT_INTERNAL_ERROR)))
		rig_renew(m);
}

void measure_insn(struct measure *m, const void *arg, struct measured *v)
{
	const struct snippet *s = arg;
	struct rig_run r;

	rig_load(m, s->code, s->len);
	rig_limit(m, MEASURE_LIMIT_MS);
	rig_user(&r, RIG_SLOT);
	r.gpr[CPU_RAX] = s->rax;
	if (s->rflags)
		r.rflags = s->rflags;
	m->kv.run->request_interrupt_window = s->irq_window;
	rig_go(m, &r);
	if (m->kv.run) {
		m->kv.run->request_interrupt_window = 0;
		say(m, s, &r, v);
	} else {
		rig_not(v, "the VM could not be set up again");
	}
	rig_limit_off(m);
}
