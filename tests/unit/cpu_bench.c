/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the flat memory, its operations, and the CPU modes that tests start from.
 *
 * Read after: cpu_bench.h.
 */
#include "tests/unit/cpu_bench.h"

static struct bench the_bench;

/* The first byte of [va, va+len) that the access may not touch is where it faults. */
static enum cpu_result check(struct bench *b, const struct cpu_state *s, uint64_t va,
			     unsigned len, unsigned flags, struct cpu_fault *f)
{
	bool user = cpu_cpl(s) == 3 && !(flags & MEM_IMPLICIT);
	unsigned need = PAGE_P | (flags & MEM_WRITE ? PAGE_W : 0) | (user ? PAGE_U : 0);

	for (uint64_t a = va; a < va + len; a++) {
		unsigned have = a < MEM_SIZE ? b->page[a / SH_PAGE_SIZE] : PAGE_ABSENT;

		if ((have & need) == need)
			continue;
		cpu_fault_ec(f, VEC_PF,
			     (have & PAGE_P ? PFERR_P : 0) | (flags & MEM_WRITE ? PFERR_W : 0) |
				     (user ? PFERR_U : 0));
		f->cr2 = a;
		return CPU_FAULT;
	}
	return CPU_OK;
}

static enum cpu_result op_read(void *m, struct cpu_state *s, gva_t va, void *buf, unsigned len,
			       unsigned flags, struct cpu_fault *f)
{
	struct bench *b = m;
	enum cpu_result r = check(b, s, va.v, len, flags, f);

	if (b->reads_to_fail && --b->reads_to_fail == 0)
		return CPU_HOST;
	if (r == CPU_OK)
		memcpy(buf, b->mem + va.v, len);
	return r;
}

static enum cpu_result op_write(void *m, struct cpu_state *s, gva_t va, const void *buf,
				unsigned len, unsigned flags, struct cpu_fault *f)
{
	struct bench *b = m;
	enum cpu_result r = check(b, s, va.v, len, flags, f);

	if (r == CPU_OK)
		memcpy(b->mem + va.v, buf, len);
	return r;
}

static enum cpu_result op_cmpxchg(void *m, struct cpu_state *s, gva_t va, void *expect,
				  const void *desired, unsigned len, bool *done,
				  struct cpu_fault *f)
{
	struct bench *b = m;
	enum cpu_result r = check(b, s, va.v, len, MEM_READ | MEM_WRITE, f);

	if (r != CPU_OK)
		return r;
	*done = memcmp(b->mem + va.v, expect, len) == 0 && !b->lost_races;
	if (b->lost_races)
		b->lost_races--;
	memcpy(expect, b->mem + va.v, len);
	if (*done)
		memcpy(b->mem + va.v, desired, len);
	return CPU_OK;
}

static enum cpu_result op_set_cr(void *m, struct cpu_state *s, int reg, uint64_t val,
				 struct cpu_fault *f)
{
	struct bench *b = m;

	(void)s, (void)f;
	b->set_crs++;
	b->last_cr = reg;
	b->last_val = val;
	return CPU_OK;
}

static enum cpu_result op_invlpg(void *m, struct cpu_state *s, gva_t va)
{
	(void)s, (void)va;
	((struct bench *)m)->invlpgs++;
	return CPU_OK;
}

static enum cpu_result op_invpcid(void *m, struct cpu_state *s, unsigned type, uint64_t pcid,
				  gva_t va, struct cpu_fault *f)
{
	(void)m, (void)s, (void)type, (void)pcid, (void)va, (void)f;
	return CPU_OK;
}

/* The one MSR of this machine is 0x10, which reads 0x1122334455667788. */
static enum cpu_result op_rdmsr(void *m, struct cpu_state *s, uint32_t msr, uint64_t *val,
				struct cpu_fault *f)
{
	(void)m, (void)s;
	*val = 0x1122334455667788;
	return msr == 0x10 ? CPU_OK : cpu_fault_ec(f, VEC_GP, 0);
}

static enum cpu_result op_wrmsr(void *m, struct cpu_state *s, uint32_t msr, uint64_t val,
				struct cpu_fault *f)
{
	struct bench *b = m;

	(void)s;
	b->last_val = val;
	return msr == 0x10 ? CPU_OK : cpu_fault_ec(f, VEC_GP, 0);
}

/* x87, SSE and AVX state. */
static void op_cpuid(void *m, const struct cpu_state *s, uint32_t leaf, uint32_t subleaf,
		     uint32_t out[4])
{
	(void)m, (void)s, (void)subleaf;
	memset(out, 0, 16);
	if (leaf == 0xd)
		out[0] = 7;
}

static enum cpu_result op_read_phys(void *m, uint64_t gpa, void *buf, unsigned len)
{
	memcpy(buf, ((struct bench *)m)->mem + gpa, len);
	return CPU_OK;
}

static const struct cpu_ops ops = {
	.read = op_read,
	.write = op_write,
	.cmpxchg = op_cmpxchg,
	.set_cr = op_set_cr,
	.invlpg = op_invlpg,
	.invpcid = op_invpcid,
	.rdmsr = op_rdmsr,
	.wrmsr = op_wrmsr,
	.cpuid = op_cpuid,
	.read_phys = op_read_phys,
};

static const struct cpu_model model = {
	.maxphyaddr = 40,
	.cr4_allowed = CR4_PSE | CR4_PAE | CR4_PGE | CR4_DE | CR4_OSXSAVE | CR4_PCIDE |
		       CR4_SMEP | CR4_LA57 | CR4_SMAP,
	.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
};

void poke16(struct bench *b, uint64_t at, uint16_t val)
{
	memcpy(b->mem + at, &val, 2);
}

void poke32(struct bench *b, uint64_t at, uint32_t val)
{
	memcpy(b->mem + at, &val, 4);
}

void poke64(struct bench *b, uint64_t at, uint64_t val)
{
	memcpy(b->mem + at, &val, 8);
}

uint16_t peek16(const struct bench *b, uint64_t at)
{
	return (uint16_t)(b->mem[at] | b->mem[at + 1] << 8);
}

uint32_t peek32(const struct bench *b, uint64_t at)
{
	uint32_t val;

	memcpy(&val, b->mem + at, 4);
	return val;
}

uint64_t peek64(const struct bench *b, uint64_t at)
{
	uint64_t val;

	memcpy(&val, b->mem + at, 8);
	return val;
}

void bench_desc(struct bench *b, uint16_t selector, uint64_t raw)
{
	poke64(b, AT_GDT + (selector & 0xfff8u), raw);
}

void bench_gate(struct bench *b, uint8_t vector, uint16_t selector, uint64_t off, unsigned attr,
		unsigned ist)
{
	uint64_t low = (off & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
		       (uint64_t)attr << 40 | (off & 0xffff0000) << 32;

	if (!cpu_long_mode(&b->c.s)) {
		poke64(b, AT_IDT + vector * 8u, low);
		return;
	}
	poke64(b, AT_IDT + vector * 16u, low);
	poke64(b, AT_IDT + vector * 16u + 8, off >> 32);
}

static const struct {
	uint16_t selector;
	uint64_t raw;
} gdt[] = {
	{K_CODE, 0x00af9b000000ffff},
	{K_DATA, 0x00cf93000000ffff},
	{U_CODE32, 0x00cffb000000ffff},
	{U_DATA, 0x00cff3000000ffff},
	{U_CODE, 0x00affb000000ffff},
	{TSS_SEL, 0x0000890030000067}, /* available, at AT_TSS, limit 0x67 */
	{K_CODE32, 0x00cf9b000000ffff},
	{K_CONF, 0x00af9f000000ffff},
	{LDT_SEL, 0x000082004000000f}, /* at AT_LDT, two entries */
	{NP_DATA, 0x00cf13000000ffff},
	{NP_CODE, 0x00af1b000000ffff},
	{FRESH_DATA, 0x00cff2000000ffff}, /* accessed bit clear, DPL 3 */
	{EXEC_ONLY, 0x00cff9000000ffff},
	{BOTH_LD, 0x00ef9b000000ffff},	 /* L and D */
	{R1_CODE, 0x00afbb000000ffff},	 /* DPL 1 */
	{DOWN_DATA, 0x00c0970000000000}, /* expand-down, 32-bit, limit 0xfff */
	{STACK16, 0x000093000000ffff},
	{TASK_SEL, 0x0000e50000300000}, /* task gate, DPL 3 */
	{RO_DATA, 0x00cf91000000ffff},
	{U_CODE16, 0x0000fb000000ffff},
	{K_CODE16, 0x00009b000000ffff},
};

/* The hidden part of flat segments, as their descriptors above give it. */
static void flat(struct bench *b, uint16_t cs, uint16_t cs_attr, uint16_t ss, uint16_t ss_attr)
{
	b->c.s.seg[CPU_CS] = (struct cpu_segment){
		.selector = cs,
		.limit = 0xffffffff,
		.attr = cs_attr,
	};
	for (int i = 0; i < CPU_SEGS; i++)
		if (i != CPU_CS)
			b->c.s.seg[i] = (struct cpu_segment){
				.selector = ss,
				.limit = 0xffffffff,
				.attr = ss_attr,
			};
}

static struct bench *bench_new(void)
{
	struct bench *b = &the_bench;

	memset(b, 0, sizeof(*b));
	memset(b->page, PAGE_P | PAGE_W, sizeof(b->page));
	b->page[(USTACK - 1) / SH_PAGE_SIZE] |= PAGE_U;
	cpu_reset(&b->c.s, 0);
	b->c.ops = &ops;
	b->c.model = &model;
	b->c.m = b;
	for (size_t i = 0; i < sizeof(gdt) / sizeof(gdt[0]); i++)
		bench_desc(b, gdt[i].selector, gdt[i].raw);
	return b;
}

struct bench *bench_real(void)
{
	struct bench *b = bench_new();

	b->c.s.seg[CPU_CS] = (struct cpu_segment){
		.selector = 0x1000,
		.base = 0x10000,
		.limit = 0xffff,
		.attr = 0x9b,
	};
	b->c.s.rip = 0x100;
	b->c.s.gpr[CPU_RSP] = 0x8000;
	b->c.s.idtr.limit = 0x3ff;
	return b;
}

static void protect(struct bench *b)
{
	b->c.s.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP;
	b->c.s.gdtr = (struct cpu_table){.base = AT_GDT, .limit = GDT_END - 1};
	b->c.s.idtr.base = AT_IDT;
	b->c.s.tr = (struct cpu_segment){
		.selector = TSS_SEL,
		.base = AT_TSS,
		.limit = 0x67,
		.attr = 0x8b,
	};
	b->c.s.ldtr = (struct cpu_segment){0};
	b->c.s.rip = 0x40000;
	b->c.s.gpr[CPU_RSP] = RUNSTACK;
	b->c.s.rflags = RFL_FIXED | RFL_IF;
}

struct bench *bench_prot32(void)
{
	struct bench *b = bench_new();

	protect(b);
	flat(b, K_CODE32, 0xc09b, K_DATA, 0xc093);
	b->c.s.idtr.limit = 8 * 256 - 1;
	poke32(b, AT_TSS + 4, KSTACK);
	poke16(b, AT_TSS + 8, K_DATA);
	for (unsigned v = 0; v < 256; v++)
		bench_gate(b, (uint8_t)v, K_CODE32, AT_HANDLE + v * 0x10, 0x8e, 0);
	return b;
}

struct bench *bench_prot32_user(void)
{
	struct bench *b = bench_prot32();

	flat(b, U_CODE32 | 3, 0xc0fb, U_DATA | 3, 0xc0f3);
	b->c.s.gpr[CPU_RSP] = USTACK;
	return b;
}

struct bench *bench_long(void)
{
	struct bench *b = bench_new();

	protect(b);
	b->c.s.cr0 |= CR0_PG;
	b->c.s.cr4 = CR4_PAE;
	b->c.s.efer = EFER_LME | EFER_LMA | EFER_SCE;
	flat(b, K_CODE, 0xa09b, K_DATA, 0xc093);
	b->c.s.idtr.limit = 16 * 256 - 1;
	poke64(b, AT_TSS + 4, KSTACK);
	poke64(b, AT_TSS + 36, IST1);
	for (unsigned v = 0; v < 256; v++)
		bench_gate(b, (uint8_t)v, K_CODE, AT_HANDLE + v * 0x10, 0x8e, 0);
	return b;
}

struct bench *bench_long_user(void)
{
	struct bench *b = bench_long();

	flat(b, U_CODE | 3, 0xa0fb, U_DATA | 3, 0xc0f3);
	b->c.s.gpr[CPU_RSP] = USTACK;
	return b;
}

struct bench *bench_compat_user(void)
{
	struct bench *b = bench_long_user();

	b->c.s.seg[CPU_CS].selector = U_CODE32 | 3;
	b->c.s.seg[CPU_CS].attr = 0xc0fb;
	return b;
}
