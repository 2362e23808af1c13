/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A CPU on a flat memory, for the unit tests of vmm/cpu: linear addresses are offsets into an
 * array, each page of which can be made absent, read-only or supervisor's.
 *
 * The tables are at fixed places, with the same selectors in every mode, so that a test can write
 * its expected values down by hand.
 */
#ifndef UMBRA_TESTS_CPU_BENCH_H
#define UMBRA_TESTS_CPU_BENCH_H

#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/cpu/deliver.h"
#include "vmm/cpu/segment.h"
#include "vmm/cpu/system.h"

#define MEM_SIZE (1u << 20)

/* Where things lie. */
#define AT_GDT	  0x1000u
#define AT_IDT	  0x2000u
#define AT_TSS	  0x3000u
#define AT_LDT	  0x4000u
#define KSTACK	  0x8000u  /* RSP0, grows down into page 7 */
#define IST1	  0xb008u  /* not aligned on purpose: delivery aligns it down */
#define USTACK	  0xa000u  /* grows down into page 9 */
#define RUNSTACK  0xd000u  /* what the kernel runs on */
#define AT_HANDLE 0x50000u /* handler of vector n is at AT_HANDLE + n * 0x10 */

/* Selectors. */
/* clang-format off */
enum {
	K_CODE = 0x08, K_DATA = 0x10, U_CODE32 = 0x18, U_DATA = 0x20, U_CODE = 0x28,
	TSS_SEL = 0x30, K_CODE32 = 0x40, K_CONF = 0x48, GATE_SEL = 0x50, LDT_SEL = 0x60,
	NP_DATA = 0x70, NP_CODE = 0x78, FRESH_DATA = 0x80, EXEC_ONLY = 0x88, BOTH_LD = 0x90,
	R1_CODE = 0x98, DOWN_DATA = 0xa0, STACK16 = 0xa8, TASK_SEL = 0xb0, RO_DATA = 0xb8,
	U_CODE16 = 0xc0, K_CODE16 = 0xc8, GDT_END = 0xd0
};
/* clang-format on */

enum { PAGE_ABSENT = 0, PAGE_P = 1, PAGE_W = 2, PAGE_U = 4 };

struct bench {
	struct cpu c;
	struct cpu_fault f;
	struct cpu_state before;
	uint8_t mem[MEM_SIZE];
	uint8_t page[MEM_SIZE / SH_PAGE_SIZE];
	unsigned set_crs; /* calls of set_cr */
	int last_cr;
	uint64_t last_val;
	unsigned invlpgs;
	unsigned lost_races;	/* cmpxchg fails as if another CPU had been there */
	unsigned reads_to_fail; /* the n-th read from now on fails with CPU_HOST; 0: none */
};

/* Each returns the same bench, made anew. */
struct bench *bench_real(void);
struct bench *bench_prot32(void); /* CPL 0, flat 32-bit */
struct bench *bench_prot32_user(void);
struct bench *bench_long(void); /* CPL 0, 64-bit */
struct bench *bench_long_user(void);
struct bench *bench_compat_user(void);

void bench_gate(struct bench *b, uint8_t vector, uint16_t selector, uint64_t off, unsigned attr,
		unsigned ist);
void bench_desc(struct bench *b, uint16_t selector, uint64_t raw);

void poke16(struct bench *b, uint64_t at, uint16_t val);
void poke32(struct bench *b, uint64_t at, uint32_t val);
void poke64(struct bench *b, uint64_t at, uint64_t val);
uint16_t peek16(const struct bench *b, uint64_t at);
uint32_t peek32(const struct bench *b, uint64_t at);
uint64_t peek64(const struct bench *b, uint64_t at);

#define EQ(actual, expected) CU_ASSERT_EQUAL((uint64_t)(actual), (uint64_t)(expected))
#define OK(b, call)	     CU_ASSERT_EQUAL((call), CPU_OK)

/* The call faults with this vector and error code and has changed no register. */
#define FAULTS(b, call, vec, err)                                                     \
	do {                                                                          \
		(b)->before = (b)->c.s;                                               \
		CU_ASSERT_EQUAL((call), CPU_FAULT);                                   \
		EQ((b)->f.vector, vec);                                               \
		EQ((b)->f.error, err);                                                \
		CU_ASSERT(memcmp(&(b)->before, &(b)->c.s, sizeof((b)->before)) == 0); \
	} while (0)

/* The call ends with CPU_BROKEN and this reason. */
#define BROKEN(b, call, reason)                             \
	do {                                                \
		CU_ASSERT_EQUAL((call), CPU_BROKEN);        \
		CU_ASSERT_PTR_NOT_NULL_FATAL((b)->f.why);   \
		CU_ASSERT_STRING_EQUAL((b)->f.why, reason); \
	} while (0)

/* The suites, one per file; each list ends with TAP_NO_CASE. */
extern const struct tap_case cpu_state_tests[], cpu_segment_tests[], cpu_linear_tests[],
	cpu_far_tests[], cpu_iret_tests[], cpu_syscall_tests[], cpu_deliver_tests[],
	cpu_chain_tests[], cpu_legacy_tests[], cpu_control_tests[], cpu_msr_tests[],
	cpu_io_tests[], cpu_property_tests[], cpu_task_tests[], cpu_v86_tests[];

#endif
