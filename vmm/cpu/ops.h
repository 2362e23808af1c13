/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What instruction semantics need from the machine around them: memory at linear addresses,
 * ports, and to be told of changes of paging state. An engine provides one table of these; the
 * interpreter and the delivery of exceptions use nothing else.
 *
 * Results. Every call returns an enum cpu_result; on CPU_FAULT *f says which exception the
 * guest must take and nothing has been changed. CPU_FAULT is the guest's fault; CPU_BROKEN means
 * that the guest asked for something this machine can't go on from (reason in f->why);
 * CPU_HOST that the host failed (errno-like code in f->host_errno). The machine's own bugs
 * abort elsewhere.
 *
 * Read first: state.h. Read next: deliver.h, ../interp/interp.h.
 */
#ifndef UMBRA_CPU_OPS_H
#define UMBRA_CPU_OPS_H

#include "vmm/cpu/direct.h"
#include "vmm/cpu/state.h"

enum cpu_result {
	CPU_OK = 0,
	CPU_FAULT,  /* an exception is due: f->vector, f->error, f->cr2 */
	CPU_RETRY,  /* state changed under the instruction: run it again from its start */
	CPU_BROKEN, /* the guest can't go on; f->why says why */
	CPU_HOST,   /* the host failed; f->host_errno */
};

struct cpu_fault {
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t cr2; /* #PF only */
	const char *why;
	int host_errno;
	bool in_new_task; /* a task switch came first: the registers are the new task's */
};

/* Kinds of memory access, or-ed. IMPLICIT is a supervisor access whatever the CPL (descriptor
 * tables, TSS, stacks of inner levels: SDM vol. 3, section 4.6). */
#define MEM_READ     (1u << 0)
#define MEM_WRITE    (1u << 1)
#define MEM_FETCH    (1u << 2)
#define MEM_IMPLICIT (1u << 3)

struct cpu_ops {
	/* Reads len bytes (1..64, may cross a page) at linear address va. flags: MEM_READ, or
	 * MEM_READ|MEM_WRITE for a read that a write of the same operand follows (checks write
	 * permission, sets D), or MEM_FETCH; plus MEM_IMPLICIT. The privilege of the access is the
	 * CPL of s unless MEM_IMPLICIT. */
	enum cpu_result (*read)(void *m, struct cpu_state *s, gva_t va, void *buf, unsigned len,
				unsigned flags, struct cpu_fault *f);
	/* Writes likewise. A write that crosses a page changes nothing unless both pages allow it.
	 * Naturally aligned 1, 2, 4, 8 byte writes are single-copy atomic. */
	enum cpu_result (*write)(void *m, struct cpu_state *s, gva_t va, const void *buf,
				 unsigned len, unsigned flags, struct cpu_fault *f);
	/* LOCKed compare and exchange of len = 1, 2, 4, 8 or 16 bytes. *expect is updated to what
	 * was found; CPU_OK and *done = false if it differed. May cross a page. */
	enum cpu_result (*cmpxchg)(void *m, struct cpu_state *s, gva_t va, void *expect,
				   const void *desired, unsigned len, bool *done,
				   struct cpu_fault *f);
	/* As many instruction bytes as are readable at va without a fault, up to 15, in buf;
	 * *got >= 1 or CPU_FAULT. */
	enum cpu_result (*fetch)(void *m, struct cpu_state *s, gva_t va, uint8_t buf[15],
				 unsigned *got, struct cpu_fault *f);

	/* Physical ports; size 1, 2, 4. Permission was checked by the caller. */
	enum cpu_result (*in)(void *m, uint16_t port, unsigned size, uint32_t *val);
	enum cpu_result (*out)(void *m, uint16_t port, unsigned size, uint32_t val);

	/* Called before a control register or EFER takes its new, already validated value
	 * (reg: 0, 3, 4, 8, or a CPU_OP_). s holds the old one, which the caller then replaces.
	 * For reg 3, val keeps bit 63 (no flush). A change of CR0.PG that enters or leaves long
	 * mode is announced for reg 0 only: EFER.LMA follows from val and s->efer. s->pdpte still
	 * holds the old entries. */
	enum cpu_result (*set_cr)(void *m, struct cpu_state *s, int reg, uint64_t val,
				  struct cpu_fault *f);
	enum cpu_result (*invlpg)(void *m, struct cpu_state *s, gva_t va);
	enum cpu_result (*invpcid)(void *m, struct cpu_state *s, unsigned type, uint64_t pcid,
				   gva_t va, struct cpu_fault *f);

	/* MSRs that live outside struct cpu_state (the local APIC's, the TSC). CPU_FAULT (#GP) if
	 * there is none with that number. */
	enum cpu_result (*rdmsr)(void *m, struct cpu_state *s, uint32_t msr, uint64_t *val,
				 struct cpu_fault *f);
	enum cpu_result (*wrmsr)(void *m, struct cpu_state *s, uint32_t msr, uint64_t val,
				 struct cpu_fault *f);
	void (*cpuid)(void *m, const struct cpu_state *s, uint32_t leaf, uint32_t subleaf,
		      uint32_t out[4]);
	uint64_t (*rdtsc)(void *m, const struct cpu_state *s);
	/* Brings the vector and x87 registers into s->fpu, before an instruction that looks at them
	 * or (write) changes them; from then on s->fpu is their home, until the engine runs. CPU_OK
	 * or CPU_HOST. NULL where s->fpu always is. */
	enum cpu_result (*fpu)(void *m, struct cpu_state *s, bool write, struct cpu_fault *f);
	/* Reads len bytes of guest-physical memory, where the page tables play no part (the PDPTEs
	 * that MOV CR loads in PAE mode). Bytes with no memory behind them read as all ones. */
	enum cpu_result (*read_phys)(void *m, uint64_t gpa, void *buf, unsigned len);
	/* Where translations of explicit accesses by s can be looked up; false if nowhere now. NULL:
	 * never. With it, interp_ahead() executes what hits there. */
	bool (*direct)(void *m, const struct cpu_state *s, struct cpu_direct *d);
};

#define CPU_OP_EFER 100
#define CPU_OP_PKRU 101
#define CPU_OP_PKRS 102

/* Highest physical address bits of the virtual CPU (CPUID 0x80000008), for reserved-bit checks
 * of CR3 and MSRs that hold physical addresses. */
struct cpu_model {
	unsigned maxphyaddr;
	uint64_t cr4_allowed; /* bits that don't #GP */
	uint64_t efer_allowed;
	bool invpcid; /* the instruction exists */
};

struct cpu_debug;

/* Everything an instruction needs, in one place to pass around. */
struct cpu {
	struct cpu_state s;
	const struct cpu_ops *ops;
	void *m; /* first argument of every op */
	const struct cpu_model *model;
	const struct cpu_debug *debug; /* debugger.h; NULL: nobody wants to stop it */
	bool debug_pass;	       /* the next instruction is begun, point or not */
};

static inline enum cpu_result cpu_fault(struct cpu_fault *f, uint8_t vector)
{
	*f = (struct cpu_fault){.vector = vector};
	return CPU_FAULT;
}

static inline enum cpu_result cpu_fault_ec(struct cpu_fault *f, uint8_t vector, uint32_t error)
{
	*f = (struct cpu_fault){.vector = vector, .has_error = true, .error = error};
	return CPU_FAULT;
}

#endif
