/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Data movement without arithmetic: MOV and its extensions, LEA, CMOVcc, SETcc, the CBW family,
 * LAHF, SAHF, LDS and its kin, and the flag instructions that need no privilege.
 *
 * Read first: exec.h.
 */
#include "vmm/interp/exec.h"

bool exec_cond(uint64_t rfl, unsigned cc)
{
	const bool of = rfl & RFL_OF, cf = rfl & RFL_CF, zf = rfl & RFL_ZF, sf = rfl & RFL_SF;
	const bool pf = rfl & RFL_PF, less = sf != of;
	const bool holds[] = {of, cf, zf, cf || zf, sf, pf, less, zf || less};

	return holds[cc >> 1] != (cc & 1);
}

static enum cpu_result mov_to_seg(struct exec *x, unsigned seg)
{
	uint64_t sel;
	enum cpu_result r;

	if (seg == CPU_CS)
		return exec_ud(x);
	r = exec_read(x, &x->i->op[1], 2, &sel);
	if (r == CPU_OK)
		r = cpu_load_seg(x->c, seg, (uint16_t)sel, x->f);
	if (r == CPU_OK && seg == CPU_SS)
		exec_ss_loaded(x);
	return r;
}

/* A selector is stored as 16 bits, but zero-extended into a register. */
static enum cpu_result mov_from_seg(struct exec *x, unsigned seg)
{
	const struct opnd *dst = &x->i->op[0];

	return exec_write(x, dst, dst->kind == OPND_MEM ? 2 : dst->size,
			  exec_state(x)->seg[seg].selector);
}

enum cpu_result x_mov(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	uint64_t v;
	enum cpu_result r;

	if (dst->kind > OPND_IMM || src->kind > OPND_IMM) {
		if (dst->kind == OPND_SEG)
			return mov_to_seg(x, dst->reg);
		if (src->kind == OPND_SEG)
			return mov_from_seg(x, src->reg);
		return x_mov_special(x);
	}
	r = exec_read(x, src, dst->size, &v);
	return r == CPU_OK ? exec_write(x, dst, dst->size, v) : r;
}

enum cpu_result x_movzx(struct exec *x)
{
	uint64_t v;
	enum cpu_result r = exec_read(x, &x->i->op[1], x->i->op[1].size, &v);

	return r == CPU_OK ? exec_write(x, &x->i->op[0], x->i->op[0].size, v) : r;
}

enum cpu_result x_movsx(struct exec *x)
{
	const struct opnd *src = &x->i->op[1];
	uint64_t v;
	enum cpu_result r = exec_read(x, src, src->size, &v);

	if (r != CPU_OK)
		return r;
	return exec_write(x, &x->i->op[0], x->i->op[0].size, (uint64_t)size_sext(v, src->size));
}

enum cpu_result x_movbe(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	uint64_t v;
	enum cpu_result r = exec_read(x, &x->i->op[1], size, &v);

	if (r != CPU_OK)
		return r;
	return exec_write(x, &x->i->op[0], size, __builtin_bswap64(v) >> (64 - size * 8));
}

enum cpu_result x_lea(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];

	reg_set(exec_state(x), dst, dst->size, exec_ea(x, &x->i->op[1]));
	return CPU_OK;
}

/* The source is read, and may fault, whatever the condition; a 32-bit destination loses its
 * upper half even if nothing is moved. */
enum cpu_result x_cmov(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	uint64_t v;
	enum cpu_result r = exec_read(x, &x->i->op[1], dst->size, &v);

	if (r != CPU_OK)
		return r;
	if (!exec_cond(s->rflags, x->h->arg))
		v = reg_get(s, dst, dst->size);
	reg_set(s, dst, dst->size, v);
	return CPU_OK;
}

enum cpu_result x_setcc(struct exec *x)
{
	return exec_write(x, &x->i->op[0], 1, exec_cond(exec_state(x)->rflags, x->h->arg));
}

/* CBW, CWDE, CDQE: arg is the size of the result. */
enum cpu_result x_widen(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	gpr_set(s, CPU_RAX, x->h->arg, (uint64_t)size_sext(s->gpr[CPU_RAX], x->h->arg / 2));
	return CPU_OK;
}

/* CWD, CDQ, CQO: the accumulator's sign all over rDX. */
enum cpu_result x_spread(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	gpr_set(s, CPU_RDX, x->h->arg, size_msb(s->gpr[CPU_RAX], x->h->arg) ? ~0ull : 0);
	return CPU_OK;
}

#define LAHF_FLAGS (RFL_ARITH & ~RFL_OF)

enum cpu_result x_lahf(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	uint64_t ah = (s->rflags & LAHF_FLAGS) | RFL_FIXED;

	s->gpr[CPU_RAX] = (s->gpr[CPU_RAX] & ~0xff00ull) | ah << 8;
	return CPU_OK;
}

enum cpu_result x_sahf(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	set_flags(&s->rflags, LAHF_FLAGS, (s->gpr[CPU_RAX] >> 8) & LAHF_FLAGS);
	return CPU_OK;
}

/* XLAT: the only addressing by an 8-bit index. */
enum cpu_result x_xlat(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const struct opnd o = {
		.kind = OPND_MEM,
		.seg = x->i->seg == CPU_SEGS ? CPU_DS : x->i->seg,
		.base = CPU_RBX,
		.index = REG_NONE,
		.imm = s->gpr[CPU_RAX] & 0xff,
	};
	uint8_t v;
	enum cpu_result r = exec_mem_read(x, &o, &v, 1, MEM_READ);

	if (r == CPU_OK)
		gpr_set(s, CPU_RAX, 1, v);
	return r;
}

/* LDS, LES, LFS, LGS, LSS: arg is the segment; offset first in memory, then the selector. */
enum cpu_result x_load_far(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	uint8_t buf[10];
	uint64_t off = 0;
	uint16_t sel;
	enum cpu_result r = exec_mem_read(x, &x->i->op[1], buf, dst->size + 2u, MEM_READ);

	if (r != CPU_OK)
		return r;
	__builtin_memcpy(&off, buf, dst->size);
	__builtin_memcpy(&sel, buf + dst->size, 2);
	r = cpu_load_seg(x->c, x->h->arg, sel, x->f);
	if (r != CPU_OK)
		return r;
	reg_set(exec_state(x), dst, dst->size, off);
	return CPU_OK;
}

/* CLC, STC, CMC, CLD, STD. */
enum cpu_result x_flag(struct exec *x)
{
	static const struct {
		uint64_t clear, flip;
	} how[] = {{RFL_CF, 0}, {RFL_CF, RFL_CF}, {0, RFL_CF}, {RFL_DF, 0}, {RFL_DF, RFL_DF}};
	struct cpu_state *s = exec_state(x);

	s->rflags = (s->rflags & ~how[x->h->arg].clear) ^ how[x->h->arg].flip;
	return CPU_OK;
}

enum cpu_result x_nop(struct exec *x)
{
	(void)x;
	return CPU_OK;
}
