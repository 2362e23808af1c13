/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Measuring what this host's KVM is and does, in a small VM of its own: what `umbra doctor`
 * asks.
 *
 * Each measuring function fills one struct measured. arg is the function's own; a row of the
 * table of facts (doctor_facts.c) gives it. None blocks for longer than MEASURE_LIMIT_MS: a
 * timer kicks the vCPU out of whatever it does. Owns: one VM, its memory, one timer. Not
 * thread-safe; leaves nothing behind after measure_close(). Read next: measure_rig.h,
 * ../doctor.h.
 */
#ifndef UMBRA_MEASURE_H
#define UMBRA_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEASURE_LIMIT_MS 300
#define MEASURE_ROUNDS	 1000u
/* First word of the brand string that the rig gives its vCPU: "Umbr", which no processor has.
 */
#define MEASURE_BRAND 0x72626d55u

enum measured_kind {
	MEASURED_NOT,	 /* text says why */
	MEASURED_BOOL,	 /* yes */
	MEASURED_NUMBER, /* number */
	MEASURED_TIMES,	 /* number is the median, min the least */
	MEASURED_TEXT,	 /* text */
	MEASURED_LIST,	 /* list, count */
	MEASURED_INSN,	 /* how, vector, error, value; text says it in words */
};

/* What became of an instruction at CPL 3. */
enum measured_how { INSN_EXECUTES, INSN_TRAPS, INSN_ENTERS_GATE, INSN_EXITS, INSN_HANGS };

struct measured {
	enum measured_kind kind;
	bool yes; /* of MEASURED_INSN: value is worth showing */
	double number, min;
	char text[200];
	uint16_t list[512];
	unsigned count;
	enum measured_how how;
	unsigned vector;
	uint32_t error;
	uint64_t value;
	uint64_t at; /* of INSN_TRAPS: RIP, from the instruction's */
};

struct measure;
typedef void measure_fn(struct measure *m, const void *arg, struct measured *v);

/* NULL if there is no KVM to use, with the reason and what to do in msg. */
struct measure *measure_open(char *msg, size_t n);
void measure_close(struct measure *m);

/* What can be said without KVM: m may be NULL. measure_host.c */
measure_fn measure_cpu_model, measure_kernel;
/* The module behind /dev/kvm and its parameters. */
measure_fn measure_module, measure_parameters;
measure_fn measure_api, measure_cap; /* arg: const int *, a KVM_CAP_ */
extern const int measure_caps[];
enum {
	CAP_VCPUS,
	CAP_SLOTS,
	CAP_SYNC_REGS,
	CAP_IMMEDIATE_EXIT,
	CAP_STATS_FD,
	CAP_READONLY_MEM
};

/* How changes of tables are seen. measure_tables.c */
measure_fn measure_mode, measure_new_entry, measure_touch, measure_table_touch,
	measure_cr3_load, measure_rounds, measure_entry, measure_holes;

/* Times. measure_cost.c, measure_loop.c */
measure_fn measure_fault; /* arg: non-NULL to enter by registers */
measure_fn measure_out, measure_touch_cost, measure_touch_first, measure_table_cost,
	measure_invlpg_cost, measure_cr3_cost, measure_ioctl, measure_mmio;
measure_fn measure_kick, measure_interrupt;
measure_fn measure_loop64, measure_loop32, measure_loop_here, measure_ring0;

/* One instruction at CPL 3. arg: struct snippet. measure_insn.c */
enum snippet_show { SHOW_NOTHING, SHOW_RAX, SHOW_FLAGS, SHOW_BRAND };
struct snippet {
	const char *code; /* without the UD2 that follows */
	unsigned len;
	enum snippet_show show;
	uint64_t rflags; /* 0: those of all guest code: IF=1, IOPL=0 */
	uint64_t rax;
	bool irq_window; /* ask to be told when interrupts can be taken */
};
measure_fn measure_insn;
/* What MOV from CS and from SS read where the VM's own GDT is the real one. */
extern const uint64_t measure_own_cs, measure_own_ss;

#endif
