/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the handlers of instructions share: the instruction under execution, access to its
 * operands, the stack, and the handlers themselves (one table entry each, table.c).
 *
 * Rule of every handler: whatever may fault comes first, registers and flags change last.
 *
 * Read first: insn.h, alu.h. Read next: operand.c, then any handler file.
 */
#ifndef UMBRA_INTERP_EXEC_H
#define UMBRA_INTERP_EXEC_H

#include "vmm/cpu/segment.h"
#include "vmm/interp/alu.h"
#include "vmm/interp/insn.h"

struct exec;
typedef enum cpu_result (*exec_fn)(struct exec *x);

/* Bits of handler.arg where it isn't a plain number. */
#define FSGSBASE_WRITE	       0x80 /* x_fsgsbase, beside the segment */
#define VMOV_ALIGNED	       1    /* x_vmov: a memory operand must be aligned */
#define XSAVE_64	       1    /* x_xsave, x_xrstor: pointers of 64 bits */
#define XSAVE_OPT	       2
#define XSAVE_COMPACT	       4
#define GATHER(index, element) ((index) << 4 | (element)) /* x_gather: sizes in bytes */

/* Checked before the handler is called. */
#define H_CPL0	  (1u << 0) /* #GP(0) unless CPL is 0 */
#define H_PROT	  (1u << 1) /* #UD in real and virtual-8086 mode */
#define H_KEEP_RF (1u << 2) /* loads RFLAGS.RF: it isn't cleared afterwards */

struct handler {
	exec_fn fn;
	alu_fn alu;    /* for handlers that apply one */
	uint8_t arg;   /* meaning belongs to fn */
	uint8_t flags; /* H_ */
};

struct exec {
	struct cpu *c;
	const struct insn *i;
	const struct handler *h;
	struct cpu_fault *f;
	uint64_t next;	  /* RIP afterwards; starts out as that of the next instruction */
	uint64_t sp_bias; /* POP of an operand based on rSP: what rSP will have grown by */
	unsigned max_rep;
	bool shadow;	   /* sets int_shadow */
	bool ss_loaded;	   /* MOV SS or POP SS: holds back traps as well as interrupts */
	uint8_t watch;	   /* breakpoints that accesses are compared with */
	uint8_t hits;	   /* those they met */
	bool align;	   /* #AC on misaligned operands */
	bool unfinished;   /* a REP with iterations left: RIP stays */
	bool delivered;	   /* software interrupt: no single-step trap (SDM vol. 3, 6.8.3) */
	bool not_emulated; /* with CPU_BROKEN */
};

const struct handler *handler_of(const struct insn *i);

/* operand.c */
uint64_t exec_ea(const struct exec *x, const struct opnd *o);
enum cpu_result exec_mem_read(struct exec *x, const struct opnd *o, void *buf, unsigned len,
			      unsigned flags);
enum cpu_result exec_mem_write(struct exec *x, const struct opnd *o, const void *buf,
			       unsigned len);

/* Every access of an instruction's own to memory at a linear address or to a port: alignment is
 * checked, and breakpoints take note. The operand itself, not a chunk of several. */
enum cpu_result exec_va_read(struct exec *x, gva_t va, void *buf, unsigned len, unsigned flags);
enum cpu_result exec_va_write(struct exec *x, gva_t va, const void *buf, unsigned len);
enum cpu_result exec_va_cmpxchg(struct exec *x, gva_t va, void *expect, const void *desired,
				unsigned len, bool *done);
enum cpu_result exec_port_in(struct exec *x, uint16_t port, unsigned size, uint32_t *val);
enum cpu_result exec_port_out(struct exec *x, uint16_t port, unsigned size, uint32_t val);

/* Reads o zero-extended from its size; an immediate is cut to size. */
enum cpu_result exec_read(struct exec *x, const struct opnd *o, unsigned size, uint64_t *val);
enum cpu_result exec_write(struct exec *x, const struct opnd *o, unsigned size, uint64_t val);
/* Applies fn to dst, LOCKed if asked, and sets the flags; *old is dst before. */
enum cpu_result exec_rmw(struct exec *x, const struct opnd *dst, alu_fn fn,
			 const struct alu_arg *arg, bool lock, uint64_t *old);
enum cpu_result exec_not_emulated(struct exec *x);

/* stack.c. A cursor on the stack: rsp moves on it only, until stack_commit(). */
struct stack {
	struct exec *x;
	uint64_t rsp;
};
unsigned stack_size(const struct cpu_state *s);
struct stack stack_begin(struct exec *x);
enum cpu_result stack_push(struct stack *st, unsigned size, uint64_t val);
enum cpu_result stack_pop(struct stack *st, unsigned size, uint64_t *val);
void stack_commit(const struct stack *st);

static inline struct cpu_state *exec_state(struct exec *x)
{
	return &x->c->s;
}

static inline uint64_t reg_get(const struct cpu_state *s, const struct opnd *o, unsigned size)
{
	uint64_t v = s->gpr[o->reg];

	return (o->kind == OPND_REG8H ? v >> 8 : v) & size_mask(size);
}

/* A 32-bit result clears the upper half; 8 and 16-bit ones keep the rest (SDM vol. 1, 3.4.1.1).
 */
static inline void gpr_set(struct cpu_state *s, unsigned reg, unsigned size, uint64_t val)
{
	uint64_t m = size == 4 ? ~0ull : size_mask(size);

	s->gpr[reg] = (s->gpr[reg] & ~m) | (val & size_mask(size));
}

static inline void reg_set(struct cpu_state *s, const struct opnd *o, unsigned size,
			   uint64_t val)
{
	if (o->kind == OPND_REG8H)
		s->gpr[o->reg] = (s->gpr[o->reg] & ~0xff00ull) | (val & 0xff) << 8;
	else
		gpr_set(s, o->reg, size, val);
}

static inline bool opnd_is_reg(const struct opnd *o)
{
	return o->kind == OPND_REG || o->kind == OPND_REG8H;
}

static inline enum cpu_result exec_gp(struct exec *x)
{
	return cpu_fault_ec(x->f, VEC_GP, 0);
}

static inline enum cpu_result exec_ud(struct exec *x)
{
	return cpu_fault(x->f, VEC_UD);
}

/* After SS was loaded, the next instruction, which loads rSP, must come first (SDM vol. 3,
 * section 6.8.3). */
static inline void exec_ss_loaded(struct exec *x)
{
	x->shadow = true;
	x->ss_loaded = true;
}

/* Condition code 0..15 as in the opcode (SDM vol. 1, appendix B). */
bool exec_cond(uint64_t rfl, unsigned cc);

/* Handlers, under the names of their files. */

/* arith.c */
enum cpu_result x_rmw1(struct exec *x);
enum cpu_result x_rmw2(struct exec *x);
enum cpu_result x_compare(struct exec *x);
enum cpu_result x_shift_double(struct exec *x);
enum cpu_result x_xadd(struct exec *x);
enum cpu_result x_xchg(struct exec *x);
enum cpu_result x_cmpxchg(struct exec *x);
enum cpu_result x_cmpxchg_wide(struct exec *x);
enum cpu_result x_adx(struct exec *x);

/* muldiv.c */
enum cpu_result x_mul(struct exec *x);
enum cpu_result x_imul(struct exec *x);
enum cpu_result x_div(struct exec *x);
enum cpu_result x_idiv(struct exec *x);
enum cpu_result x_mulx(struct exec *x);

/* bits.c */
enum cpu_result x_bit_test(struct exec *x);
enum cpu_result x_bit_scan(struct exec *x);
enum cpu_result x_bit_count(struct exec *x);
enum cpu_result x_bswap(struct exec *x);
enum cpu_result x_crc32(struct exec *x);

/* bmi.c */
enum cpu_result x_bmi_logic(struct exec *x);
enum cpu_result x_bmi_field(struct exec *x);
enum cpu_result x_bmi_deposit(struct exec *x);
enum cpu_result x_bmi_shift(struct exec *x);

/* decimal.c */
enum cpu_result x_aaa(struct exec *x);
enum cpu_result x_daa(struct exec *x);
enum cpu_result x_aam(struct exec *x);
enum cpu_result x_aad(struct exec *x);
enum cpu_result x_salc(struct exec *x);

/* move.c */
enum cpu_result x_mov(struct exec *x);
enum cpu_result x_movzx(struct exec *x);
enum cpu_result x_movsx(struct exec *x);
enum cpu_result x_movbe(struct exec *x);
enum cpu_result x_lea(struct exec *x);
enum cpu_result x_cmov(struct exec *x);
enum cpu_result x_setcc(struct exec *x);
enum cpu_result x_widen(struct exec *x);
enum cpu_result x_spread(struct exec *x);
enum cpu_result x_lahf(struct exec *x);
enum cpu_result x_sahf(struct exec *x);
enum cpu_result x_xlat(struct exec *x);
enum cpu_result x_load_far(struct exec *x);
enum cpu_result x_flag(struct exec *x);
enum cpu_result x_nop(struct exec *x);

/* stack.c */
enum cpu_result x_push(struct exec *x);
enum cpu_result x_pop(struct exec *x);
enum cpu_result x_pusha(struct exec *x);
enum cpu_result x_popa(struct exec *x);
enum cpu_result x_pushf(struct exec *x);
enum cpu_result x_popf(struct exec *x);
enum cpu_result x_enter(struct exec *x);
enum cpu_result x_leave(struct exec *x);

/* branch.c */
enum cpu_result x_jcc(struct exec *x);
enum cpu_result x_jcxz(struct exec *x);
enum cpu_result x_loop(struct exec *x);
enum cpu_result x_jmp(struct exec *x);
enum cpu_result x_call(struct exec *x);
enum cpu_result x_ret(struct exec *x);

/* trap.c */
enum cpu_result x_iret(struct exec *x);
enum cpu_result x_int(struct exec *x);
enum cpu_result x_int3(struct exec *x);
enum cpu_result x_int1(struct exec *x);
enum cpu_result x_into(struct exec *x);
enum cpu_result x_bound(struct exec *x);
enum cpu_result x_ud(struct exec *x);
enum cpu_result x_syscall(struct exec *x);
enum cpu_result x_sysret(struct exec *x);
enum cpu_result x_sysenter(struct exec *x);
enum cpu_result x_sysexit(struct exec *x);

/* string.c */
enum cpu_result x_movs(struct exec *x);
enum cpu_result x_stos(struct exec *x);
enum cpu_result x_lods(struct exec *x);
enum cpu_result x_scas(struct exec *x);
enum cpu_result x_cmps(struct exec *x);
enum cpu_result x_ins(struct exec *x);
enum cpu_result x_outs(struct exec *x);

/* system.c */
enum cpu_result x_cli(struct exec *x);
enum cpu_result x_sti(struct exec *x);
enum cpu_result x_ac(struct exec *x);
enum cpu_result x_in(struct exec *x);
enum cpu_result x_out(struct exec *x);
enum cpu_result x_hlt(struct exec *x);
enum cpu_result x_cpuid(struct exec *x);
enum cpu_result x_rdtsc(struct exec *x);
enum cpu_result x_rdrand(struct exec *x);
enum cpu_result x_rdmsr(struct exec *x);
enum cpu_result x_wrmsr(struct exec *x);
enum cpu_result x_gp(struct exec *x);
enum cpu_result x_swapgs(struct exec *x);
enum cpu_result x_fsgsbase(struct exec *x);
enum cpu_result x_rdpkru(struct exec *x);
enum cpu_result x_wrpkru(struct exec *x);
enum cpu_result x_xsetbv(struct exec *x);
enum cpu_result x_clflush(struct exec *x);

/* sysreg.c */
enum cpu_result x_mov_special(struct exec *x);
enum cpu_result x_lmsw(struct exec *x);
enum cpu_result x_smsw(struct exec *x);
enum cpu_result x_clts(struct exec *x);
enum cpu_result x_load_table(struct exec *x);
enum cpu_result x_store_table(struct exec *x);
enum cpu_result x_load_sys(struct exec *x);
enum cpu_result x_store_sys(struct exec *x);
enum cpu_result x_invlpg(struct exec *x);
enum cpu_result x_invpcid(struct exec *x);

/* probe.c */
enum cpu_result x_lar(struct exec *x);
enum cpu_result x_lsl(struct exec *x);
enum cpu_result x_verify(struct exec *x);
enum cpu_result x_arpl(struct exec *x);

/* vector.c */
enum cpu_result x_vmov(struct exec *x);
enum cpu_result x_vmovd(struct exec *x);
enum cpu_result x_vxor(struct exec *x);
enum cpu_result x_movsd(struct exec *x);
enum cpu_result x_cmpsd(struct exec *x);

#endif
