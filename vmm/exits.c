/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What to do about each way out of the guest.
 *
 *   page fault       ask the shadow MMU: run on, inject, or emulate the instruction
 *   #UD #GP #NP #SS  nearly always an instruction that may not run at CPL 3: emulate it; the
 *   #TS              interpreter applies the guest's own privilege and raises what is due
 *   SYSCALL          the guest's entry point
 *   anything else    is the guest's: deliver it
 *
 * Read first: machine.h, interp/interp.h, cpu/deliver.h.
 */
#include <errno.h>
#include <string.h>

#include "vmm/cpu/deliver.h"
#include "vmm/cpu/segment.h"
#include "vmm/machine.h"

/* Iterations of a REP instruction at a time, so that an interrupt is not kept waiting for long. */
#define MAX_REP 4096u
/* The same exception at the same place this often and never a return from one: the handler itself
 * faults, for ever. IRET always traps here, so a handler that does return is seen. */
#define LIVELOCK_ROUNDS 100000u

static bool livelocked(struct vcpu *v, const struct cpu_event *e)
{
	struct livelock *l = &v->livelock;
	const struct cpu_state *s = &v->cpu.s;

	if (l->rip == s->rip && l->rsp == s->gpr[CPU_RSP] && l->vector == e->vector &&
	    l->cr2 == e->cr2)
		return ++l->count >= LIVELOCK_ROUNDS;
	*l = (struct livelock){
		.rip = s->rip, .rsp = s->gpr[CPU_RSP], .cr2 = e->cr2, .vector = e->vector};
	return false;
}

static void host_failed(struct vcpu *v, const struct cpu_fault *f, const char *doing)
{
	machine_end(v->m, VERDICT_HOST, "vCPU %u: %s failed: %s", v->index, doing,
		    f->host_errno ? strerror(f->host_errno)
				  : "out of memory for shadow tables");
}

/* An access that came to no end gave way to a pause (soft/memory.c): nothing has happened. */
static bool gave_way(const struct vcpu *v, enum cpu_result r, const struct cpu_fault *f)
{
	return r == CPU_HOST && f->host_errno == EAGAIN &&
	       atomic_load(&v->requests) & REQ_PAUSE;
}

/* The host had no window or table for an access. As after a fault, the instruction or the delivery is
 * done again from its start; a while later, and not for ever. */
static bool once_more(struct vcpu *v, enum cpu_result r, const struct cpu_fault *f)
{
	return r == CPU_HOST && !f->host_errno && vcpu_host_again(v);
}

/* Around what uses the vCPU's operations. */
static void begin(struct vcpu *v)
{
	if (v->m->engine->begin)
		v->m->engine->begin(v);
}

static void end(struct vcpu *v)
{
	if (v->m->engine->end)
		v->m->engine->end(v);
}

void vcpu_deliver(struct vcpu *v, const struct cpu_event *e, uint64_t insn_start)
{
	struct cpu_fault f = {0};
	enum cpu_result r;

	do {
		begin(v);
		r = cpu_deliver(&v->cpu, e, insn_start, &f);
		end(v);
	} while (r == CPU_RETRY || (gave_way(v, r, &f) && vcpu_rest(v)) || once_more(v, r, &f));
	if (r == CPU_BROKEN)
		machine_crash(v, GVA(e->vector == VEC_PF ? e->cr2 : v->cpu.s.rip),
			      "%s on vector %u, error code %#x", f.why ? f.why : "can't go on",
			      e->vector, e->error);
	else if (r == CPU_HOST)
		host_failed(v, &f, "delivering an event");
}

static void deliver(struct vcpu *v, const struct cpu_event *e, uint64_t insn_start)
{
	if (livelocked(v, e))
		machine_crash(v, GVA(e->cr2), "endless faults: vector %u at rip %#llx",
			      e->vector, (unsigned long long)v->cpu.s.rip);
	else
		vcpu_deliver(v, e, insn_start);
}

static void inject(struct vcpu *v, unsigned vector, uint32_t error, uint64_t cr2)
{
	struct cpu_event e = {.kind = EVENT_EXCEPTION,
			      .vector = (uint8_t)vector,
			      .has_error = cpu_vector_has_error(vector),
			      .error = error,
			      .cr2 = cr2};

	deliver(v, &e, v->cpu.s.rip);
}

/* One instruction. not_emulated says that the interpreter does not know it. */
static bool step(struct vcpu *v, bool *not_emulated)
{
	struct interp_info info = {0};
	struct cpu_fault f = {0};
	enum cpu_result r;

	begin(v);
	r = interp_step_deliver(v->in, &v->cpu, MAX_REP, &info, &f);
	end(v);
	v->stats.insns_interpreted++;
	if (info.returned)
		v->livelock.count = 0;
	*not_emulated = info.not_emulated;
	if (r == CPU_OK || r == CPU_RETRY || info.not_emulated)
		return r == CPU_OK || r == CPU_RETRY;
	if (r != CPU_FAULT)
		vcpu_broken(v, r, &info, &f);
	return false;
}

void vcpu_raise(struct vcpu *v, const struct cpu_fault *f)
{
	inject(v, f->vector, f->error, f->cr2);
}

void vcpu_broken(struct vcpu *v, enum cpu_result r, const struct interp_info *info,
		 const struct cpu_fault *f)
{
	if (gave_way(v, r, f))
		return; /* and is run again when the pause is over */
	if (once_more(v, r, f))
		return;
	if (r == CPU_HOST)
		host_failed(v, f, "emulating an instruction");
	else if (info->not_emulated)
		machine_crash(v, GVA(info->rip), "%s", info->text);
	else
		machine_crash(v, GVA(info->rip), "%s", f->why ? f->why : "can't go on");
}

static void crash_not_emulated(struct vcpu *v)
{
	struct interp_info info = {0};
	struct cpu_fault f = {0};

	begin(v);
	interp_step(v->in, &v->cpu, 1, &info, &f); /* changes nothing: fills in the text */
	end(v);
	machine_crash(v, GVA(v->cpu.s.rip), "%s", info.text);
}

bool vcpu_interpret(struct vcpu *v)
{
	bool unknown;

	if (step(v, &unknown))
		return true;
	if (unknown)
		crash_not_emulated(v);
	return false;
}

/* An instruction that trapped. If we don't know it, it was not ours to run: the guest takes the
 * exception as it came. */
static void emulate_or_inject(struct vcpu *v, const struct engine_exit *x)
{
	bool unknown;

	v->stats.kind = XC_PRIVILEGED;
	if (!step(v, &unknown) && unknown) {
		v->stats.kind = XC_EXCEPTION;
		inject(v, x->vector, x->error, x->cr2);
	}
}

static unsigned fault_flags(const struct vcpu *v, uint32_t error)
{
	const struct cpu_state *s = &v->cpu.s;
	unsigned f = 0;

	if (error & PFERR_W)
		f |= SH_WRITE;
	if (error & PFERR_I)
		f |= SH_FETCH;
	if (cpu_cpl(s) == 3)
		f |= SH_USER;
	if (s->rflags & RFL_AC)
		f |= SH_AC;
	return f;
}

/* The shadow permits it and the hardware faults all the same. Once is a race with another vCPU;
 * twice running is an address this host can't map at CPL 3. */
static void spurious(struct vcpu *v, uint64_t cr2)
{
	bool again = v->spurious_rip == v->cpu.s.rip && v->spurious_cr2 == cr2;

	v->stats.kind = XC_SPURIOUS_FAULT;
	v->spurious_rip = v->cpu.s.rip;
	v->spurious_cr2 = cr2;
	if (again)
		vcpu_interpret(v);
}

static void page_fault(struct vcpu *v, const struct engine_exit *x)
{
	struct sh_walk w;

	vcpu_sync_regs(v);
	switch (sh_fault(v->sh, GVA(x->cr2), fault_flags(v, x->error), &w)) {
	case SH_FAULT_RESUME:
		v->stats.kind = XC_HIDDEN_FAULT;
		break;
	case SH_FAULT_SPURIOUS:
		spurious(v, x->cr2);
		break;
	case SH_FAULT_INJECT:
		v->stats.kind = XC_TRUE_FAULT;
		inject(v, VEC_PF, w.error, x->cr2);
		break;
	case SH_FAULT_NOT_CANON:
		inject(v, VEC_GP, 0, 0);
		break;
	case SH_FAULT_TRACKED:
		v->stats.kind = XC_TRACKED_WRITE;
		vcpu_interpret(v);
		break;
	case SH_FAULT_NO_RAM:
	case SH_FAULT_GATE:
		v->stats.kind = XC_MMIO;
		vcpu_interpret(v);
		break;
	case SH_FAULT_HOST:
		if (w.error != EACCES && vcpu_host_again(v))
			break; /* the access is made again */
		machine_end(v->m, VERDICT_HOST,
			    w.error == EACCES
				    ? "an access that the direct map withholds at %#llx"
				    : "out of shadow tables at %#llx; raise --shadow-limit",
			    (unsigned long long)x->cr2);
		break;
	}
}

static void breakpoint(struct vcpu *v)
{
	struct cpu_event e = {.kind = EVENT_SOFT_EXC, .vector = VEC_BP};

	deliver(v, &e, v->cpu.s.rip - 1);
}

static void exception(struct vcpu *v, const struct engine_exit *x)
{
	switch (x->vector) {
	case VEC_PF:
		page_fault(v, x);
		return;
	case VEC_UD:
	case VEC_GP:
	case VEC_NP:
	case VEC_SS:
	case VEC_TS:
		emulate_or_inject(v, x);
		return;
	case VEC_BP:
		v->stats.kind = XC_EXCEPTION;
		breakpoint(v);
		return;
	case VEC_DB:
		v->cpu.s.dr[6] |= v->cpu.s.rflags & RFL_TF ? 1u << 14 : 0;
		break;
	}
	v->stats.kind = XC_EXCEPTION;
	inject(v, x->vector, x->error, x->cr2);
}

/* The hardware did the part of SYSCALL that we can't hold back: RCX and R11. */
static void syscall_entry(struct vcpu *v)
{
	struct cpu_state *s = &v->cpu.s;
	uint64_t next = s->gpr[CPU_RCX];
	struct cpu_fault f = {0};

	v->stats.kind = XC_SYSCALL;
	s->rflags =
		(s->gpr[CPU_R11] & ~(RFL_IF | RFL_IOPL)) | (s->rflags & (RFL_IF | RFL_IOPL));
	s->rip = next - 2;
	if (cpu_syscall(&v->cpu, next, &f) == CPU_FAULT)
		inject(v, f.vector, f.error, f.cr2);
}

void vcpu_handle_exit(struct vcpu *v, const struct engine_exit *x)
{
	switch (x->kind) {
	case EXIT_NONE:
	case EXIT_KICKED:
	case EXIT_DONE:
		break;
	case EXIT_EXCEPTION:
		exception(v, x);
		break;
	case EXIT_SYSCALL:
		syscall_entry(v);
		break;
	case EXIT_HOST_ERROR:
		machine_end(v->m, VERDICT_HOST, "vCPU %u at rip %#llx: %s: %s", v->index,
			    (unsigned long long)v->cpu.s.rip, x->why, strerror(x->err));
		break;
	}
}
