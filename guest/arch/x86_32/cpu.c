/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU state: struct cpu, GDT, TSS, GS. Each CPU writes only its own. Beside the processes'
 * stacks each CPU has the scheduler's; an AP boots on it. A double fault has no stack of its
 * own here: one that comes from a bad stack resets the machine.
 */
#include "mm/mm.h"
#include "x86.h"

_Static_assert(offsetof(struct cpu, self) == CPU_SELF, "layout.h");
_Static_assert(offsetof(struct cpu, exec_sp) == CPU_EXEC_SP, "layout.h");

struct tss {
	u32 link, sp0, ss0;
	u32 unused[22];
	u16 trap, iomap;
};

#define GDT_ENTRIES 13
#define DESC_KCODE  0x00cf9b000000ffffULL
#define DESC_KDATA  0x00cf93000000ffffULL
#define DESC_UCODE  0x00cffb000000ffffULL
#define DESC_UDATA  0x00cff3000000ffffULL
#define DESC_PERCPU 0x00cf930000000000ULL
#define DESC_TSS    0x0000890000000000ULL

struct cpu cpus[MAX_CPUS];
u32 cpu_count = 1;
static struct tss tss[MAX_CPUS] __attribute__((aligned(128)));
static u64 gdt[MAX_CPUS][GDT_ENTRIES] __attribute__((aligned(16)));

static u64 descriptor(u64 kind, const void *base, ulong limit)
{
	u64 at = (ulong)base;

	return kind | (limit & 0xffff) | (at & 0xffffff) << 16 | (at >> 24) << 56;
}

static void gdt_fill(u64 *g, const struct cpu *c, const struct tss *t)
{
	g[SEL_KCODE / 8] = DESC_KCODE;
	g[SEL_KDATA / 8] = DESC_KDATA;
	g[SEL_PERCPU / 8] = descriptor(DESC_PERCPU, c, 0xffff);
	g[SEL_UDATA / 8] = DESC_UDATA;
	g[SEL_UCODE / 8] = DESC_UCODE;
	g[SEL_TSS / 8] = descriptor(DESC_TSS, t, sizeof(*t) - 1);
}

/* The boot GDT and this one agree on 0x08 and 0x10, so those need no reload. */
void cpu_init(struct cpu *c, u32 index)
{
	struct tss *t = &tss[index];
	struct table_reg reg = {sizeof(gdt[0]) - 1, (ulong)gdt[index]};

	c->self = c;
	c->index = index;
	c->fault.vector = NO_FAULT;
	t->ss0 = SEL_KDATA;
	t->iomap = sizeof(*t);
	gdt_fill(gdt[index], c, t);
	lgdt(&reg);
	asm volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
	asm volatile("movl %0, %%gs" : : "r"(SEL_PERCPU) : "memory");
	wrmsr(MSR_PAT, PAT_VALUE);
	trap_load();
}

void cpu_set_kstack(struct cpu *c, ulong top)
{
	c->kstack = top;
	tss[c->index].sp0 = top;
}

void print_registers(const struct trapframe *tf)
{
	bool user = from_user(tf);

	print("# ip %04lx:%08lx flags %06lx sp %08lx\n", tf->cs, tf->ip, tf->flags,
	      user ? tf->sp : (ulong)&tf->sp);
	print("# eax %08lx ebx %08lx ecx %08lx edx %08lx\n", tf->eax, tf->ebx, tf->ecx,
	      tf->edx);
	print("# esi %08lx edi %08lx ebp %08lx cr3 %08lx\n", tf->esi, tf->edi, tf->ebp,
	      read_cr3());
}
