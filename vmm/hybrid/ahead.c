/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interpreting ahead: one instruction at a time, with a look at whether it would have been an exit,
 * and what the hardware is spared afterwards.
 *
 * Read first: hybrid.h, policy.c. Called by vcpu.c.
 */
#include <Zydis/Zydis.h>

#include "vmm/clock.h"
#include "vmm/hybrid/hybrid.h"

/* Iterations of a REP instruction at a time: it may be a long one, and the hardware does the rest
 * in no time. */
#define MAX_REP	     1024u
#define REP_PER_INSN 4u	 /* iterations that take as long as an instruction */
#define TIMED	     16u /* one stretch in so many is timed */

/* ---- faults the guest was given ---- */

static unsigned fault_flags(const struct cpu_state *s, uint32_t error)
{
	unsigned f = cpu_cpl(s) == 3 ? SH_USER : 0;

	if (error & PFERR_I)
		f |= SH_FETCH;
	if (s->rflags & RFL_AC)
		f |= SH_AC;
	return f;
}

static void note_fault(struct vcpu *v, uint64_t va, uint32_t error)
{
	struct hybrid *h = v->ahead;
	const struct cpu_state *s = &v->cpu.s;

	if (h->faults == HYBRID_FAULTS)
		h->faults = 0;
	h->fault[h->faults++] = (struct hybrid_fault){
		.va = va, .cr3 = s->cr3, .rip = s->rip, .flags = fault_flags(s, error)};
}

/* A fault that is still one, or of another address space, is none of the hardware's now. One of a
 * process waits until its handler is done. */
void hybrid_prefill(struct vcpu *v)
{
	struct hybrid *h = v->ahead;
	const unsigned user = cpu_cpl(&v->cpu.s) == 3 ? SH_USER : 0, n = h->faults;
	struct sh_walk w;

	h->faults = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct hybrid_fault f = h->fault[i];

		if (f.flags & SH_USER && !user)
			h->fault[h->faults++] = f;
		else if (f.cr3 == v->cpu.s.cr3 &&
			 sh_fault(v->sh, GVA(f.va), f.flags, &w) == SH_FAULT_RESUME)
			h->n.prefills++;
	}
}

/* ---- around exits ---- */

static bool is_timed(const struct hybrid *h)
{
	return h->n.entries % TIMED == 0;
}

void hybrid_left(struct vcpu *v, const struct engine_exit *x)
{
	struct hybrid *h = v->ahead;

	h->kind_kept = false;
	if (h->budget && x->kind == EXIT_EXCEPTION && x->vector == VEC_PF)
		note_fault(v, x->cr2, x->error);
}

/* A hidden fault says nothing about the code: at an address of which nothing is known, the hardware
 * goes on. */
void hybrid_handled(struct vcpu *v, const struct engine_exit *x)
{
	struct hybrid *h = v->ahead;
	bool hidden = v->stats.kind == XC_HIDDEN_FAULT || v->stats.kind == XC_SPURIOUS_FAULT;

	if (x->kind == EXIT_NONE)
		return;
	if (x->kind == EXIT_EXCEPTION && x->vector == VEC_PF && h->faults &&
	    v->stats.kind != XC_TRUE_FAULT)
		h->faults--;
	h->kind = v->stats.kind;
	h->timed_insns = hybrid_weighed(h);
	h->timed_from = is_timed(h) ? clock_ns() : 0;
	hybrid_begin(h, v->cpu.s.rip, !hidden && x->kind != EXIT_KICKED);
}

/* An interrupt: its handler begins something new. */
void hybrid_delivered(struct vcpu *v)
{
	hybrid_begin(v->ahead, v->cpu.s.rip, true);
}

/* ---- one instruction ---- */

/* What it cost beyond one: iterations, and the vector registers if they had to be fetched. */
static unsigned cost_of(struct hybrid *h, const struct interp_info *info, uint64_t iterations)
{
	unsigned cost = 1;

	if ((info->bytes[0] & 0xfe) == 0xf2 && iterations <= MAX_REP)
		cost += (unsigned)iterations / REP_PER_INSN;
	if (h->fpu_moved)
		cost += hybrid_most(h);
	h->fpu_moved = false;
	return cost;
}

/* Code that the hardware can't run is interpreted in any case, and begins a stretch when it ends. */
static void account(struct vcpu *v, bool native, const struct interp_info *info, uint64_t rcx,
		    bool would_exit)
{
	struct hybrid *h = v->ahead;
	const struct cpu_state *s = &v->cpu.s;

	if (!native) {
		if (engine_kvm.can_run(v))
			hybrid_begin(h, s->rip, true);
		return;
	}
	if (h->on)
		hybrid_ran(h, s->rip, cost_of(h, info, rcx - s->gpr[CPU_RCX]), would_exit);
}

/* An exception of the instruction. vcpu_raise() ends the machine if it never stops. */
static void raise(struct vcpu *v, const struct cpu_fault *f)
{
	if (f->vector == VEC_PF)
		note_fault(v, f->cr2, f->error);
	vcpu_raise(v, f);
}

/* What it would have been as an exit shows in the class that the operations leave behind
 * (memops.c). */
bool hybrid_interpret(struct vcpu *v)
{
	struct hybrid *h = v->ahead;
	const uint64_t rcx = v->cpu.s.gpr[CPU_RCX];
	const bool native = engine_kvm.can_run(v);
	struct interp_info info;
	struct cpu_fault f = {0};
	bool would_exit;
	enum cpu_result r;

	v->stats.kind = XC_INTERPRETED;
	r = interp_step_traps(v->in, &v->cpu, MAX_REP, &info, &f);
	if (native && r == CPU_BROKEN && info.not_emulated) {
		hybrid_stop(h); /* the hardware knows it, or says that it is none */
		return true;
	}
	v->stats.insns_interpreted++;
	if (r == CPU_OK && info.returned)
		v->livelock.count = 0;
	if (r == CPU_BROKEN || r == CPU_HOST) {
		vcpu_broken(v, r, &info, &f);
		return false;
	}
	if (r == CPU_RETRY)
		return true;
	would_exit = r == CPU_FAULT || v->stats.kind != XC_INTERPRETED ||
		     hybrid_traps(info.mnemonic, info.bytes);
	if (r == CPU_FAULT)
		raise(v, &f);
	account(v, native, &info, rcx, would_exit);
	return true;
}
