/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Questions about selectors that never fault on their answer: LAR, LSL, VERR, VERW, and ARPL.
 *
 * Read first: exec.h. Manual: SDM vol. 3, section 5.10; tables of types in vol. 2, LAR and LSL.
 */
#include "vmm/interp/exec.h"

struct probe {
	bool found;
	uint64_t desc; /* low eight bytes */
	unsigned type; /* S and type: descriptor bits 40-44 */
	unsigned dpl, rpl;
};

/* The descriptor behind a selector; not found if it is null or beyond its table. */
static enum cpu_result probe_read(struct exec *x, uint16_t sel, struct probe *p)
{
	struct cpu_state *s = exec_state(x);
	const bool local = sel & 4;
	const uint64_t base = local ? s->ldtr.base : s->gdtr.base;
	const uint32_t limit = local ? s->ldtr.limit : s->gdtr.limit;
	const unsigned flags = MEM_READ | MEM_IMPLICIT;
	enum cpu_result r;

	*p = (struct probe){.rpl = sel & 3};
	if (!(sel & ~3u) || (sel | 7u) > limit || (local && !(s->ldtr.attr & SEG_P)))
		return CPU_OK;
	r = x->c->ops->read(x->c->m, s, GVA(base + (sel & ~7u)), &p->desc, 8, flags, x->f);
	if (r != CPU_OK)
		return r;
	p->found = true;
	p->type = p->desc >> 40 & 0x1f;
	p->dpl = p->desc >> 45 & 3;
	return CPU_OK;
}

#define TYPE_S		0x10
#define TYPE_CODE	0x08
#define TYPE_CONFORMING 0x04
#define TYPE_RW		0x02 /* writable data, readable code */

/* Conforming code may be seen from any level, everything else from dpl inwards. */
static bool visible(const struct exec *x, const struct probe *p)
{
	const unsigned conforming = TYPE_S | TYPE_CODE | TYPE_CONFORMING;

	if ((p->type & conforming) == conforming)
		return true;
	return p->dpl >= cpu_cpl(&x->c->s) && p->dpl >= p->rpl;
}

/* System types LAR and LSL admit, as bitmaps by type, outside and inside long mode. */
static const uint16_t lar_types[] = {0x1a3e, 0x1a04};
static const uint16_t lsl_types[] = {0x0a0e, 0x0a04};

static bool admits(const struct exec *x, const struct probe *p, const uint16_t types[2])
{
	if (!p->found || !visible(x, p))
		return false;
	return (p->type & TYPE_S) || (types[cpu_long_mode(&x->c->s)] >> p->type & 1);
}

static enum cpu_result answer(struct exec *x, bool ok, uint64_t v)
{
	struct cpu_state *s = exec_state(x);
	const struct opnd *dst = &x->i->op[0];

	if (ok)
		reg_set(s, dst, dst->size, v);
	set_flags(&s->rflags, RFL_ZF, ok ? RFL_ZF : 0);
	return CPU_OK;
}

enum cpu_result x_lar(struct exec *x)
{
	uint64_t sel;
	struct probe p;
	enum cpu_result r = exec_read(x, &x->i->op[1], 2, &sel);

	if (r == CPU_OK)
		r = probe_read(x, (uint16_t)sel, &p);
	if (r != CPU_OK)
		return r;
	return answer(x, admits(x, &p, lar_types), p.desc >> 32 & 0x00f0ff00);
}

enum cpu_result x_lsl(struct exec *x)
{
	uint64_t sel, limit;
	struct probe p;
	enum cpu_result r = exec_read(x, &x->i->op[1], 2, &sel);

	if (r == CPU_OK)
		r = probe_read(x, (uint16_t)sel, &p);
	if (r != CPU_OK)
		return r;
	limit = (p.desc & 0xffff) | (p.desc >> 32 & 0xf0000);
	if (p.desc >> 55 & 1)
		limit = limit << 12 | 0xfff;
	return answer(x, admits(x, &p, lsl_types), limit);
}

/* VERR (arg 0): data, or readable code. VERW (arg 1): writable data. */
static bool verifies(const struct exec *x, const struct probe *p)
{
	if (!p->found || !(p->type & TYPE_S) || !visible(x, p))
		return false;
	if (x->h->arg)
		return !(p->type & TYPE_CODE) && (p->type & TYPE_RW);
	return !(p->type & TYPE_CODE) || (p->type & TYPE_RW);
}

enum cpu_result x_verify(struct exec *x)
{
	uint64_t sel;
	struct probe p;
	enum cpu_result r = exec_read(x, &x->i->op[0], 2, &sel);

	if (r == CPU_OK)
		r = probe_read(x, (uint16_t)sel, &p);
	if (r == CPU_OK)
		set_flags(&exec_state(x)->rflags, RFL_ZF, verifies(x, &p) ? RFL_ZF : 0);
	return r;
}

/* Raises the RPL of dst to that of src; ZF says whether it had to. */
static uint64_t alu_arpl(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	bool raise = (a & 3) < (arg->b & 3);

	set_flags(rfl, RFL_ZF, raise ? RFL_ZF : 0);
	return raise ? (a & ~3ull) | (arg->b & 3) : a;
}

enum cpu_result x_arpl(struct exec *x)
{
	struct alu_arg arg = {.b = reg_get(exec_state(x), &x->i->op[1], 2), .size = 2};
	uint64_t old;

	return exec_rmw(x, &x->i->op[0], alu_arpl, &arg, false, &old);
}
