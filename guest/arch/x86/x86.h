/* SPDX-License-Identifier: BSD-2-Clause */
/* One wrapper per privileged instruction the kernel uses. Nothing here reads a selector or
 * RFLAGS. */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include "kernel/types.h"

#define MSR_PAT		   0x277
#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_SFMASK	   0xc0000084
#define MSR_GS_BASE	   0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_VM_HSAVE_PA	   0xc0010117

/* As after reset, but entry 4 is write-combining. */
#define PAT_VALUE 0x0007040100070406ULL

#define CR0_WP	(1UL << 16)
#define CR4_PGE (1UL << 7)

#define RFLAGS_FIXED 0x2UL
#define RFLAGS_IF    0x200UL
/* SYSCALL clears these: TF IF DF IOPL NT AC. */
#define SYSCALL_MASK 0x47700UL

static inline void outb(u16 port, u8 v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

/* 0 where the counter has gone back, which that of a virtual CPU may do when it is moved. */
static inline u64 cycles_since(u64 begin)
{
	u64 now = rdtsc();

	return now > begin ? now - begin : 0;
}

#define CR_ACCESSORS(n)                                                    \
	static inline ulong read_cr##n(void)                               \
	{                                                                  \
		ulong v;                                                   \
		asm volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                  \
	}                                                                  \
	static inline void write_cr##n(ulong v)                            \
	{                                                                  \
		asm volatile("mov %0, %%cr" #n : : "r"(v) : "memory");     \
	}
CR_ACCESSORS(0)
CR_ACCESSORS(2)
CR_ACCESSORS(3)
CR_ACCESSORS(4)

static inline void invlpg(ulong va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

static inline void sti(void)
{
	asm volatile("sti" : : : "memory");
}

/* STI holds interrupts off until HLT has begun, so no wake-up is lost in between. */
static inline void sti_hlt_cli(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}

struct __attribute__((packed)) table_reg {
	u16 limit;
	ulong base;
};

static inline void lidt(const struct table_reg *r)
{
	asm volatile("lidt %0" : : "m"(*r) : "memory");
}

static inline void lgdt(const struct table_reg *r)
{
	asm volatile("lgdt %0" : : "m"(*r) : "memory");
}

#endif
