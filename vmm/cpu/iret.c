/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns IRET outside virtual-8086 mode, whose own is in v86.c; returns to tasks are task.c's.
 *
 * Read after: transfer.h, v86.h. Manual: SDM vol. 2, IRET; vol. 3, sections 6.12.1 and 6.14.3.
 */
#include "vmm/cpu/segment.h"
#include "vmm/cpu/task.h"
#include "vmm/cpu/transfer.h"
#include "vmm/cpu/v86.h"

/* Flags that a frame sets at any level; IF, IOPL, VIF and VIP come on top by privilege. */
#define FLAGS_ANY \
	(RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_TF | RFL_DF | RFL_OF | RFL_NT)
#define FLAGS_WIDE (RFL_RF | RFL_AC | RFL_ID) /* not with a 16-bit frame */

enum { FRAME_RIP, FRAME_CS, FRAME_FLAGS, FRAME_RSP, FRAME_SS, FRAME_WORDS };

/* Which flags a frame of this size may set, at the level before the return. */
static uint64_t flags_mask(const struct cpu_state *s, unsigned opsize)
{
	unsigned cpl = cpu_cpl(s), iopl = (s->rflags & RFL_IOPL) >> 12;
	bool wide = opsize > 2;
	uint64_t mask = FLAGS_ANY | (wide ? FLAGS_WIDE : 0);

	if (cpl <= iopl)
		mask |= RFL_IF;
	if (cpl == 0)
		mask |= RFL_IOPL;
	/* Real mode leaves VIF and VIP as they are. */
	if (cpl == 0 && wide && !cpu_real_mode(s))
		mask |= RFL_VIF | RFL_VIP;
	return mask;
}

static void set_flags(struct cpu_state *s, uint64_t popped, uint64_t mask)
{
	s->rflags = (s->rflags & ~mask) | (popped & mask) | RFL_FIXED;
}

static enum cpu_result iret_real(struct cpu *c, unsigned opsize, struct cpu_fault *f)
{
	struct cpu_stack st = cpu_stack_current(&c->s);
	uint64_t frame[FRAME_WORDS];
	enum cpu_result r = cpu_stack_pop_all(c, &st, frame, FRAME_FLAGS + 1, opsize, f);

	if (r == CPU_OK)
		r = cpu_jump_real(c, (uint16_t)frame[FRAME_CS], frame[FRAME_RIP], f);
	if (r != CPU_OK)
		return r;
	cpu_stack_commit(&c->s, &st);
	set_flags(&c->s, frame[FRAME_FLAGS], flags_mask(&c->s, opsize));
	return CPU_OK;
}

/* Behind RIP, CS and flags, which are popped: 64-bit mode always pops SS:RSP, others only on
 * the way out. */
static enum cpu_result iret_frame(struct cpu *c, struct cpu_stack *st, uint64_t *frame,
				  unsigned opsize, struct cpu_fault *f)
{
	struct cpu_return ret = {.rip = frame[FRAME_RIP], .cs = (uint16_t)frame[FRAME_CS]};
	struct cpu_desc code;
	enum cpu_result r = cpu_return_code(c, &ret, &code, f);

	if (r != CPU_OK)
		return r;
	if (!cpu_64bit(&c->s) && SEL_RPL(ret.cs) == cpu_cpl(&c->s))
		return cpu_return_same(c, &ret, &code, st, f);
	r = cpu_stack_pop_all(c, st, frame + FRAME_RSP, 2, opsize, f);
	if (r != CPU_OK)
		return r;
	ret.rsp = frame[FRAME_RSP];
	ret.ss = (uint16_t)frame[FRAME_SS];
	return cpu_return_stack(c, &ret, &code, f);
}

static enum cpu_result iret_protected(struct cpu *c, unsigned opsize, struct cpu_fault *f)
{
	struct cpu_stack st = cpu_stack_current(&c->s);
	uint64_t mask = flags_mask(&c->s, opsize), frame[FRAME_WORDS];
	enum cpu_result r = cpu_stack_pop_all(c, &st, frame, FRAME_FLAGS + 1, opsize, f);

	if (r != CPU_OK)
		return r;
	if (!cpu_long_mode(&c->s) && cpu_cpl(&c->s) == 0 && (frame[FRAME_FLAGS] & RFL_VM))
		return cpu_v86_enter(c, &st, frame, f);
	r = iret_frame(c, &st, frame, opsize, f);
	if (r == CPU_OK)
		set_flags(&c->s, frame[FRAME_FLAGS], mask);
	return r;
}

static enum cpu_result iret(struct cpu *c, unsigned opsize, uint64_t next_rip,
			    struct cpu_fault *f)
{
	if (cpu_real_mode(&c->s))
		return iret_real(c, opsize, f);
	if (c->s.rflags & RFL_VM)
		return cpu_v86_iret(c, opsize, f);
	if (c->s.rflags & RFL_NT)
		return cpu_long_mode(&c->s) ? cpu_gp0(f) : cpu_task_return(c, next_rip, f);
	return iret_protected(c, opsize, f);
}

enum cpu_result cpu_iret(struct cpu *c, unsigned opsize, uint64_t next_rip, struct cpu_fault *f)
{
	enum cpu_result r = iret(c, opsize, next_rip, f);

	if (r == CPU_OK || r == CPU_FAULT)
		c->s.nmi_blocked = false;
	return r;
}
