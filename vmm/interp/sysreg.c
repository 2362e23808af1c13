/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Registers of the MMU and of protection: control and debug registers, descriptor table
 * registers, LDTR and TR, and invalidations. Checks of values are vmm/cpu's; fetching the
 * operands is done here.
 *
 * Read first: exec.h, ../cpu/system.h.
 */
#include <string.h>

#include "vmm/cpu/system.h"
#include "vmm/interp/exec.h"

static enum cpu_result special_read(struct exec *x, const struct opnd *dst,
				    const struct opnd *src)
{
	uint64_t v;
	enum cpu_result r = src->kind == OPND_CR ? cpu_read_cr(x->c, src->reg, &v, x->f)
						 : cpu_read_dr(x->c, src->reg, &v, x->f);

	if (r == CPU_OK)
		reg_set(exec_state(x), dst, dst->size, v);
	return r;
}

static enum cpu_result special_write(struct exec *x, const struct opnd *dst,
				     const struct opnd *src)
{
	uint64_t v = reg_get(exec_state(x), src, src->size);

	if (dst->kind == OPND_CR)
		return cpu_write_cr(x->c, dst->reg, v, x->f);
	return cpu_write_dr(x->c, dst->reg, v, x->f);
}

/* MOV from and to CRn and DRn. */
enum cpu_result x_mov_special(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];

	if (dst->kind == OPND_CR || dst->kind == OPND_DR)
		return special_write(x, dst, src);
	if (src->kind == OPND_CR || src->kind == OPND_DR)
		return special_read(x, dst, src);
	return exec_not_emulated(x);
}

enum cpu_result x_lmsw(struct exec *x)
{
	uint64_t v;
	enum cpu_result r = exec_read(x, &x->i->op[0], 2, &v);

	return r == CPU_OK ? cpu_lmsw(x->c, (uint16_t)v, x->f) : r;
}

enum cpu_result x_clts(struct exec *x)
{
	return cpu_clts(x->c, x->f);
}

/* SGDT, SIDT, SLDT, STR and SMSW reveal what user mode has no business knowing. */
static bool umip_refuses(const struct cpu_state *s)
{
	return (s->cr4 & CR4_UMIP) && cpu_cpl(s);
}

/* 16 bits in memory, the whole operand in a register. */
static enum cpu_result store_word(struct exec *x, uint64_t v)
{
	const struct opnd *dst = &x->i->op[0];

	if (umip_refuses(exec_state(x)))
		return exec_gp(x);
	return exec_write(x, dst, dst->kind == OPND_MEM ? 2 : dst->size, v);
}

enum cpu_result x_smsw(struct exec *x)
{
	return store_word(x, exec_state(x)->cr0);
}

/* arg: 0 for GDTR, 1 for IDTR. */
static struct cpu_table *table_reg(struct exec *x)
{
	return x->h->arg ? &exec_state(x)->idtr : &exec_state(x)->gdtr;
}

enum cpu_result x_load_table(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const unsigned base_size = cpu_64bit(s) ? 8 : 4;
	uint8_t buf[10];
	struct cpu_table t = {0};
	enum cpu_result r = exec_mem_read(x, &x->i->op[0], buf, 2 + base_size, MEM_READ);

	if (r != CPU_OK)
		return r;
	memcpy(&t.limit, buf, 2);
	memcpy(&t.base, buf + 2, base_size);
	/* A 16-bit operand size loads the 24 bits a 286 had (SDM vol. 2, LGDT). */
	if (x->i->opsize == 2)
		t.base &= 0xffffff;
	if (cpu_64bit(s) && !cpu_canonical(s, t.base))
		return exec_gp(x);
	*table_reg(x) = t;
	return CPU_OK;
}

enum cpu_result x_store_table(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const unsigned base_size = cpu_64bit(s) ? 8 : 4;
	const struct cpu_table *t = table_reg(x);
	uint8_t buf[10];

	if (umip_refuses(s))
		return exec_gp(x);
	memcpy(buf, &t->limit, 2);
	memcpy(buf + 2, &t->base, base_size);
	return exec_mem_write(x, &x->i->op[0], buf, 2 + base_size);
}

/* LLDT (arg 0), LTR (arg 1). */
enum cpu_result x_load_sys(struct exec *x)
{
	uint64_t sel;
	enum cpu_result r = exec_read(x, &x->i->op[0], 2, &sel);

	if (r != CPU_OK)
		return r;
	return x->h->arg ? cpu_load_tr(x->c, (uint16_t)sel, x->f)
			 : cpu_load_ldtr(x->c, (uint16_t)sel, x->f);
}

/* SLDT (arg 0), STR (arg 1). */
enum cpu_result x_store_sys(struct exec *x)
{
	const struct cpu_state *s = exec_state(x);

	return store_word(x, x->h->arg ? s->tr.selector : s->ldtr.selector);
}

/* The operand is an address only: neither limit nor presence matters, and a non-canonical
 * address is a no-op (SDM vol. 2, INVLPG). */
enum cpu_result x_invlpg(struct exec *x)
{
	const struct opnd *o = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	uint64_t ea = exec_ea(x, o);

	if (!cpu_64bit(s))
		ea = (uint32_t)(ea + s->seg[o->seg].base);
	else if (o->seg == CPU_FS || o->seg == CPU_GS)
		ea += s->seg[o->seg].base;
	return cpu_invlpg(x->c, GVA(ea), x->f);
}

enum cpu_result x_invpcid(struct exec *x)
{
	const struct opnd *type = &x->i->op[0];
	uint64_t desc[2];
	enum cpu_result r;

	if (!x->c->model->invpcid)
		return exec_ud(x);
	if (cpu_cpl(exec_state(x)))
		return exec_gp(x);
	r = exec_mem_read(x, &x->i->op[1], desc, sizeof(desc), MEM_READ);
	if (r != CPU_OK)
		return r;
	return cpu_invpcid(x->c, reg_get(exec_state(x), type, type->size), desc, x->f);
}
