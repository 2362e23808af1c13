/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns virtual-8086 mode's IRET, INT n and interrupt flag.
 *
 * Entry into a protected-mode handler out of it is gate.c's.
 * Read after: v86.h, transfer.h. Manual: SDM vol. 3, sections 20.2 and 20.3; vol. 2, IRET, INT n.
 */
#include "vmm/cpu/segment.h"
#include "vmm/cpu/transfer.h"
#include "vmm/cpu/v86.h"

#define FLAGS16	       (RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_TF | RFL_DF | RFL_OF | RFL_NT)
#define FLAGS32	       (FLAGS16 | RFL_RF | RFL_AC | RFL_ID)
#define TSS_IOMAP_BASE 102u
#define REDIRECT_BYTES 32u /* a bit per vector, right below the I/O bitmap */

static bool iopl3(const struct cpu_state *s)
{
	return (s->rflags & RFL_IOPL) == RFL_IOPL;
}

enum cpu_if cpu_if_for_cli(const struct cpu_state *s)
{
	uint64_t virtual = s->rflags & RFL_VM ? CR4_VME : CR4_PVI;

	if (cpu_real_mode(s) || cpu_cpl(s) <= (s->rflags & RFL_IOPL) >> 12)
		return IF_REAL;
	return (s->cr4 & virtual) && cpu_cpl(s) == 3 ? IF_VIRTUAL : IF_REFUSED;
}

enum cpu_if cpu_if_in_v86(const struct cpu_state *s, unsigned opsize)
{
	if (!(s->rflags & RFL_VM) || iopl3(s))
		return IF_REAL;
	return opsize == 2 && (s->cr4 & CR4_VME) ? IF_VIRTUAL : IF_REFUSED;
}

bool cpu_vif_accepts(const struct cpu_state *s, uint64_t flags)
{
	return !(flags & RFL_TF) && !((s->rflags & RFL_VIP) && (flags & RFL_IF));
}

void cpu_vif_load(struct cpu_state *s, uint64_t flags)
{
	uint64_t vif = flags & RFL_IF ? RFL_VIF : 0;

	s->rflags = (s->rflags & ~(FLAGS16 | RFL_VIF)) | (flags & FLAGS16) | vif | RFL_FIXED;
}

uint64_t cpu_vif_flags(const struct cpu_state *s)
{
	uint64_t flags = (s->rflags & 0xffff & ~RFL_IF) | RFL_IOPL;

	return s->rflags & RFL_VIF ? flags | RFL_IF : flags;
}

/* At IOPL 3: all but IOPL, and what a 16-bit image lacks. */
static void load_flags(struct cpu_state *s, uint64_t flags, unsigned opsize)
{
	uint64_t mask = (opsize > 2 ? FLAGS32 : FLAGS16) | RFL_IF;

	s->rflags = (s->rflags & ~mask) | (flags & mask) | RFL_FIXED;
}

/* The jump that every way to 8086 code ends with: nothing in it depends on tables. */
static enum cpu_result jump(struct cpu *c, uint16_t cs, uint64_t ip, struct cpu_fault *f)
{
	if (ip > 0xffff)
		return cpu_gp0(f);
	c->s.seg[CPU_CS] = cpu_v86_segment(cs);
	c->s.rip = ip;
	return CPU_OK;
}

enum cpu_result cpu_v86_iret(struct cpu *c, unsigned opsize, struct cpu_fault *f)
{
	enum cpu_if how = cpu_if_in_v86(&c->s, opsize);
	struct cpu_stack st = cpu_stack_current(&c->s);
	uint64_t frame[3];
	enum cpu_result r;

	if (how == IF_REFUSED)
		return cpu_gp0(f);
	r = cpu_stack_pop_all(c, &st, frame, 3, opsize, f);
	if (r == CPU_OK && how == IF_VIRTUAL && !cpu_vif_accepts(&c->s, frame[2]))
		return cpu_gp0(f);
	if (r == CPU_OK)
		r = jump(c, (uint16_t)frame[1], frame[0], f);
	if (r != CPU_OK)
		return r;
	cpu_stack_commit(&c->s, &st);
	if (how == IF_VIRTUAL)
		cpu_vif_load(&c->s, frame[2]);
	else
		load_flags(&c->s, frame[2], opsize);
	return CPU_OK;
}

enum cpu_result cpu_v86_enter(struct cpu *c, struct cpu_stack *st, const uint64_t frame[3],
			      struct cpu_fault *f)
{
	static const enum cpu_seg order[] = {CPU_SS, CPU_ES, CPU_DS, CPU_FS, CPU_GS};
	const uint64_t mask = FLAGS32 | RFL_IF | RFL_IOPL | RFL_VM | RFL_VIF | RFL_VIP;
	uint64_t vals[6]; /* ESP, then the selectors */
	enum cpu_result r = cpu_stack_pop_all(c, st, vals, 6, 4, f);

	if (r == CPU_OK)
		r = jump(c, (uint16_t)frame[1], frame[0], f);
	if (r != CPU_OK)
		return r;
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		c->s.seg[order[i]] = cpu_v86_segment((uint16_t)vals[1 + i]);
	c->s.gpr[CPU_RSP] = vals[0];
	c->s.rflags = (c->s.rflags & ~mask) | (frame[2] & mask) | RFL_FIXED;
	return CPU_OK;
}

/* The bit of the software interrupt redirection map: set sends vector to the IDT. */
static enum cpu_result redirection_bit(struct cpu *c, uint8_t vector, bool *set,
				       struct cpu_fault *f)
{
	const struct cpu_segment *tr = &c->s.tr;
	uint16_t base;
	uint32_t at;
	uint8_t bits;
	enum cpu_result r;

	if (!(SEG_TYPE(tr->attr) & 8) || tr->limit <= TSS_IOMAP_BASE)
		return cpu_gp0(f);
	r = cpu_read_table(c, tr->base + TSS_IOMAP_BASE, &base, 2, f);
	if (r != CPU_OK)
		return r;
	at = base - REDIRECT_BYTES + vector / 8u;
	if (base < REDIRECT_BYTES || at > tr->limit)
		return cpu_gp0(f);
	r = cpu_read_table(c, tr->base + at, &bits, 1, f);
	*set = bits >> (vector & 7) & 1;
	return r;
}

/* Methods 5 and 6: through the vector table at linear address 0, as an 8086 would, with VIF in
 * place of IF below IOPL 3. */
static enum cpu_result redirect(struct cpu *c, uint8_t vector, uint64_t next_rip,
				struct cpu_fault *f)
{
	struct cpu_state *s = &c->s;
	bool real_if = iopl3(s);
	uint64_t frame[] = {real_if ? s->rflags & 0xffff : cpu_vif_flags(s),
			    s->seg[CPU_CS].selector, next_rip};
	struct cpu_stack st = cpu_stack_current(s);
	uint16_t entry[2]; /* offset, segment */
	enum cpu_result r;

	r = c->ops->read(c->m, s, GVA(vector * 4u), entry, 4, MEM_READ, f);
	if (r == CPU_OK)
		r = cpu_stack_push_all(c, &st, frame, 3, 2, f);
	if (r == CPU_OK)
		r = jump(c, entry[1], entry[0], f);
	if (r != CPU_OK)
		return r;
	cpu_stack_commit(s, &st);
	s->rflags &= ~(RFL_TF | RFL_RF | (real_if ? RFL_IF : RFL_VIF));
	return CPU_OK;
}

enum cpu_result cpu_v86_int(struct cpu *c, uint8_t vector, uint64_t next_rip, bool *done,
			    struct cpu_fault *f)
{
	bool to_idt = true;
	enum cpu_result r = CPU_OK;

	*done = false;
	if (c->s.cr4 & CR4_VME)
		r = redirection_bit(c, vector, &to_idt, f);
	if (r != CPU_OK)
		return r;
	if (to_idt)
		return iopl3(&c->s) ? CPU_OK : cpu_gp0(f);
	*done = true;
	return redirect(c, vector, next_rip, f);
}
