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
_Static_assert(offsetof(struct cpu, user_sp) == CPU_USER_SP, "layout.h");
_Static_assert(offsetof(struct cpu, exec_sp) == CPU_EXEC_SP, "layout.h");

struct __attribute__((packed)) tss {
	u32 reserved0;
	ulong rsp[3];
	ulong reserved1;
	ulong ist[7];
	ulong reserved2;
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
static ulong gdt[MAX_CPUS][GDT_ENTRIES] __attribute__((aligned(16)));
static u8 fault_stack[MAX_CPUS][2048] __attribute__((aligned(16)));

static void gdt_fill(ulong *g, const struct tss *t)
{
	ulong base = (ulong)t;

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
	struct table_reg reg = {sizeof(gdt[0]) - 1, (ulong)gdt[index]};

	c->self = c;
	c->index = index;
	c->fault.vector = NO_FAULT;
	t->iomap = sizeof(*t);
	t->ist[0] = (ulong)(fault_stack[index] + sizeof(fault_stack[0]));
	gdt_fill(gdt[index], t);
	lgdt(&reg);
	asm volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");

	wrmsr(MSR_GS_BASE, (ulong)c);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_STAR, (ulong)STAR_USER << 48 | (ulong)SEL_KCODE << 32);
	wrmsr(MSR_LSTAR, (ulong)syscall_entry);
	wrmsr(MSR_SFMASK, SYSCALL_MASK);
	wrmsr(MSR_PAT, PAT_VALUE);
	trap_load();
}

void cpu_set_kstack(struct cpu *c, ulong top)
{
	c->kstack = top;
	tss[c->index].rsp[0] = top;
}

void print_registers(const struct trapframe *tf)
{
	print("# rip %04lx:%016lx rflags %06lx rsp %04lx:%016lx\n", tf->cs, tf->ip, tf->flags,
	      tf->ss, tf->sp);
	print("# rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", tf->rax, tf->rbx, tf->rcx,
	      tf->rdx);
	print("# rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", tf->rsi, tf->rdi, tf->rbp,
	      tf->r8);
	print("# r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", tf->r9, tf->r10, tf->r11,
	      tf->r12);
	print("# r13 %016lx r14 %016lx r15 %016lx cr3 %016lx\n", tf->r13, tf->r14, tf->r15,
	      read_cr3());
}
