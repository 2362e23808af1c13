/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instructions that enter or leave the kernel: INT n and its short forms, IRET, SYSCALL,
 * SYSENTER and their returns; also the ones that exist to fault.
 *
 * Read first: exec.h, ../cpu/deliver.h.
 */
#include "vmm/cpu/deliver.h"
#include "vmm/cpu/v86.h"
#include "vmm/interp/exec.h"

/* A software interrupt pushes the RIP behind it; a fault in its delivery reports its own. */
static enum cpu_result soft_event(struct exec *x, enum cpu_event_kind kind, uint8_t vector)
{
	struct cpu_state *s = exec_state(x);
	const uint64_t start = s->rip;
	const struct cpu_event e = {.kind = kind, .vector = vector};
	enum cpu_result r;

	s->rip = x->next;
	r = cpu_deliver(x->c, &e, start, x->f);
	if (r != CPU_OK) {
		s->rip = start;
		return r;
	}
	x->next = s->rip;
	x->delivered = true;
	return CPU_OK;
}

enum cpu_result x_int(struct exec *x)
{
	const struct cpu_state *s = exec_state(x);
	const uint8_t vector = (uint8_t)x->i->op[0].imm;
	enum cpu_result r = CPU_OK;

	if (s->rflags & RFL_VM)
		r = cpu_v86_int(x->c, vector, x->next, &x->delivered, x->f);
	if (r != CPU_OK)
		return r;
	if (!x->delivered)
		return soft_event(x, EVENT_SOFT_INT, vector);
	x->next = s->rip;
	return CPU_OK;
}

enum cpu_result x_int3(struct exec *x)
{
	return soft_event(x, EVENT_SOFT_EXC, VEC_BP);
}

enum cpu_result x_int1(struct exec *x)
{
	return soft_event(x, EVENT_ICEBP, VEC_DB);
}

enum cpu_result x_into(struct exec *x)
{
	if (!(exec_state(x)->rflags & RFL_OF))
		return CPU_OK;
	return soft_event(x, EVENT_SOFT_EXC, VEC_OF);
}

/* BOUND: signed index against a pair of signed limits. */
enum cpu_result x_bound(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	int64_t v = size_sext(reg_get(exec_state(x), &x->i->op[0], size), size);
	uint8_t buf[8];
	uint64_t lo = 0, hi = 0;
	enum cpu_result r = exec_mem_read(x, &x->i->op[1], buf, 2 * size, MEM_READ);

	if (r != CPU_OK)
		return r;
	__builtin_memcpy(&lo, buf, size);
	__builtin_memcpy(&hi, buf + size, size);
	if (v < size_sext(lo, size) || v > size_sext(hi, size))
		return cpu_fault(x->f, VEC_BR);
	return CPU_OK;
}

enum cpu_result x_ud(struct exec *x)
{
	return exec_ud(x);
}

/* The transfers below set RIP themselves. */
static enum cpu_result jumped(struct exec *x, enum cpu_result r)
{
	if (r == CPU_OK)
		x->next = exec_state(x)->rip;
	return r;
}

enum cpu_result x_iret(struct exec *x)
{
	return jumped(x, cpu_iret(x->c, x->h->arg, x->next, x->f));
}

enum cpu_result x_syscall(struct exec *x)
{
	return jumped(x, cpu_syscall(x->c, x->next, x->f));
}

enum cpu_result x_sysret(struct exec *x)
{
	return jumped(x, cpu_sysret(x->c, x->i->rex_w ? 8 : 4, x->f));
}

enum cpu_result x_sysenter(struct exec *x)
{
	return jumped(x, cpu_sysenter(x->c, x->f));
}

enum cpu_result x_sysexit(struct exec *x)
{
	return jumped(x, cpu_sysexit(x->c, x->i->rex_w ? 8 : 4, x->f));
}
