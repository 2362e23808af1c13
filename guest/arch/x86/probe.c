/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses that are allowed to fault, each with an entry in the fixup table. The trap handler
 * leaves what it saw in struct cpu.fault. No state of its own, no locks; callers stay on one
 * CPU.
 */
#include "mm/mm.h"
#include "word.h"

/* Register that the instruction at label `at` continues at label `resume` if it faults. */
#define FIXUP(at, resume)                                  \
	".pushsection .fixup_table, \"a\"\n\t"             \
	".balign 8\n\t" ASM_WORD " " at ", " resume "\n\t" \
	".popsection\n\t"

static void begin(void)
{
	this_cpu()->fault.vector = NO_FAULT;
	asm volatile("" : : : "memory");
}

static bool end(struct fault *f)
{
	asm volatile("" : : : "memory");
	*f = this_cpu()->fault;
	return f->vector == NO_FAULT;
}

bool probe_read(ulong va, ulong *value, struct fault *f)
{
	ulong v = 0;

	begin();
	asm volatile("1: mov (%1), %0\n\t2:\n\t" FIXUP("1b", "2b")
		     : "+r"(v)
		     : "r"(va)
		     : "memory");
	*value = v;
	return end(f);
}

bool probe_write(ulong va, ulong value, struct fault *f)
{
	begin();
	asm volatile("1: mov %1, (%0)\n\t2:\n\t" FIXUP("1b", "2b")
		     :
		     : "r"(va), "r"(value)
		     : "memory");
	return end(f);
}

bool probe_call(ulong va, struct fault *f)
{
	begin();
	probe_exec(va);
	return end(f);
}

bool probe_wrmsr(u32 msr, u64 value, struct fault *f)
{
	begin();
	asm volatile("1: wrmsr\n\t2:\n\t" FIXUP("1b", "2b")
		     :
		     : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
		     : "memory");
	return end(f);
}

bool probe_rdmsr(u32 msr, u64 *value, struct fault *f)
{
	u32 lo = 0, hi = 0;

	begin();
	asm volatile("1: rdmsr\n\t2:\n\t" FIXUP("1b", "2b")
		     : "+a"(lo), "+d"(hi)
		     : "c"(msr)
		     : "memory");
	*value = (u64)hi << 32 | lo;
	return end(f);
}

/* One operand in a register. */
#define PROBE(name, insn)                                              \
	bool probe_##name(ulong value, struct fault *f)                \
	{                                                              \
		begin();                                               \
		asm volatile("1: " insn "\n\t2:\n\t" FIXUP("1b", "2b") \
			     :                                         \
			     : "r"(value)                              \
			     : "memory");                              \
		return end(f);                                         \
	}
PROBE(write_cr0, "mov %0, %%cr0")
PROBE(write_cr3, "mov %0, %%cr3")
PROBE(write_cr4, "mov %0, %%cr4")
PROBE(load_es, "mov %w0, %%es")
PROBE(load_fs, "mov %w0, %%fs")
PROBE(load_ldt, "lldt %w0")
PROBE(load_tr, "ltr %w0")

bool probe_ud(struct fault *f)
{
	begin();
	asm volatile("1: ud2\n\t2:\n\t" FIXUP("1b", "2b") : : : "memory");
	return end(f);
}

/* A trap, not a fault: what the CPU reports is the address behind INT3. */
bool probe_int3(struct fault *f)
{
	begin();
	asm volatile("int3\n\t2:\n\t" FIXUP("2b", "2b") : : : "memory");
	return end(f);
}

bool probe_divide(struct fault *f)
{
	ulong a = 1, d = 0;

	begin();
	asm volatile("1: div %2\n\t2:\n\t" FIXUP("1b", "2b")
		     : "+a"(a), "+d"(d)
		     : "r"(0UL)
		     : "memory");
	return end(f);
}

/* REP MOVSB with a fixup: what is left in RCX tells whether all of it was copied. */
static bool copy(void *dst, const void *src, size_t n)
{
	asm volatile("1: rep movsb\n\t2:\n\t" FIXUP("1b", "2b")
		     : "+D"(dst), "+S"(src), "+c"(n)
		     :
		     : "memory");
	return n == 0;
}

static bool user_range(ulong va, size_t n)
{
	return va < USER_END && n <= USER_END - va;
}

bool copy_from_user(void *dst, ulong src, size_t n)
{
	return user_range(src, n) && copy(dst, (const void *)src, n);
}

bool copy_to_user(ulong dst, const void *src, size_t n)
{
	return user_range(dst, n) && copy((void *)dst, src, n);
}
