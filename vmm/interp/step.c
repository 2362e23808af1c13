/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One step: fetch, decode, check, execute, commit RIP. And delivery of what the step raised.
 *
 * Known limit: an interrupt between two iterations of a REP instruction pushes RF=0.
 *
 * Read first: interp.h, insn.h, exec.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cpu/debugger.h"
#include "vmm/cpu/deliver.h"
#include "vmm/interp/cache.h"
#include "vmm/interp/exec.h"
#include "vmm/interp/fast.h"
#include "vmm/interp/interp.h"
#include "vmm/interp/watch.h"

#define DR6_HITS 0xfull
#define DR6_BS	 (1ull << 14)

struct interp {
	struct decoders decoders;
	struct decode_cache cache;
	struct fast_cache *fast;	/* NULL until interp_ahead() is first called */
	const struct fast_block *ahead; /* its tail is the instruction to be done next */
};

struct interp *interp_create(void)
{
	struct interp *in = calloc(1, sizeof(*in));

	if (in && !decoders_init(&in->decoders)) {
		free(in);
		return NULL;
	}
	return in;
}

void interp_destroy(struct interp *in)
{
	if (in)
		fast_destroy(in->fast);
	free(in);
}

unsigned interp_ahead(struct interp *in, struct cpu *c, unsigned budget,
		      const _Atomic uint32_t *stop)
{
	unsigned n;

	in->ahead = NULL;
	if (!c->ops->direct)
		return 0;
	if (!in->fast)
		in->fast = fast_create();
	if (!in->fast)
		return 0;
	n = fast_go(in->fast, &in->decoders, c, budget, stop, &in->ahead);
	if (n == budget)
		in->ahead = NULL;
	return n;
}

/* Instruction bytes at RIP + off. Beyond the limit of CS is #GP, not a short answer. */
static enum cpu_result fetch_at(struct cpu *c, unsigned off, uint8_t buf[INSN_MAX_LEN],
				unsigned *got, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint64_t rip = s->rip + off, room = UINT64_MAX;
	gva_t va = GVA(rip);
	enum cpu_result r;

	if (!cpu_64bit(s)) {
		rip = (uint32_t)rip;
		if (rip > s->seg[CPU_CS].limit)
			return cpu_fault_ec(f, VEC_GP, 0);
		room = s->seg[CPU_CS].limit - rip + 1;
		va = GVA((uint32_t)(s->seg[CPU_CS].base + rip));
	} else if (!cpu_canonical(s, rip)) {
		return cpu_fault_ec(f, VEC_GP, 0);
	}
	r = c->ops->fetch(c->m, s, va, buf, got, f);
	if (r == CPU_OK && *got > room)
		*got = (unsigned)room;
	return r;
}

/* An instruction whose bytes end in front of a page that can't be fetched: asking for the rest
 * raises the fault that the page has, or finds that it has become readable. */
static enum cpu_result fetch_more(struct cpu *c, uint8_t *bytes, unsigned *len,
				  struct cpu_fault *f)
{
	uint8_t rest[INSN_MAX_LEN];
	unsigned got = 0;
	enum cpu_result r = fetch_at(c, *len, rest, &got, f);

	if (r != CPU_OK)
		return r;
	if (got > INSN_MAX_LEN - *len)
		got = INSN_MAX_LEN - *len;
	memcpy(bytes + *len, rest, got);
	*len += got;
	return CPU_OK;
}

/* The instruction that interp_ahead() has found next. */
static const struct insn *take_ahead(struct interp *in, struct interp_info *info)
{
	const struct fast_block *b = in->ahead;

	in->ahead = NULL;
	info->len = b->insn.len;
	info->mnemonic = b->insn.mnemonic;
	memcpy(info->bytes, b->bytes + b->len - b->insn.len, INSN_MAX_LEN);
	return &b->insn;
}

static enum cpu_result fetch_decode(struct interp *in, struct cpu *c, const struct insn **insn,
				    struct interp_info *info, struct cpu_fault *f)
{
	enum decode_mode mode = decode_mode_of(&c->s);
	uint8_t bytes[INSN_MAX_LEN + 1] = {0};
	unsigned len = 0;
	enum cpu_result r = fetch_at(c, 0, bytes, &len, f);

	while (r == CPU_OK) {
		enum decode_status st = cache_decode(&in->cache, &in->decoders, mode, c->s.rip,
						     bytes, len, insn);

		memcpy(info->bytes, bytes, INSN_MAX_LEN);
		info->len = (uint8_t)len;
		if (st == DECODE_OK) {
			info->len = (*insn)->len;
			info->mnemonic = (*insn)->mnemonic;
			return CPU_OK;
		}
		if (st == DECODE_INVALID)
			return cpu_fault(f, VEC_UD);
		if (st == DECODE_LONG || len >= INSN_MAX_LEN)
			return cpu_fault_ec(f, VEC_GP, 0);
		r = fetch_more(c, bytes, &len, f);
	}
	return r;
}

enum cpu_result exec_not_emulated(struct exec *x)
{
	x->not_emulated = true;
	return CPU_BROKEN;
}

static void describe(struct interp_info *info, struct cpu_fault *f)
{
	const char *name = ZydisMnemonicGetString(info->mnemonic);
	char hex[2 * INSN_MAX_LEN + 1] = "";

	for (unsigned k = 0; k < info->len; k++)
		snprintf(hex + 2 * k, 3, "%02x", info->bytes[k]);
	snprintf(info->text, sizeof(info->text), "not emulated: %s %s", hex, name ? name : "?");
	info->not_emulated = true;
	f->why = info->text;
}

static enum cpu_result check(const struct handler *h, const struct cpu_state *s,
			     struct cpu_fault *f)
{
	if ((h->flags & H_PROT) && (cpu_real_mode(s) || (s->rflags & RFL_VM)))
		return cpu_fault(f, VEC_UD);
	if ((h->flags & H_CPL0) && cpu_cpl(s))
		return cpu_fault_ec(f, VEC_GP, 0);
	return CPU_OK;
}

static uint64_t rip_after(const struct cpu_state *s, unsigned len)
{
	return cpu_64bit(s) ? s->rip + len : (uint32_t)(s->rip + len);
}

/* What every completed instruction does: RIP moves on, RF and the interrupt shadow end. */
static void retire(struct exec *x, bool had_rf)
{
	struct cpu_state *s = exec_state(x);

	s->int_shadow = x->shadow;
	s->db_shadow = x->ss_loaded;
	if (x->unfinished)
		return;
	s->rip = x->next;
	if (had_rf && !(x->h->flags & H_KEEP_RF) && !x->delivered)
		s->rflags &= ~RFL_RF;
}

static enum cpu_result execute(struct exec *x, struct interp_info *info)
{
	struct cpu_state *s = exec_state(x);
	const bool had_rf = s->rflags & RFL_RF;
	enum cpu_result r;

	x->h = handler_of(x->i);
	if (!x->h->fn) {
		describe(info, x->f);
		return CPU_BROKEN;
	}
	r = x->h->flags ? check(x->h, s, x->f) : CPU_OK;
	if (r == CPU_OK)
		r = x->h->fn(x);
	if (r == CPU_OK) {
		retire(x, had_rf);
		info->returned = x->h->fn == x_iret;
	} else if (x->not_emulated)
		describe(info, x->f);
	return r;
}

static uint64_t linear_rip(const struct cpu_state *s)
{
	return cpu_64bit(s) ? s->rip : (uint32_t)(s->seg[CPU_CS].base + (uint32_t)s->rip);
}

/* A breakpoint's #DB clears B0 to B3 of others in DR6; all other bits stay until software clears
 * them (section 17.2.3). */
static void report(struct cpu_state *s, uint64_t dr6)
{
	if (dr6 & DR6_HITS)
		s->dr[6] &= ~DR6_HITS;
	s->dr[6] |= dr6;
}

/* Instruction breakpoints come before everything else about an instruction, and RF or a MOV SS in
 * front of it holds them back (SDM vol. 3, sections 17.3.1.1 and 6.8.3). */
static enum cpu_result check_breakpoints(struct cpu *c, struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	uint8_t hits;

	if (!(s->dr[7] & DR7_ENABLES) || (s->rflags & RFL_RF) || s->db_shadow)
		return CPU_OK;
	hits = watch_code(s, linear_rip(s));
	report(s, hits);
	return hits ? cpu_fault(f, VEC_DB) : CPU_OK;
}

static bool alignment_counts(const struct cpu_state *s)
{
	return (s->rflags & RFL_AC) && (s->cr0 & CR0_AM) && cpu_cpl(s) == 3;
}

static void begin(struct exec *x, struct interp_info *info)
{
	const struct cpu_state *s = exec_state(x);

	info->rip = s->rip;
	info->len = 0;
	info->mnemonic = 0;
	info->returned = false;
	info->not_emulated = false;
	info->text[0] = 0;
	x->align = alignment_counts(s);
	if (s->dr[7] & DR7_ENABLES)
		x->watch = watch_armed(s);
	if (x->c->debug && x->c->debug->watches)
		x->watch |= WATCH_DEBUGGER;
	/* Breakpoints trap after each iteration of a string instruction. */
	if (x->watch || (s->rflags & RFL_TF))
		x->max_rep = 1;
}

/* True if a debugger wants to stop before the next instruction. */
static bool stops_here(struct interp *in, struct cpu *c)
{
	const uint64_t at = linear_rip(&c->s);

	if (c->debug_pass || !cpu_debug_point(c->debug, at))
		return false;
	in->ahead = NULL;
	c->debug->reached(c->m, at);
	return true;
}

static enum cpu_result step(struct interp *in, struct exec *x, struct interp_info *info)
{
	struct cpu *c = x->c;
	enum cpu_result r;

	begin(x, info);
	if (c->debug && stops_here(in, c))
		return CPU_RETRY;
	if (in->ahead) {
		x->i = take_ahead(in, info);
		x->next = rip_after(&c->s, x->i->len);
		return execute(x, info);
	}
	r = check_breakpoints(c, x->f);
	if (r == CPU_OK)
		r = fetch_decode(in, c, &x->i, info, x->f);
	if (r != CPU_OK)
		return r;
	x->next = rip_after(&c->s, x->i->len);
	return execute(x, info);
}

enum cpu_result interp_step(struct interp *in, struct cpu *c, unsigned max_rep,
			    struct interp_info *info, struct cpu_fault *f)
{
	struct exec x = {.c = c, .f = f, .max_rep = max_rep};

	return step(in, &x, info);
}

static enum cpu_result deliver_fault(struct cpu *c, struct cpu_fault *f)
{
	const struct cpu_event e = {
		.kind = EVENT_EXCEPTION,
		.vector = f->vector,
		.has_error = f->has_error,
		.error = f->error,
		.cr2 = f->cr2,
	};

	return cpu_deliver(c, &e, c->s.rip, f);
}

/* Unlike a fault, a trap can't be had again by running the instruction again: a delivery that
 * must be repeated is repeated here. */
static enum cpu_result deliver_trap(struct cpu *c, uint64_t dr6, struct cpu_fault *f)
{
	const struct cpu_event e = {.kind = EVENT_EXCEPTION, .vector = VEC_DB};
	enum cpu_result r;

	report(&c->s, dr6);
	do
		r = cpu_deliver(c, &e, c->s.rip, f);
	while (r == CPU_RETRY);
	return r;
}

/* Debug traps behind a completed instruction. Those of a load of SS wait for the end of the next
 * one; if that is a software interrupt, they come at its handler, which single-stepping does not
 * reach (SDM vol. 3, section 6.8.3). */
static enum cpu_result after(struct exec *x, bool tf, uint8_t held)
{
	uint64_t dr6 = x->hits | held;

	if (x->ss_loaded) {
		x->c->s.db_held = (uint8_t)dr6;
		return CPU_OK;
	}
	if (tf && !x->delivered)
		dr6 |= DR6_BS;
	if (x->delivered && x->i->mnemonic == ZYDIS_MNEMONIC_INT1) {
		report(&x->c->s, dr6); /* its own #DB serves for both */
		return CPU_OK;
	}
	return dr6 ? deliver_trap(x->c, dr6, x->f) : CPU_OK;
}

enum cpu_result interp_step_traps(struct interp *in, struct cpu *c, unsigned max_rep,
				  struct interp_info *info, struct cpu_fault *f)
{
	struct exec x = {.c = c, .f = f, .max_rep = max_rep};
	const bool tf = c->s.rflags & RFL_TF;
	const uint8_t held = c->s.db_held;
	enum cpu_result r = step(in, &x, info);

	if (r == CPU_OK || r == CPU_FAULT)
		c->s.db_held = 0;
	return r == CPU_OK ? after(&x, tf, held) : r;
}

enum cpu_result interp_step_deliver(struct interp *in, struct cpu *c, unsigned max_rep,
				    struct interp_info *info, struct cpu_fault *f)
{
	enum cpu_result r = interp_step_traps(in, c, max_rep, info, f);

	return r == CPU_FAULT ? deliver_fault(c, f) : r;
}
