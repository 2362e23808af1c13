/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The gate: the only ring-0 code inside the VM, and the memory it lives in.
 *
 * All guest code runs at CPL 3. An exception enters the gate through the real IDT; the stub of its
 * vector is one instruction, OUT imm8 with the vector as the port, so the monitor finds the vector in
 * kvm_run, the frame on the gate's stack, and every general register untouched in the synced
 * registers. On a host that interprets ring 0 this is what counts: one instruction in, one (IRETQ)
 * out. Work the monitor wants done on the way back (touches, invalidations) is a list in the vCPU's
 * command page, walked by gate_work.
 *
 * The gate's memory is mapped at PML4 slot 256 of every root with U=0:
 *
 *   GATE_VA + 0            IDT                       one page, shared
 *           + 0x1000       code                      one page, shared, read-only
 *           + GATE_CPU(i)  GDT, TSS, (guard), stack, commands    one set per vCPU
 *           + GATE_WINDOW  the pool of shadow tables, 2 MiB pages, for touches
 *
 * Owns: the gate area. Locks: none; each vCPU's pages belong to its thread, the rest is constant
 * after gate_build().
 * Read first: shadow/backend.h. Read next: gate_code.S, ../kvm/enter.c.
 */
#ifndef UMBRA_GATE_H
#define UMBRA_GATE_H

#define GATE_VA		0xffff800000000000
#define GATE_IDT	0x0000
#define GATE_CODE	0x1000
#define GATE_CPU_BASE	0x10000
#define GATE_CPU_STRIDE 0x8000
#define GATE_CPU_GDT	0x0000
#define GATE_CPU_TSS	0x1000
#define GATE_CPU_STACK	0x3000 /* 0x2000 is an unmapped guard */
#define GATE_CPU_CMD	0x4000
#define GATE_WINDOW	0x40000000

/* Ports of the stubs. Below 32: the exception's vector. */
#define GATE_PORT_SYSCALL 0x40
#define GATE_PORT_DONE	  0x41

/* Selectors in the real GDT; its first 0xf00 bytes shadow the guest's data descriptors. */
#define GATE_SEL_TSS 0xfa0
#define GATE_SEL_CS  0xfb0
#define GATE_SEL_SS  0xfb8
#define GATE_SEL_UDS 0xfc3 /* DPL 3 data */
#define GATE_SEL_UCS 0xfcb /* DPL 3 64-bit code */

#ifndef __ASSEMBLER__

#include "shadow/addr.h"

/* Offsets of labels in the code page. */
extern const char gate_code_start[], gate_code_end[];
extern const char gate_iret[], gate_touch_iret[], gate_invlpg_iret[], gate_work[],
	gate_pop_iret[], gate_done[], gate_syscall[], gate_stubs[];

static inline uint64_t gate_label(const char *label)
{
	return (uint64_t)GATE_VA + GATE_CODE + (uint64_t)(label - gate_code_start);
}

static inline uint64_t gate_cpu_va(unsigned cpu, unsigned page)
{
	return (uint64_t)GATE_VA + GATE_CPU_BASE + cpu * GATE_CPU_STRIDE + page;
}

struct gate_config {
	uint8_t *mem; /* host mapping of the gate's memory */
	mpa_t mpa;    /* where it lies */
	unsigned cpus;
	mpa_t window; /* first table of the pool, 2 MiB aligned */
	uint64_t window_bytes;
};

/* Pages of memory the gate needs for this many vCPUs and bytes of window. */
uint32_t gate_pages(unsigned cpus, uint64_t window_bytes);

struct gate {
	struct gate_config cfg;
	uint64_t pml4e;	  /* for slot 256 */
	mfn_t empty_root; /* a root with nothing but the gate */
};

/* Fills the memory: IDT, code, GDTs, TSSs, page tables. */
void gate_build(struct gate *g, const struct gate_config *cfg);

/* Host address of a page of a vCPU. */
void *gate_cpu_page(const struct gate *g, unsigned cpu, unsigned page);

/* gva through which the gate reaches the entry at mpa. */
static inline uint64_t gate_window_va(const struct gate *g, mpa_t slot)
{
	return (uint64_t)GATE_VA + GATE_WINDOW + (slot.v - g->cfg.window.v);
}

/* What the processor pushed (with the error code where the vector has one). */
struct gate_frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

#endif
#endif
