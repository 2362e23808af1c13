/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory as the software processor reaches it: through the TLB, and on a miss by a page
 * fault into the shadow MMU.
 *
 * The hit path takes no lock and no read-side section: the vCPU is in the guest (soft.h), so what
 * the TLB holds is good. A write that crosses a page changes nothing unless both pages permit it.
 *
 * Guest RAM is touched through gmem only: a frame of the lowmem span has a lasting address, which
 * its TLB entry keeps; others get a window for the access.
 * Locks: split_lock around a LOCKed access that no host instruction does; a vCPU that waits for it
 * is out of the guest.
 * Read first: soft.h.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "vmm/soft/piece.h"

/* Faults served for one translation before a pause comes first: more than vCPUs take from each other. */
#define PAUSE_ROUNDS 1000u

/* The view that the access needs. Implicit ones are the supervisor's, and to them SMAP applies
 * whatever EFLAGS.AC says (SDM vol. 3, section 4.6.1). */
static inline enum sh_view view_of(const struct vcpu *v, const struct cpu_state *s,
				   unsigned flags)
{
	if (flags & MEM_IMPLICIT)
		return SH_VIEW_KERNEL;
	if (cpu_cpl(s) == 3)
		return SH_VIEW_USER;
	if (!(s->rflags & RFL_AC))
		return SH_VIEW_KERNEL;
	return sh_view_of(sh_vcpu_mode(v->sh), false, true);
}

static inline unsigned hardware_flags(unsigned flags)
{
	return (flags & MEM_WRITE ? SH_WRITE : 0) | (flags & MEM_FETCH ? SH_FETCH : 0);
}

static inline bool have_root(const struct vcpu *v, const struct cpu_state *s, unsigned flags)
{
	return !v->regs_stale && v->roots & 1u << view_of(v, s, flags);
}

/* The host address of a page that the TLB has and that has a lasting one; else NULL. */
static inline uint8_t *hit(const struct vcpu *v, const struct cpu_state *s, gva_t va,
			   unsigned flags)
{
	const struct soft_vcpu *sv = soft_vcpu(v);
	unsigned need = (flags & MEM_WRITE ? TLB_W : 0) | (flags & MEM_FETCH ? TLB_X : 0);
	const struct tlb_entry *e;

	if (!have_root(v, s, flags))
		return NULL;
	e = tlb_hit(sv->tlb, sv->root[view_of(v, s, flags)], va, need);
	return e ? e->host : NULL;
}

bool soft_direct(void *arg, const struct cpu_state *s, struct cpu_direct *d)
{
	const struct vcpu *v = arg;
	const struct soft_vcpu *sv = soft_vcpu(v);

	if (!have_root(v, s, 0))
		return false;
	*d = (struct cpu_direct){sv->tlb->slot, sv->tlb->mask,
				 sv->root[view_of(v, s, 0)].v + sv->tlb->epoch};
	return true;
}

static struct tlb_entry *lookup(const struct vcpu *v, const struct cpu_state *s, gva_t va,
				unsigned flags)
{
	const struct soft_vcpu *sv = soft_vcpu(v);
	struct tlb_entry *e;

	if (!have_root(v, s, flags))
		return NULL;
	e = tlb_lookup(sv->tlb, sv->root[view_of(v, s, flags)], va, hardware_flags(flags));
	if (e && sv->watch_stores && flags & MEM_WRITE &&
	    sh_is_tracked(v->m->mmu, gmem_gfn(v->m->gm, e->frame)))
		tlb_tracked_store(sv->tlb, e);
	return e;
}

/* ---- the slow way ---- */

static unsigned fault_flags(const struct cpu_state *s, unsigned flags)
{
	unsigned f = hardware_flags(flags);

	if (flags & MEM_IMPLICIT)
		return f | SH_IMPLICIT;
	if (cpu_cpl(s) == 3)
		f |= SH_USER;
	if (s->rflags & RFL_AC)
		f |= SH_AC;
	return f;
}

/* Out of the guest: the root of the view that the access needs. False: the machine has ended. */
static bool get_root(struct vcpu *v, const struct cpu_state *s, unsigned flags)
{
	struct soft_vcpu *sv = soft_vcpu(v);
	enum sh_view view;
	int err;

	vcpu_sync_regs(v);
	view = view_of(v, s, flags);
	if (v->roots & 1u << view)
		return true;
	do
		err = sh_root(v->sh, view, &sv->root[view]);
	while (err == -ENOMEM && vcpu_host_again(v));
	if (err)
		machine_end(v->m, VERDICT_HOST,
			    "no shadow table for a root: %s; raise --shadow-limit",
			    strerror(-err));
	else
		v->roots |= 1u << view;
	if (!err && sv->soft->moved)
		sv->soft->moved(v, sv->root[view]);
	return !err;
}

static enum cpu_result out_of_tables(struct vcpu *v, gva_t va)
{
	if (vcpu_host_again(v))
		return CPU_RETRY;
	machine_end(v->m, VERDICT_HOST, "out of shadow tables at %#llx; raise --shadow-limit",
		    (unsigned long long)va.v);
	return CPU_HOST;
}

/* What it would have been as an exit: the software engine counts these, the hybrid engine wants to know of
 * the instruction (hybrid/ahead.c) and counts real exits. */
static void note(struct vcpu *v, enum exit_class c)
{
	if (!v->ahead)
		v->stats.count[c]++;
	else if (v->stats.kind == XC_INTERPRETED && c != XC_SPURIOUS_FAULT)
		v->stats.kind = c;
}

/* RAM under the gate's addresses is reached by the shadow MMU's door. */
static enum piece_kind kind_under_gate(struct vcpu *v, gpa_t gpa)
{
	return gmem_valid(v->m->gm, gpa, 1) ? PIECE_TRACKED : PIECE_ABSENT;
}

/* Out of the guest: the page fault. CPU_RETRY: look again. */
static enum cpu_result page_fault(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned flags,
				  struct piece *p, struct cpu_fault *f)
{
	struct sh_walk w;
	const enum sh_fault_result r = sh_fault(v->sh, va, fault_flags(s, flags), &w);

	switch (r) {
	case SH_FAULT_RESUME:
		note(v, XC_HIDDEN_FAULT);
		return CPU_RETRY;
	case SH_FAULT_SPURIOUS:
		note(v, XC_SPURIOUS_FAULT);
		return CPU_RETRY;
	case SH_FAULT_INJECT:
		note(v, XC_TRUE_FAULT);
		cpu_fault_ec(f, VEC_PF, w.error);
		f->cr2 = va.v;
		return CPU_FAULT;
	case SH_FAULT_TRACKED:
		note(v, XC_TRACKED_WRITE);
		p->kind = PIECE_TRACKED;
		p->gpa = w.gpa;
		return CPU_OK;
	case SH_FAULT_NO_RAM:
	case SH_FAULT_GATE:
		note(v, XC_MMIO);
		p->kind = r == SH_FAULT_GATE ? kind_under_gate(v, w.gpa) : PIECE_ABSENT;
		p->gpa = w.gpa;
		return CPU_OK;
	case SH_FAULT_NOT_CANON:
		return cpu_fault_ec(f, VEC_GP, 0);
	default:
		return out_of_tables(v, va);
	}
}

/* The fault has been served and the translation is still not there: another vCPU took it away, or the
 * tables are broken and it never will be. A machine that ends needs none of it. A pause waits for the
 * instruction, but not for ever: it can be run again from its start, as after a fault. */
static int told_to_stop(struct vcpu *v, unsigned rounds)
{
	const uint32_t req = atomic_load(&v->requests);

	if (req & REQ_QUIT)
		return ECANCELED;
	return req & REQ_PAUSE && rounds >= PAUSE_ROUNDS ? EAGAIN : 0;
}

static enum cpu_result give_up(struct cpu_fault *f, int err)
{
	*f = (struct cpu_fault){.host_errno = err};
	return CPU_HOST;
}

enum cpu_result soft_resolve(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned flags,
			     struct piece *p, bool *left, struct cpu_fault *f)
{
	enum cpu_result r = CPU_RETRY;

	for (unsigned rounds = 0; r == CPU_RETRY; rounds++) {
		struct tlb_entry *e = lookup(v, s, va, flags);
		int stop;

		if (e) {
			p->kind = PIECE_RAM;
			p->gpa = GPA(gfn_gpa(gmem_gfn(v->m->gm, e->frame)).v + gva_offset(va));
			p->host = soft_host(v->m, e);
			return CPU_OK;
		}
		stop = told_to_stop(v, rounds);
		if (stop)
			return give_up(f, stop);
		*left = true;
		soft_out(v);
		if (!have_root(v, s, flags))
			r = get_root(v, s, flags) ? CPU_RETRY : CPU_HOST;
		else
			r = page_fault(v, s, va, flags, p, f);
		soft_in(v);
	}
	return r;
}

/* Where the second page of an access is: addresses wrap at 4 GiB but in 64-bit mode, where what is
 * not canonical faults. */
static enum cpu_result next_page(const struct cpu_state *s, gva_t va, unsigned len, gva_t *next,
				 struct cpu_fault *f)
{
	*next = GVA(va.v + len);
	if (!cpu_64bit(s))
		next->v = (uint32_t)next->v;
	else if (!cpu_canonical(s, next->v))
		return cpu_fault_ec(f, VEC_GP, 0);
	return CPU_OK;
}

/* Both halves of an access. A half that is RAM was looked up after the vCPU was last out of the
 * guest; one that isn't has no translation to go stale. */
static enum cpu_result both(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned flags,
			    struct piece p[2], struct cpu_fault *f)
{
	gva_t next;
	enum cpu_result r = next_page(s, va, p[0].len, &next, f);
	bool first, second;

	do {
		first = second = false;
		if (r == CPU_OK)
			r = soft_resolve(v, s, va, flags, &p[0], &first, f);
		if (r == CPU_OK)
			r = soft_resolve(v, s, next, flags, &p[1], &second, f);
	} while (r == CPU_OK && second && p[0].kind == PIECE_RAM && p[1].kind == PIECE_RAM);
	if (r == CPU_OK && second && p[0].kind == PIECE_RAM)
		r = soft_resolve(v, s, va, flags, &p[0], &first, f);
	return r;
}

enum cpu_result soft_pieces(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned len,
			    unsigned flags, struct piece p[2], struct cpu_fault *f)
{
	unsigned room = SH_PAGE_SIZE - (unsigned)gva_offset(va);
	bool left;

	p[0].len = len < room ? len : room;
	p[1].len = len - p[0].len;
	return p[1].len ? both(v, s, va, flags, p, f)
			: soft_resolve(v, s, va, flags, &p[0], &left, f);
}

/* ---- reads, writes, fetches ---- */

static enum cpu_result read_slow(struct vcpu *v, struct cpu_state *s, gva_t va, uint8_t *buf,
				 unsigned len, unsigned flags, struct cpu_fault *f)
{
	struct piece p[2];
	enum cpu_result r = soft_pieces(v, s, va, len, flags, p, f);

	return r == CPU_OK ? soft_read_pieces(v, p, buf) : r;
}

enum cpu_result soft_read(void *arg, struct cpu_state *s, gva_t va, void *buf, unsigned len,
			  unsigned flags, struct cpu_fault *f)
{
	uint64_t off = gva_offset(va);

	if (off + len <= SH_PAGE_SIZE) {
		const uint8_t *host = hit(arg, s, va, flags);

		if (host) {
			soft_load(host + off, buf, len);
			return CPU_OK;
		}
	}
	return read_slow(arg, s, va, buf, len, flags, f);
}

static enum cpu_result write_slow(struct vcpu *v, struct cpu_state *s, gva_t va,
				  const uint8_t *buf, unsigned len, unsigned flags,
				  struct cpu_fault *f)
{
	struct piece p[2];
	enum cpu_result r = soft_pieces(v, s, va, len, flags, p, f);

	return r == CPU_OK ? soft_write_pieces(v, p, buf) : r;
}

enum cpu_result soft_write(void *arg, struct cpu_state *s, gva_t va, const void *buf,
			   unsigned len, unsigned flags, struct cpu_fault *f)
{
	uint64_t off = gva_offset(va);

	flags |= MEM_WRITE;
	if (off + len <= SH_PAGE_SIZE) {
		uint8_t *host = hit(arg, s, va, flags);

		if (host) {
			soft_store(host + off, buf, len);
			return CPU_OK;
		}
	}
	return write_slow(arg, s, va, buf, len, flags, f);
}

/* Up to the end of the page: an instruction that needs more asks again for the rest. */
enum cpu_result soft_fetch(void *arg, struct cpu_state *s, gva_t va, uint8_t buf[15],
			   unsigned *got, struct cpu_fault *f)
{
	uint64_t off = gva_offset(va);
	unsigned len = SH_PAGE_SIZE - off < 15 ? SH_PAGE_SIZE - (unsigned)off : 15;
	const uint8_t *host = hit(arg, s, va, MEM_FETCH);

	*got = len;
	if (host) {
		if (len == 15)
			memcpy(buf, host + off, 15);
		else
			memcpy(buf, host + off, len);
		return CPU_OK;
	}
	return read_slow(arg, s, va, buf, len, MEM_FETCH, f);
}

/* ---- LOCKed ---- */

/* What no single host instruction does atomically on guest RAM: 16 bytes, misaligned, device
 * memory. Atomic against other such accesses only; a processor's split lock is as rare. */
static enum cpu_result split_cmpxchg(struct vcpu *v, struct cpu_state *s, gva_t va,
				     void *expect, const void *desired, unsigned len,
				     bool *done, struct cpu_fault *f)
{
	struct piece p[2];
	uint8_t now[16];
	enum cpu_result r;

	while (pthread_mutex_trylock(&v->m->split_lock)) {
		const int stop = told_to_stop(v, 0); /* who has it gives way to a pause */

		if (stop)
			return give_up(f, stop);
		soft_out(v);
		sched_yield();
		soft_in(v);
	}
	r = soft_pieces(v, s, va, len, MEM_READ | MEM_WRITE, p, f);
	if (r == CPU_OK)
		r = soft_read_pieces(v, p, now);
	*done = r == CPU_OK && !memcmp(now, expect, len);
	if (*done)
		r = soft_write_pieces(v, p, desired);
	pthread_mutex_unlock(&v->m->split_lock);
	if (r == CPU_OK && !*done)
		memcpy(expect, now, len);
	return r;
}

static enum cpu_result word_cmpxchg(struct vcpu *v, const struct piece *p, uint64_t *expect,
				    uint64_t desired, unsigned len, bool *done)
{
	int x;

	if (p->kind == PIECE_RAM) {
		x = gmem_cmpxchg(v->m->gm, p->gpa, expect, desired, len);
	} else {
		soft_out(v);
		x = sh_cmpxchg(v->m->mmu, v->sh, p->gpa, expect, desired, len);
		soft_in(v);
	}
	*done = x == 1;
	return x < 0 ? CPU_HOST : CPU_OK;
}

enum cpu_result soft_cmpxchg(void *arg, struct cpu_state *s, gva_t va, void *expect,
			     const void *desired, unsigned len, bool *done, struct cpu_fault *f)
{
	struct vcpu *v = arg;
	uint64_t old = 0, new = 0;
	struct piece p;
	bool left;
	enum cpu_result r;

	if (len > 8 || va.v & (len - 1))
		return split_cmpxchg(v, s, va, expect, desired, len, done, f);
	r = soft_resolve(v, s, va, MEM_READ | MEM_WRITE, &p, &left, f);
	if (r != CPU_OK)
		return r;
	if (p.kind == PIECE_ABSENT)
		return split_cmpxchg(v, s, va, expect, desired, len, done, f);
	memcpy(&old, expect, len);
	memcpy(&new, desired, len);
	r = word_cmpxchg(v, &p, &old, new, len, done);
	memcpy(expect, &old, len);
	return r;
}
