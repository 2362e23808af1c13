/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Operands: effective addresses, reads, writes, and read-modify-write with or without LOCK.
 *
 * Read first: exec.h.
 */
#include "vmm/cpu/debugger.h"
#include "vmm/interp/exec.h"
#include "vmm/interp/watch.h"

/* Operands of 2, 4 and 8 bytes have a natural alignment (SDM vol. 3, table 6-7); larger ones look
 * after their own. */
static bool misaligned(const struct exec *x, gva_t va, unsigned len)
{
	return x->align && (len == 2 || len == 4 || len == 8) && (va.v & (len - 1));
}

static void note(struct exec *x, gva_t va, unsigned len, unsigned flags)
{
	const struct cpu_debug_watch *w;

	if (!x->watch)
		return;
	x->hits |= watch_data(&x->c->s, va.v, len, flags);
	if (!(x->watch & WATCH_DEBUGGER))
		return;
	w = cpu_debug_watch(x->c->debug, va.v, len, flags);
	if (w)
		x->c->debug->touched(x->c->m, w);
}

enum cpu_result exec_va_read(struct exec *x, gva_t va, void *buf, unsigned len, unsigned flags)
{
	if (misaligned(x, va, len))
		return cpu_fault_ec(x->f, VEC_AC, 0);
	note(x, va, len, flags);
	return x->c->ops->read(x->c->m, &x->c->s, va, buf, len, flags, x->f);
}

enum cpu_result exec_va_write(struct exec *x, gva_t va, const void *buf, unsigned len)
{
	if (misaligned(x, va, len))
		return cpu_fault_ec(x->f, VEC_AC, 0);
	note(x, va, len, MEM_WRITE);
	return x->c->ops->write(x->c->m, &x->c->s, va, buf, len, MEM_WRITE, x->f);
}

enum cpu_result exec_va_cmpxchg(struct exec *x, gva_t va, void *expect, const void *desired,
				unsigned len, bool *done)
{
	note(x, va, len, MEM_READ | MEM_WRITE);
	return x->c->ops->cmpxchg(x->c->m, &x->c->s, va, expect, desired, len, done, x->f);
}

enum cpu_result exec_port_in(struct exec *x, uint16_t port, unsigned size, uint32_t *val)
{
	if (x->watch)
		x->hits |= watch_port(&x->c->s, port, size);
	return x->c->ops->in(x->c->m, port, size, val);
}

enum cpu_result exec_port_out(struct exec *x, uint16_t port, unsigned size, uint32_t val)
{
	if (x->watch)
		x->hits |= watch_port(&x->c->s, port, size);
	return x->c->ops->out(x->c->m, port, size, val);
}

static uint64_t base_value(const struct exec *x, unsigned reg)
{
	if (reg == REG_RIP)
		return x->next;
	return x->c->s.gpr[reg] + (reg == CPU_RSP ? x->sp_bias : 0);
}

uint64_t exec_ea(const struct exec *x, const struct opnd *o)
{
	uint64_t ea = o->imm;

	if (o->base != REG_NONE)
		ea += base_value(x, o->base);
	if (o->index != REG_NONE)
		ea += x->c->s.gpr[o->index] << o->shift;
	return ea & size_mask(x->i->addrsize);
}

static enum cpu_result mem_linear(struct exec *x, const struct opnd *o, unsigned len,
				  unsigned flags, gva_t *va)
{
	return cpu_linear(x->c, o->seg, exec_ea(x, o), len, flags, va, x->f);
}

enum cpu_result exec_mem_read(struct exec *x, const struct opnd *o, void *buf, unsigned len,
			      unsigned flags)
{
	gva_t va;
	enum cpu_result r = mem_linear(x, o, len, flags, &va);

	if (r != CPU_OK)
		return r;
	return exec_va_read(x, va, buf, len, flags);
}

enum cpu_result exec_mem_write(struct exec *x, const struct opnd *o, const void *buf,
			       unsigned len)
{
	gva_t va;
	enum cpu_result r = mem_linear(x, o, len, MEM_WRITE, &va);

	if (r != CPU_OK)
		return r;
	return exec_va_write(x, va, buf, len);
}

enum cpu_result exec_read(struct exec *x, const struct opnd *o, unsigned size, uint64_t *val)
{
	switch (o->kind) {
	case OPND_REG:
	case OPND_REG8H:
		*val = reg_get(&x->c->s, o, size);
		return CPU_OK;
	case OPND_MEM:
		*val = 0;
		return exec_mem_read(x, o, val, size, MEM_READ);
	case OPND_IMM:
		*val = o->imm & size_mask(size);
		return CPU_OK;
	default:
		return exec_not_emulated(x);
	}
}

enum cpu_result exec_write(struct exec *x, const struct opnd *o, unsigned size, uint64_t val)
{
	switch (o->kind) {
	case OPND_REG:
	case OPND_REG8H:
		reg_set(&x->c->s, o, size, val);
		return CPU_OK;
	case OPND_MEM:
		return exec_mem_write(x, o, &val, size);
	default:
		return exec_not_emulated(x);
	}
}

/* The retry ends when this vCPU wins; while it loses, another one makes progress. */
static enum cpu_result rmw_locked(struct exec *x, gva_t va, alu_fn fn,
				  const struct alu_arg *arg, uint64_t *rfl, uint64_t *old)
{
	const uint64_t before = *rfl;
	bool done = false;

	while (!done) {
		*rfl = before;

		uint64_t val = fn(*old, arg, rfl);
		enum cpu_result r = exec_va_cmpxchg(x, va, old, &val, arg->size, &done);

		if (r != CPU_OK)
			return r;
	}
	return CPU_OK;
}

static enum cpu_result rmw_mem(struct exec *x, const struct opnd *dst, alu_fn fn,
			       const struct alu_arg *arg, bool lock, uint64_t *rfl,
			       uint64_t *old)
{
	const unsigned flags = MEM_READ | MEM_WRITE;
	gva_t va;
	enum cpu_result r = mem_linear(x, dst, arg->size, flags, &va);

	*old = 0;
	if (r == CPU_OK)
		r = exec_va_read(x, va, old, arg->size, flags);
	if (r != CPU_OK)
		return r;
	if (lock)
		return rmw_locked(x, va, fn, arg, rfl, old);

	uint64_t val = fn(*old, arg, rfl);

	return exec_va_write(x, va, &val, arg->size);
}

enum cpu_result exec_rmw(struct exec *x, const struct opnd *dst, alu_fn fn,
			 const struct alu_arg *arg, bool lock, uint64_t *old)
{
	struct cpu_state *s = exec_state(x);
	uint64_t rfl = s->rflags;
	enum cpu_result r = CPU_OK;

	if (opnd_is_reg(dst)) {
		*old = reg_get(s, dst, arg->size);
		reg_set(s, dst, arg->size, fn(*old, arg, &rfl));
	} else {
		r = rmw_mem(x, dst, fn, arg, lock, &rfl, old);
	}
	if (r == CPU_OK)
		s->rflags = rfl;
	return r;
}
