/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interpreting ahead: blocks, and between them one instruction at a time, with a look at whether it would
 * have been an exit; and what the hardware is spared afterwards.
 *
 * Read first: hybrid.h, policy.c. Called by vcpu.c.
 */
#include <Zydis/Zydis.h>
#include <sched.h>

#include "vmm/clock.h"
#include "vmm/hybrid/hybrid.h"
#include "vmm/kvm/kvm.h"
#include "vmm/soft/soft.h"

/* Instructions before deadlines are looked at again. */
#define BATCH 4096u
/* Iterations of a REP instruction at a time: it may be a long one, and the hardware does the rest
 * in no time. */
#define MAX_REP 1024u
/* Of an instruction done by itself, in instructions of blocks: 30 ns. */
#define STEP_COST 20u
/* One in so many runs of blocks is timed, and counts if it was this long: the clock takes as long as 20
 * of their instructions. */
#define TIMED	    16u
#define TIMED_LEAST 256u

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

/* Whether every entry on the way has A already. A processor may set it ahead, but a guest that has just
 * cleared it, to see which pages are in use, would see what no program has used. */
static bool used_before(struct vcpu *v, const struct hybrid_fault *f)
{
	struct sh_walk w;

	if (sh_translate(v->sh, GVA(f->va), f->flags | SH_PEEK, &w) != SH_WALK_OK)
		return false;
	for (unsigned l = w.level; l <= w.top; l++)
		if (!(w.gpte[l] & PTE_A))
			return false;
	return true;
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
		else if (f.cr3 == v->cpu.s.cr3 && used_before(v, &f) &&
			 sh_fault(v->sh, GVA(f.va), f.flags, &w) == SH_FAULT_RESUME)
			h->n.prefills++;
	}
}

/* ---- around exits ---- */

#define FOR_EXCEPTION 0x200u
#define FOR_INTERRUPT 0x300u

/* A system call: by its number. */
static void entered_for_call(struct vcpu *v)
{
	v->ahead->entered_for = v->cpu.s.gpr[CPU_RAX] & 0x1ff;
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
	if (x->kind == EXIT_SYSCALL)
		entered_for_call(v);
	else if (v->stats.kind == XC_TRUE_FAULT || v->stats.kind == XC_EXCEPTION)
		h->entered_for = FOR_EXCEPTION | x->vector;
	hybrid_begin(h, v->cpu.s.rip, v->cpu.s.gpr[CPU_RSP], !hidden && x->kind != EXIT_KICKED);
}

/* An interrupt: its handler begins something new. */
void hybrid_delivered(struct vcpu *v)
{
	v->ahead->entered_for = FOR_INTERRUPT;
	hybrid_begin(v->ahead, v->cpu.s.rip, v->cpu.s.gpr[CPU_RSP], true);
}

/* ---- blocks ---- */

/* They are all cheap: whatever else is in front of an instruction is left to a step. Returns how many
 * instructions were done. */
static unsigned blocks(struct vcpu *v, bool native, unsigned most)
{
	struct hybrid *h = v->ahead;
	const unsigned room = native ? hybrid_room(h, most) : most;
	const uint64_t from = ++h->runs % TIMED ? 0 : clock_ns();
	unsigned n = interp_ahead(v->in, &v->cpu, room, &v->requests);

	if (from && n >= TIMED_LEAST)
		hybrid_timed(h, clock_ns() - from, n);
	v->stats.insns_interpreted += n;
	if (native && n)
		hybrid_ran(h, n, n);
	return n;
}

/* ---- one instruction ---- */

/* What it cost: iterations count, and the vector registers if they had to be fetched. */
static unsigned cost_of(struct hybrid *h, const struct interp_info *info, uint64_t iterations)
{
	unsigned cost = STEP_COST;

	if (h->budget != HYBRID_AUTO)
		cost = 1;
	if ((info->bytes[0] & 0xfe) == 0xf2 && iterations <= MAX_REP)
		cost += (unsigned)iterations;
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
			hybrid_begin(h, s->rip, s->gpr[CPU_RSP], true);
	} else if (h->on && would_exit) {
		hybrid_saved(h, s->rip, s->gpr[CPU_RSP]);
	} else if (h->on) {
		hybrid_ran(h, 1, cost_of(h, info, rcx - s->gpr[CPU_RCX]));
	}
}

/* An exception of the instruction. vcpu_raise() ends the machine if it never stops. */
static void raise_fault(struct vcpu *v, const struct cpu_fault *f)
{
	if (f->vector == VEC_PF)
		note_fault(v, f->cr2, f->error);
	v->ahead->entered_for = FOR_EXCEPTION | f->vector;
	soft_out(v);
	vcpu_raise(v, f);
	soft_in(v);
}

static void broken(struct vcpu *v, enum cpu_result r, const struct interp_info *info,
		   const struct cpu_fault *f)
{
	soft_out(v);
	vcpu_broken(v, r, info, f);
	soft_in(v);
}

/* A page of ours that was not there is no event of the code's; everything else is. */
static bool was_exit(const struct vcpu *v, enum cpu_result r, const struct interp_info *info)
{
	return r == CPU_FAULT || v->stats.kind != XC_INTERPRETED ||
	       hybrid_traps(info->mnemonic, info->bytes);
}

/* What it would have been as an exit shows in the class that the operations leave behind
 * (soft/memory.c, memops.c). */
static void one(struct vcpu *v, bool native)
{
	struct hybrid *h = v->ahead;
	const uint64_t rcx = v->cpu.s.gpr[CPU_RCX];
	struct interp_info info;
	struct cpu_fault f = {0};
	bool would_exit;
	enum cpu_result r;

	v->stats.kind = XC_INTERPRETED;
	r = interp_step_traps(v->in, &v->cpu, MAX_REP, &info, &f);
	if (native && r == CPU_BROKEN && info.not_emulated) {
		hybrid_stop(h); /* the hardware knows it, or says that it is none */
		return;
	}
	v->stats.insns_interpreted++;
	h->paused = info.mnemonic == ZYDIS_MNEMONIC_PAUSE;
	if (r == CPU_OK && info.returned)
		v->livelock.count = 0;
	if (r == CPU_BROKEN || r == CPU_HOST)
		broken(v, r, &info, &f);
	if (r != CPU_OK && r != CPU_FAULT)
		return;
	would_exit = was_exit(v, r, &info);
	if (r == CPU_FAULT)
		raise_fault(v, &f);
	else if (info.mnemonic == ZYDIS_MNEMONIC_SYSCALL)
		entered_for_call(v);
	account(v, native, &info, rcx, would_exit);
}

/* ---- a stretch ---- */

/* Whether something other than the next instruction is due. open: an interrupt could have come before
 * the last one. What is to be forgotten is forgotten here. */
static bool due(struct vcpu *v, bool open)
{
	const struct cpu_state *s = &v->cpu.s;

	if (atomic_load(&v->requests) & REQ_FLUSH)
		kvm_take_flush(v);
	if (atomic_load(&v->requests) & REQ_FORGET)
		soft_forget(v);
	return atomic_load(&v->requests) & ~REQ_DROPS || s->activity != CPU_RUNNING ||
	       v->ahead->paused || (!open && vcpu_interruptible(s)) || vcpu_nmi_ready(s);
}

void hybrid_interpret(struct vcpu *v)
{
	unsigned left = BATCH;
	bool open;

	soft_in(v);
	do {
		const bool native = engine_kvm.can_run(v);

		left -= blocks(v, native, left);
		if (!left || (native && !v->ahead->on))
			break;
		open = vcpu_interruptible(&v->cpu.s);
		one(v, native);
	} while (!due(v, open) && --left && !v->m->engine->can_run(v));
	soft_out(v);
	/* It spins for another vCPU: the hardware can do that, and if it may not, the other one may have no
	 * processor now. */
	if (v->ahead->paused && v->ahead->budget == HYBRID_AUTO)
		hybrid_stop(v->ahead);
	else if (v->ahead->paused && v->m->cfg.cpus > 1)
		sched_yield();
	v->ahead->paused = false;
}
