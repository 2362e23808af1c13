/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine small enough to test the interpreter on: flat memory without paging but with
 * permissions per page, a log of ports, and a CPU in any mode.
 */
#ifndef TESTS_INTERP_MACHINE_H
#define TESTS_INTERP_MACHINE_H

#include "vmm/interp/interp.h"

#define MACHINE_PAGES 64
#define MACHINE_SIZE  (MACHINE_PAGES * SH_PAGE_SIZE)

#define PAGE_R	 1u
#define PAGE_W	 2u
#define PAGE_X	 4u
#define PAGE_RWX 7u

struct machine {
	struct cpu cpu;
	struct interp *in;
	struct interp_info info;
	struct cpu_fault fault;
	uint64_t base; /* linear address of ram[0] */
	uint8_t *ram;
	uint8_t perm[MACHINE_PAGES];
	uint32_t in_value;
	unsigned ins, outs, last_size;
	uint16_t last_port;
	uint32_t last_out;
	unsigned reads, writes, cmpxchgs;
	unsigned lose; /* cmpxchg finds memory changed this many times */
	uint64_t invlpg;
	bool fast; /* translations can be looked up directly */
	struct tlb_entry tlb[MACHINE_PAGES];
};

/* Aborts when out of memory: a test has nothing better to do. */
struct machine *machine_create(uint64_t base);
void machine_destroy(struct machine *m);

/* Sets the CPU up for 64-bit CPL 0, flat 32-bit CPL 0, or real mode, with RIP at ip (real mode:
 * CS base 0). */
void machine_long(struct machine *m, uint64_t rip);
void machine_flat32(struct machine *m, uint32_t eip);
void machine_real(struct machine *m, uint16_t ip);
void machine_set_cpl(struct machine *m, unsigned cpl);

void machine_poke(struct machine *m, uint64_t va, const void *data, size_t len);
uint64_t machine_peek(const struct machine *m, uint64_t va, unsigned len);

/* Places the bytes, given as hex digits with spaces, at RIP and executes one instruction. */
enum cpu_result machine_step_hex(struct machine *m, const char *hex);
/* Places them at va. Returns their number. */
unsigned machine_code(struct machine *m, uint64_t va, const char *hex);
enum cpu_result machine_step(struct machine *m);
/* interp_step_deliver() until HLT, a failure, or n steps. */
enum cpu_result machine_run(struct machine *m, unsigned n);

#endif
