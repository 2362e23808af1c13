/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Segment and system descriptors as they lie in the guest's tables. Private to vmm/cpu.
 *
 * Read first: ops.h. Manual: SDM vol. 3, sections 3.4.5 and 3.5.
 */
#ifndef UMBRA_CPU_DESC_H
#define UMBRA_CPU_DESC_H

#include "vmm/cpu/ops.h"

#define SEL_RPL(s)  ((s)&3u)
#define SEL_TI	    4u
#define SEL_NULL(s) (((s)&0xfffcu) == 0)

/* Type bits of code and data descriptors (SDM vol. 3, table 3-1). */
#define TYPE_ACCESSED	 1u
#define TYPE_WRITABLE	 2u /* data */
#define TYPE_READABLE	 2u /* code */
#define TYPE_EXPAND_DOWN 4u /* data */
#define TYPE_CONFORMING	 4u /* code */
#define TYPE_CODE	 8u

/* System descriptor types (SDM vol. 3, table 3-2). */
/* clang-format off */
enum cpu_sys_type {
	SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5,
	SYS_INT16 = 6, SYS_TRAP16 = 7, SYS_TSS = 9, SYS_TSS_BUSY = 11, SYS_CALL = 12,
	SYS_INT = 14, SYS_TRAP = 15
};
/* clang-format on */

/* Attributes of the flat segments that SYSCALL and its kin load without reading a table. */
#define ATTR_FLAT_CODE (SEG_G | SEG_P | SEG_S | TYPE_CODE | TYPE_READABLE | TYPE_ACCESSED)
#define ATTR_FLAT_DATA (SEG_G | SEG_DB | SEG_P | SEG_S | TYPE_WRITABLE | TYPE_ACCESSED)

struct cpu_desc {
	uint64_t low, high; /* high: upper half of a 16-byte system descriptor, else 0 */
	gva_t va;
	uint16_t selector;
};

/* Reads the descriptor that selector names. Beyond the table's limit, or no LDT: exception vec
 * with the selector as error code. */
enum cpu_result cpu_desc_read(struct cpu *c, uint16_t selector, uint8_t vec, struct cpu_desc *d,
			      struct cpu_fault *f);

/* Reads the upper half too, which system descriptors have in long mode; #GP(selector) if its
 * type field, which must be zero, is not. In legacy modes it does nothing. */
enum cpu_result cpu_desc_read_high(struct cpu *c, struct cpu_desc *d, struct cpu_fault *f);

/* The hidden part of a segment register that d gives; type gets the accessed bit. */
struct cpu_segment cpu_desc_segment(const struct cpu_desc *d);

/* Sets bits (accessed, or busy) of the type field in the guest's table unless already set.
 * CPU_RETRY if another CPU changed the descriptor meanwhile. */
enum cpu_result cpu_desc_mark(struct cpu *c, const struct cpu_desc *d, unsigned bits,
			      struct cpu_fault *f);

/* Clears bits of the type field likewise. */
enum cpu_result cpu_desc_unmark(struct cpu *c, const struct cpu_desc *d, unsigned bits,
				struct cpu_fault *f);

static inline uint16_t cpu_desc_attr(const struct cpu_desc *d)
{
	return (d->low >> 40) & 0xf0ff;
}

static inline bool attr_is_code(unsigned a)
{
	return (a & SEG_S) && (a & TYPE_CODE);
}

static inline bool attr_is_conforming(unsigned a)
{
	return attr_is_code(a) && (a & TYPE_CONFORMING);
}

static inline bool attr_is_writable(unsigned a)
{
	return (a & SEG_S) && !(a & TYPE_CODE) && (a & TYPE_WRITABLE);
}

/* Data, or code that can be read. */
static inline bool attr_is_readable(unsigned a)
{
	return (a & SEG_S) && (!(a & TYPE_CODE) || (a & TYPE_READABLE));
}

/* Loads a segment register as virtual-8086 mode does (SDM vol. 3, section 20.2.1). */
static inline struct cpu_segment cpu_v86_segment(uint16_t selector)
{
	return (struct cpu_segment){
		.selector = selector,
		.base = (uint64_t)selector << 4,
		.limit = 0xffff,
		.attr = SEG_P | 3u << SEG_DPL_SHIFT | SEG_S | TYPE_WRITABLE | TYPE_ACCESSED,
	};
}

static inline bool cpu_real_or_v86(const struct cpu_state *s)
{
	return cpu_real_mode(s) || (s->rflags & RFL_VM);
}

static inline enum cpu_result cpu_gp0(struct cpu_fault *f)
{
	return cpu_fault_ec(f, VEC_GP, 0);
}

/* An exception whose error code is a selector (SDM vol. 3, section 6.13). */
static inline enum cpu_result cpu_fault_sel(struct cpu_fault *f, uint8_t vec, uint16_t selector)
{
	return cpu_fault_ec(f, vec, selector & 0xfffc);
}

static inline enum cpu_result cpu_broken(struct cpu_fault *f, const char *why)
{
	*f = (struct cpu_fault){.why = why};
	return CPU_BROKEN;
}

/* #GP(0) unless CPL is 0: the first check of every privileged instruction. */
static inline enum cpu_result cpu_require_cpl0(const struct cpu *c, struct cpu_fault *f)
{
	return cpu_cpl(&c->s) == 0 ? CPU_OK : cpu_gp0(f);
}

/* A read of a table the guest's OS owns: supervisor, whatever the CPL. */
static inline enum cpu_result cpu_read_table(struct cpu *c, uint64_t va, void *buf,
					     unsigned len, struct cpu_fault *f)
{
	if (!cpu_long_mode(&c->s))
		va = (uint32_t)va;
	return c->ops->read(c->m, &c->s, GVA(va), buf, len, MEM_READ | MEM_IMPLICIT, f);
}

#endif
