/* SPDX-License-Identifier: BSD-2-Clause
 *
 * x87 by the host's own unit. The whole state is loaded with the guest's control word, the one
 * instruction runs on a bounce buffer, the state is taken back. An unmasked exception sets FSW.ES
 * and traps in the next waiting instruction, which is where the guest gets its #MF, before the host
 * executes anything. Instruction and data pointers, where the host sets them, name the stub and the
 * buffer; they become the guest's.
 *
 * Known limit: with CR0.NE = 0 the exception is #MF all the same, not an external interrupt.
 *
 * Read first: fpu.h. Manual: SDM vol. 1, chapter 8; vol. 3, sections 2.5 and 9.2.
 */
#include <string.h>

#include "vmm/interp/fpu.h"

#define OP(op, modrm) ((op) << 8 | (modrm))
#define FNINIT	      OP(0xdb, 0xe3)

static bool is_mem(const struct insn *i)
{
	return i->modrm < 0xc0;
}

/* Memory forms by opcode and reg field: D9/6 FNSTENV, D9/7 FNSTCW, DD/6 FNSAVE, DD/7 FNSTSW. */
static bool is_mem_form(const struct insn *i, unsigned op, unsigned first, unsigned last)
{
	unsigned reg = i->modrm >> 3 & 7u;

	return is_mem(i) && i->opcode == op && reg >= first && reg <= last;
}

/* FENI, FDISI and FSETPM, of the 8087 and 80287: nothing since, and they don't wait (SDM vol. 3,
 * section 22.18.9). */
static bool is_old_nop(const struct insn *i)
{
	return i->opcode == 0xdb && (i->modrm == 0xe0 || i->modrm == 0xe1 || i->modrm == 0xe4);
}

/* Those that don't look for a pending exception (SDM vol. 1, section 8.3.12). */
static bool no_wait(const struct insn *i)
{
	switch (OP(i->opcode, i->modrm)) {
	case OP(0xdb, 0xe2): /* FNCLEX */
	case FNINIT:
	case OP(0xdf, 0xe0): /* FNSTSW AX */
		return true;
	default:
		return is_old_nop(i) || is_mem_form(i, 0xd9, 6, 7) ||
		       is_mem_form(i, 0xdd, 6, 7);
	}
}

/* FLDENV and FNSTENV, FRSTOR and FNSAVE. */
static bool is_load_env(const struct insn *i)
{
	return is_mem_form(i, 0xd9, 4, 4) || is_mem_form(i, 0xdd, 4, 4);
}

static bool is_store_env(const struct insn *i)
{
	return is_mem_form(i, 0xd9, 6, 6) || is_mem_form(i, 0xdd, 6, 6);
}

static enum cpu_result x87_ready(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	enum cpu_result r;

	if (s->cr0 & (CR0_EM | CR0_TS))
		return cpu_fault(x->f, VEC_NM);
	r = fpu_take(x, true);
	if (r != CPU_OK || no_wait(x->i))
		return r;
	return s->fpu.fsw & FPU_FSW_ES ? cpu_fault(x->f, VEC_MF) : CPU_OK;
}

enum cpu_result x_wait(struct exec *x)
{
	const uint64_t both = CR0_MP | CR0_TS;
	enum cpu_result r;

	if ((exec_state(x)->cr0 & both) == both)
		return cpu_fault(x->f, VEC_NM);
	r = fpu_take(x, false);
	if (r == CPU_OK && exec_state(x)->fpu.fsw & FPU_FSW_ES)
		return cpu_fault(x->f, VEC_MF);
	return r;
}

void fpu_canonical(struct cpu_fpu *f)
{
	struct fpu_host h = {.fx = *f};

	h.fx.mxcsr = FPU_MXCSR_RESET;
	fpu_host_all(&h, fpu_stub_ret);
	f->fsw = h.fx.fsw;
	f->fcw = h.fx.fcw;
	f->ftw = h.fx.ftw;
	f->fop &= 0x7ff;
	memcpy(f->st, h.fx.st, sizeof(f->st));
}

static const struct opnd *operand(const struct insn *i, unsigned kind)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == kind)
			return &i->op[k];
	return NULL;
}

/* ---- pointers ---- */

static uint16_t opcode_bits(const struct insn *i)
{
	return (uint16_t)((i->opcode & 7u) << 8 | i->modrm);
}

/* Values no instruction leaves here, so that a change shows. */
static void mark_pointers(struct exec *x, struct fpu_host *h)
{
	h->fx.fip = h->fx.fdp = 0;
	h->fx.fop = (opcode_bits(x->i) ^ 0x400) & 0x7ff;
}

/* Real-mode formats of the environment hold linear addresses (SDM vol. 1, figure 8-11). */
static uint64_t pointer(const struct cpu_state *s, unsigned seg, uint64_t offset)
{
	bool real = cpu_real_mode(s) || (s->rflags & RFL_VM);

	return real ? (uint32_t)(s->seg[seg].base + offset) : offset;
}

static void take_pointers(struct exec *x, const struct fpu_host *h, const struct opnd *mem)
{
	struct cpu_state *s = exec_state(x);

	if (h->fx.fip)
		s->fpu.fip = pointer(s, CPU_CS, s->rip);
	if (h->fx.fdp && mem)
		s->fpu.fdp = pointer(s, mem->seg, exec_ea(x, mem));
	if (h->fx.fop != ((opcode_bits(x->i) ^ 0x400) & 0x7ff))
		s->fpu.fop = opcode_bits(x->i);
}

/* ---- execution ---- */

/* An unmasked exception keeps a result from memory, except that of precision (SDM vol. 1, section
 * 8.5). No flag is older than this instruction: ES would have been set. */
static bool stores(const struct insn *i, const struct cpu_fpu *f)
{
	return no_wait(i) || !(f->fsw & ~f->fcw & FPU_EXCEPTIONS & ~FPU_PE);
}

static void commit(struct exec *x, const struct fpu_host *h, const struct opnd *mem)
{
	struct cpu_state *s = exec_state(x);
	const struct opnd *reg = operand(x->i, OPND_REG);

	s->fpu.fcw = h->fx.fcw;
	s->fpu.fsw = h->fx.fsw;
	s->fpu.ftw = h->fx.ftw;
	memcpy(s->fpu.st, h->fx.st, sizeof(s->fpu.st));
	take_pointers(x, h, mem);
	if (reg)
		gpr_set(s, reg->reg, 2, h->rax); /* FNSTSW AX */
	set_flags(&s->rflags, FPU_FLAGS, h->flags & FPU_FLAGS);
}

static enum cpu_result run(struct exec *x, const void *stub)
{
	struct cpu_state *s = exec_state(x);
	const struct opnd *mem = operand(x->i, OPND_MEM);
	struct fpu_host h = {.fx = s->fpu, .flags = s->rflags & FPU_FLAGS};
	enum cpu_result r = CPU_OK;

	h.fx.mxcsr = FPU_MXCSR_RESET;
	mark_pointers(x, &h);
	if (mem && (mem->role & ROLE_READ))
		r = exec_mem_read(x, mem, h.mem, mem->size, MEM_READ);
	if (r != CPU_OK)
		return r;
	fpu_host_all(&h, stub);
	if (mem && (mem->role & ROLE_WRITE) && stores(x->i, &h.fx))
		r = exec_mem_write(x, mem, h.mem, mem->size);
	if (r == CPU_OK)
		commit(x, &h, mem);
	return r;
}

enum cpu_result x_x87(struct exec *x)
{
	const void *stub = fpu_stub_x87(x->i);
	enum cpu_result r = x87_ready(x);

	if (r != CPU_OK)
		return r;
	if (is_store_env(x->i))
		return x_fpu_store_env(x, operand(x->i, OPND_MEM));
	if (is_load_env(x->i))
		return x_fpu_load_env(x, operand(x->i, OPND_MEM));
	if (is_old_nop(x->i))
		return CPU_OK;
	if (OP(x->i->opcode, x->i->modrm) == FNINIT) {
		cpu_fpu_init(&exec_state(x)->fpu);
		return CPU_OK;
	}
	return stub ? run(x, stub) : exec_not_emulated(x);
}
