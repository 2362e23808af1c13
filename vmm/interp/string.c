/* SPDX-License-Identifier: BSD-2-Clause
 *
 * String instructions. A repeated one commits rCX, rSI and rDI after every step, so that a
 * fault in the middle leaves it restartable with the iterations that finished (SDM vol. 2,
 * REP).
 *
 * STOS and MOVS go upwards in chunks of up to 64 bytes that stay within a page: clearing a page
 * is 64 calls instead of 4096. A chunk is one access to memory, so the fault it may raise is
 * that of its first element.
 *
 * Known limit: a chunk is invisible for what it is; a device that counts accesses sees 64-byte
 * ones.
 *
 * Read first: exec.h.
 */
#include <string.h>

#include "vmm/interp/exec.h"

#define CHUNK 64

/* One run of a string instruction. */
struct run {
	struct exec *x;
	unsigned size;	/* of an element */
	uint64_t count; /* iterations left, 1 without REP */
	uint64_t flags; /* RFLAGS as SCAS and CMPS leave them */
	uint64_t n;	/* how many iterations the next step may do, and how many it did */
	bool stop;	/* REPE or REPNE ended by ZF */
};

typedef enum cpu_result (*step_fn)(struct run *u);

static uint64_t addr_reg(const struct run *u, unsigned reg)
{
	return u->x->c->s.gpr[reg] & size_mask(u->x->i->addrsize);
}

static void advance(struct run *u, unsigned reg)
{
	struct cpu_state *s = exec_state(u->x);
	uint64_t delta = u->n * u->size;

	if (s->rflags & RFL_DF)
		delta = 0 - delta;
	gpr_set(s, reg, u->x->i->addrsize, s->gpr[reg] + delta);
}

static unsigned src_seg(const struct run *u)
{
	return u->x->i->seg == CPU_SEGS ? CPU_DS : u->x->i->seg;
}

static enum cpu_result src_linear(struct run *u, unsigned len, gva_t *va)
{
	return cpu_linear(u->x->c, src_seg(u), addr_reg(u, CPU_RSI), len, MEM_READ, va,
			  u->x->f);
}

static enum cpu_result dst_linear(struct run *u, unsigned len, unsigned flags, gva_t *va)
{
	return cpu_linear(u->x->c, CPU_ES, addr_reg(u, CPU_RDI), len, flags, va, u->x->f);
}

static enum cpu_result src_read(struct run *u, void *buf)
{
	struct exec *x = u->x;
	gva_t va;
	enum cpu_result r = src_linear(u, u->size, &va);

	if (r == CPU_OK)
		r = exec_va_read(x, va, buf, u->size, MEM_READ);
	return r;
}

static enum cpu_result dst_access(struct run *u, unsigned flags, void *buf)
{
	struct exec *x = u->x;
	gva_t va;
	enum cpu_result r = dst_linear(u, u->size, flags, &va);

	if (r != CPU_OK)
		return r;
	if (flags == MEM_WRITE)
		return exec_va_write(x, va, buf, u->size);
	return exec_va_read(x, va, buf, u->size, flags);
}

static bool rep_ends(const struct run *u)
{
	bool zf = u->flags & RFL_ZF;

	return u->x->i->rep == REP_NE ? zf : !zf;
}

static void count_down(struct run *u)
{
	u->count -= u->n;
	if (u->x->i->rep)
		gpr_set(exec_state(u->x), CPU_RCX, u->x->i->addrsize, u->count);
}

/* Largest number of elements, at most u->n, that reg can address upwards within its page and
 * without wrapping; 1 where no chunk is possible. */
static uint64_t chunk_limit(const struct run *u, unsigned reg, gva_t va)
{
	uint64_t room = SH_PAGE_SIZE - gva_offset(va), wrap = 0 - addr_reg(u, reg);
	uint64_t n = u->n;

	wrap &= size_mask(u->x->i->addrsize);
	if (wrap && wrap < room)
		room = wrap;
	if (room > CHUNK)
		room = CHUNK;
	if (n > room / u->size)
		n = room / u->size;
	if (!n || (u->x->c->s.rflags & RFL_DF) || u->x->align)
		n = 1;
	return n;
}

static enum cpu_result step_stos(struct run *u)
{
	struct exec *x = u->x;
	uint8_t buf[CHUNK];
	gva_t va;
	enum cpu_result r = dst_linear(u, u->size, MEM_WRITE, &va);

	if (r != CPU_OK)
		return r;
	u->n = chunk_limit(u, CPU_RDI, va);
	/* A segment limit within the chunk: only the first element is known to be inside. */
	if (u->n > 1 && dst_linear(u, (unsigned)u->n * u->size, MEM_WRITE, &va) != CPU_OK)
		u->n = 1;
	for (unsigned k = 0; k < u->n; k++)
		memcpy(buf + k * u->size, &x->c->s.gpr[CPU_RAX], u->size);
	r = exec_va_write(x, va, buf, (unsigned)u->n * u->size);
	if (r == CPU_OK)
		advance(u, CPU_RDI);
	return r;
}

/* Copying upwards onto what is still to be read repeats it: a chunk must not reach the
 * destination. */
static uint64_t overlap_limit(const struct run *u, gva_t from, gva_t to, uint64_t n)
{
	uint64_t gap = to.v - from.v;

	if (!gap || gap >= n * u->size)
		return n;
	return gap / u->size ? gap / u->size : 1;
}

static void movs_chunk(struct run *u, gva_t *from, gva_t *to)
{
	uint64_t n = chunk_limit(u, CPU_RDI, *to), m = chunk_limit(u, CPU_RSI, *from);
	unsigned len;

	u->n = overlap_limit(u, *from, *to, n < m ? n : m);
	len = (unsigned)u->n * u->size;
	if (u->n > 1 &&
	    (src_linear(u, len, from) != CPU_OK || dst_linear(u, len, MEM_WRITE, to) != CPU_OK))
		u->n = 1;
}

static enum cpu_result step_movs(struct run *u)
{
	struct exec *x = u->x;
	uint8_t buf[CHUNK];
	gva_t from, to;
	enum cpu_result r = src_linear(u, u->size, &from);

	if (r == CPU_OK)
		r = dst_linear(u, u->size, MEM_WRITE, &to);
	if (r != CPU_OK)
		return r;
	movs_chunk(u, &from, &to);

	const unsigned len = (unsigned)u->n * u->size;

	r = exec_va_read(x, from, buf, len, MEM_READ);
	if (r == CPU_OK)
		r = exec_va_write(x, to, buf, len);
	if (r != CPU_OK)
		return r;
	advance(u, CPU_RSI);
	advance(u, CPU_RDI);
	return CPU_OK;
}

static enum cpu_result step_lods(struct run *u)
{
	uint64_t v = 0;
	enum cpu_result r = src_read(u, &v);

	u->n = 1;
	if (r != CPU_OK)
		return r;
	gpr_set(exec_state(u->x), CPU_RAX, u->size, v);
	advance(u, CPU_RSI);
	return CPU_OK;
}

static void compare(struct run *u, uint64_t a, uint64_t b)
{
	const struct alu_arg arg = {.b = b, .size = u->size};

	alu_sub(a, &arg, &u->flags);
	u->stop = u->x->i->rep && rep_ends(u);
}

static enum cpu_result step_scas(struct run *u)
{
	uint64_t b = 0;
	enum cpu_result r = dst_access(u, MEM_READ, &b);

	u->n = 1;
	if (r != CPU_OK)
		return r;
	compare(u, exec_state(u->x)->gpr[CPU_RAX] & size_mask(u->size), b);
	advance(u, CPU_RDI);
	return CPU_OK;
}

static enum cpu_result step_cmps(struct run *u)
{
	uint64_t a = 0, b = 0;
	enum cpu_result r = src_read(u, &a);

	u->n = 1;
	if (r == CPU_OK)
		r = dst_access(u, MEM_READ, &b);
	if (r != CPU_OK)
		return r;
	compare(u, a, b);
	advance(u, CPU_RSI);
	advance(u, CPU_RDI);
	return CPU_OK;
}

/* The destination is tried before the port is read: a read of a port can't be taken back. */
static enum cpu_result step_ins(struct run *u)
{
	struct exec *x = u->x;
	uint32_t v = 0;
	enum cpu_result r = dst_access(u, MEM_READ | MEM_WRITE, &v);

	u->n = 1;
	if (r == CPU_OK)
		r = exec_port_in(x, (uint16_t)x->c->s.gpr[CPU_RDX], u->size, &v);
	if (r == CPU_OK)
		r = dst_access(u, MEM_WRITE, &v);
	if (r == CPU_OK)
		advance(u, CPU_RDI);
	return r;
}

static enum cpu_result step_outs(struct run *u)
{
	struct exec *x = u->x;
	uint32_t v = 0;
	enum cpu_result r = src_read(u, &v);

	u->n = 1;
	if (r == CPU_OK)
		r = exec_port_out(x, (uint16_t)x->c->s.gpr[CPU_RDX], u->size, v);
	if (r == CPU_OK)
		advance(u, CPU_RSI);
	return r;
}

/* REP with 32-bit addresses and a count of 0 still clears the upper halves that an iteration
 * would have cleared, on Intel processors of MOVS's and STOS's pointers, too. */
static void no_iteration(struct exec *x, step_fn step)
{
	struct cpu_state *s = exec_state(x);
	const unsigned size = x->i->addrsize;

	gpr_set(s, CPU_RCX, size, s->gpr[CPU_RCX]);
	if (step == step_movs)
		gpr_set(s, CPU_RSI, size, s->gpr[CPU_RSI]);
	if (step == step_movs || step == step_stos)
		gpr_set(s, CPU_RDI, size, s->gpr[CPU_RDI]);
}

/* Runs step until the count, the budget or the condition ends it. Flags change at the end only:
 * after a fault they are as before the instruction (SDM vol. 2, REP). */
static enum cpu_result run_string(struct exec *x, step_fn step)
{
	struct run u = {.x = x, .size = x->h->arg, .flags = exec_state(x)->rflags};
	uint64_t budget = x->max_rep ? x->max_rep : 1;

	u.count = x->i->rep ? addr_reg(&u, CPU_RCX) : 1;
	if (!u.count)
		no_iteration(x, step);
	while (u.count && budget && !u.stop) {
		u.n = u.count < budget ? u.count : budget;
		budget -= u.n;

		const uint64_t asked = u.n;
		enum cpu_result r = step(&u);

		if (r != CPU_OK)
			return r;
		budget += asked - u.n;
		count_down(&u);
	}
	exec_state(x)->rflags = u.flags;
	x->unfinished = u.count && !u.stop;
	return CPU_OK;
}

static enum cpu_result run_port(struct exec *x, step_fn step)
{
	uint16_t port = (uint16_t)exec_state(x)->gpr[CPU_RDX];
	enum cpu_result r = cpu_check_io(x->c, port, x->h->arg, x->f);

	return r == CPU_OK ? run_string(x, step) : r;
}

enum cpu_result x_movs(struct exec *x)
{
	return run_string(x, step_movs);
}

enum cpu_result x_stos(struct exec *x)
{
	return run_string(x, step_stos);
}

enum cpu_result x_lods(struct exec *x)
{
	return run_string(x, step_lods);
}

enum cpu_result x_scas(struct exec *x)
{
	return run_string(x, step_scas);
}

enum cpu_result x_cmps(struct exec *x)
{
	return run_string(x, step_cmps);
}

enum cpu_result x_ins(struct exec *x)
{
	return run_port(x, step_ins);
}

enum cpu_result x_outs(struct exec *x)
{
	return run_port(x, step_outs);
}
