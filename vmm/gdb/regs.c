/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Registers of a vCPU at rest, to and from the bytes that the protocol has for them.
 *
 * What a debugger writes must leave a state that the manuals allow, for engines load it as it is:
 * selectors, control registers but CR2 and EFER are read only (a write of what they hold passes, since a
 * debugger writes all registers at once), and addresses must be canonical where the processor would check
 * them. Read first: internal.h, ../cpu/state.h.
 */
#include <string.h>

#include "vmm/gdb/internal.h"

/* In the order of enum gdb_x87. With 64-bit pointers the upper halves stand for the selectors, as in
 * FXSAVE64. */
static uint32_t x87_get(const struct cpu_fpu *f, unsigned index)
{
	const uint32_t v[] = {f->fcw,		f->fsw,
			      cpu_fpu_tags(f),	(uint32_t)(f->fip >> 32),
			      (uint32_t)f->fip, (uint32_t)(f->fdp >> 32),
			      (uint32_t)f->fdp, f->fop};

	return v[index];
}

static void x87_set(struct cpu_fpu *f, unsigned index, uint32_t v)
{
	const uint64_t high = (uint64_t)v << 32, low32 = UINT32_MAX;

	switch (index) {
	case GDB_FCTRL:
		f->fcw = (uint16_t)v;
		break;
	case GDB_FSTAT:
		f->fsw = (uint16_t)v;
		break;
	case GDB_FTAG:
		cpu_fpu_set_tags(f, (uint16_t)v);
		break;
	case GDB_FISEG:
		f->fip = (f->fip & low32) | high;
		break;
	case GDB_FIOFF:
		f->fip = (f->fip & ~low32) | v;
		break;
	case GDB_FOSEG:
		f->fdp = (f->fdp & low32) | high;
		break;
	case GDB_FOOFF:
		f->fdp = (f->fdp & ~low32) | v;
		break;
	default:
		f->fop = (uint16_t)(v & 0x7ff);
	}
}

static uint64_t cr_get(const struct cpu_state *s, unsigned n)
{
	const uint64_t cr[] = {
		[0] = s->cr0, [2] = s->cr2, [3] = s->cr3, [4] = s->cr4, [8] = s->cr8};

	return cr[n];
}

/* Of registers that fit 64 bits. */
static uint64_t value(const struct cpu_state *s, const struct gdb_reg *r)
{
	switch ((enum gdb_reg_kind)r->kind) {
	case GDB_GPR:
		return s->gpr[r->index];
	case GDB_RIP:
		return s->rip;
	case GDB_EFLAGS:
		return s->rflags;
	case GDB_SELECTOR:
		return s->seg[r->index].selector;
	case GDB_BASE:
		return s->seg[r->index].base;
	case GDB_KERNEL_GS:
		return s->msr_kernel_gs_base;
	case GDB_CR:
		return cr_get(s, r->index);
	case GDB_EFER:
		return s->efer;
	case GDB_X87:
		return x87_get(&s->fpu, r->index);
	case GDB_MXCSR:
		return s->fpu.mxcsr;
	case GDB_ST:
	case GDB_XMM:
		break;
	}
	return 0;
}

void gdb_reg_get(const struct cpu_state *s, const struct gdb_reg *r, uint8_t buf[GDB_REG_BYTES])
{
	uint64_t v = value(s, r);

	memset(buf, 0, GDB_REG_BYTES);
	if (r->kind == GDB_ST)
		memcpy(buf, s->fpu.st[r->index], 10);
	else if (r->kind == GDB_XMM)
		memcpy(buf, s->fpu.xmm[r->index], 16);
	else
		memcpy(buf, &v, sizeof(v));
}

/* ---- writing ---- */

/* VM is an affair of IRET and task switches. */
#define FLAGS_WRITABLE                                                                    \
	(RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_TF | RFL_IF | RFL_DF | RFL_OF | \
	 RFL_IOPL | RFL_NT | RFL_RF | RFL_AC | RFL_VIF | RFL_VIP | RFL_ID)

static bool set_address(const struct cpu_state *s, uint64_t *field, uint64_t v)
{
	if (cpu_long_mode(s) && !cpu_canonical(s, v))
		return false;
	*field = v;
	return true;
}

/* RIP is compared with the limit of CS where there is one; in 64-bit code it must be canonical. */
static bool set_rip(struct cpu_state *s, uint64_t v)
{
	if (!cpu_64bit(s) && v >> 32)
		return false;
	return set_address(s, &s->rip, v);
}

static bool set_value(struct cpu_state *s, const struct gdb_reg *r, uint64_t v)
{
	switch ((enum gdb_reg_kind)r->kind) {
	case GDB_GPR:
		s->gpr[r->index] = v;
		return true;
	case GDB_RIP:
		return set_rip(s, v);
	case GDB_EFLAGS:
		s->rflags = (s->rflags & ~FLAGS_WRITABLE) | (v & FLAGS_WRITABLE) | RFL_FIXED;
		return true;
	case GDB_BASE:
		return set_address(s, &s->seg[r->index].base, v);
	case GDB_KERNEL_GS:
		return set_address(s, &s->msr_kernel_gs_base, v);
	case GDB_X87:
		x87_set(&s->fpu, r->index, (uint32_t)v);
		return true;
	case GDB_MXCSR:
		s->fpu.mxcsr = (uint32_t)v & FPU_MXCSR_MASK;
		return true;
	case GDB_CR:
		if (r->index != 2)
			return false;
		s->cr2 = v;
		return true;
	case GDB_SELECTOR:
	case GDB_EFER:
	case GDB_ST:
	case GDB_XMM:
		break;
	}
	return false;
}

bool gdb_reg_set(struct cpu_state *s, const struct gdb_reg *r, const uint8_t buf[GDB_REG_BYTES])
{
	uint8_t now[GDB_REG_BYTES];
	uint64_t v = 0;

	/* Also keeps the upper half of a 64-bit register from a debugger that sees the lower one. */
	gdb_reg_get(s, r, now);
	if (!memcmp(now, buf, r->bytes))
		return true;
	if (r->kind == GDB_ST) {
		memcpy(s->fpu.st[r->index], buf, 10);
		return true;
	}
	if (r->kind == GDB_XMM) {
		memcpy(s->fpu.xmm[r->index], buf, 16);
		return true;
	}
	memcpy(&v, buf, r->bytes < sizeof(v) ? r->bytes : sizeof(v));
	return set_value(s, r, v);
}
