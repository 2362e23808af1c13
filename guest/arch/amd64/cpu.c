/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU state: struct cpu, GDT, TSS, the SYSCALL registers, GS. Each CPU writes only its own.
 * Two stacks beside the processes': the scheduler's (an AP boots on it) and one for double
 * faults.
 */
#include "mm/mm.h"
#include "x86.h"

_Static_assert(offsetof(struct cpu, self) == CPU_SELF, "layout.h");
_Static_assert(offsetof(struct cpu, kstack) == CPU_KSTACK, "layout.h");
_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "layout.h");
_Static_assert(offsetof(struct cpu, exec_rsp) == CPU_EXEC_RSP, "layout.h");

struct __attribute__((packed)) tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
};

#define GDT_ENTRIES 14
#define DESC_KCODE  0x00af9b000000ffffUL
#define DESC_KDATA  0x00cf93000000ffffUL
#define DESC_UCODE  0x00affb000000ffffUL
#define DESC_UDATA  0x00cff3000000ffffUL
#define DESC_TSS    0x0000890000000000UL

struct cpu cpus[MAX_CPUS];
u32 cpu_count = 1;
static struct tss tss[MAX_CPUS] __attribute__((aligned(16)));
static u64 gdt[MAX_CPUS][GDT_ENTRIES] __attribute__((aligned(16)));
static u8 fault_stack[MAX_CPUS][2048] __attribute__((aligned(16)));

static void gdt_fill(u64 *g, const struct tss *t)
{
	u64 base = (u64)t;

	g[SEL_KCODE / 8] = DESC_KCODE;
	g[SEL_KDATA / 8] = DESC_KDATA;
	g[SEL_UDATA / 8] = DESC_UDATA;
	g[SEL_UCODE / 8] = DESC_UCODE;
	g[SEL_TSS / 8] = DESC_TSS | (sizeof(*t) - 1) | (base & 0xffffff) << 16 |
			 (base >> 24 & 0xff) << 56;
	g[SEL_TSS / 8 + 1] = base >> 32;
}

/* The boot GDT and this one agree on 0x08 and 0x10, so CS and SS need no reload. */
void cpu_init(struct cpu *c, u32 index)
{
	struct tss *t = &tss[index];
	struct table_reg reg = {sizeof(gdt[0]) - 1, (u64)gdt[index]};

	c->self = c;
	c->index = index;
	c->fault.vector = NO_FAULT;
	t->iomap = sizeof(*t);
	t->ist[0] = (u64)(fault_stack[index] + sizeof(fault_stack[0]));
	gdt_fill(gdt[index], t);
	lgdt(&reg);
	asm volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");

	wrmsr(MSR_GS_BASE, (u64)c);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_STAR, (u64)STAR_USER << 48 | (u64)SEL_KCODE << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SFMASK, SYSCALL_MASK);
	trap_load();
}

void cpu_set_kstack(struct cpu *c, u64 top)
{
	c->kstack = top;
	tss[c->index].rsp[0] = top;
}
