/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the shadow MMU's benchmarks share: a machine whose guest maps frames one after the other, and
 * no hardware behind it. Every result is one line: name, number, unit.
 */
#ifndef UMBRA_TESTS_BENCH_H
#define UMBRA_TESTS_BENCH_H

#include "shadow/mmu.h"

#define BENCH_VCPUS 8u
#define BENCH_RWUAD (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

struct bench_config {
	uint64_t lowmem; /* bytes of guest RAM always mapped for the host */
	uint64_t pages;	 /* mapped by the guest, from gva 0 on, each to a frame of its own */
	uint32_t limit;	 /* of shadow tables; 0: enough */
	bool large;	 /* large leaves may be made */
};

struct bench {
	struct gmem *gm;
	struct sh_mmu *mmu;
	struct sh_vcpu *v[BENCH_VCPUS];
	uint64_t *tables;
	uint64_t table_bytes;
	uint64_t first_table; /* frame of the guest's first page table; the others follow */
	uint64_t first_page;  /* likewise of what they map */
};

void bench_create(struct bench *b, const struct bench_config *cfg);
void bench_destroy(struct bench *b);

/* Registers of an address space; there are two, 1 and 2, that share all but the top. */
struct sh_regs bench_regs(unsigned root);
/* The guest's entry for the table of gva number, as it stands or 0. */
void bench_set_table(struct bench *b, uint64_t number, bool present);
/* A hidden fault on page number. */
void bench_fault(struct bench *b, unsigned vcpu, uint64_t page);

double bench_now(void); /* ns of the wall clock */
double bench_cpu(void); /* ns of this thread: what others run on this host is not in it */
_Noreturn void bench_die(const char *why);
void bench_print(const char *group, const char *what, double value, const char *unit);

void bench_threads(void);
void bench_memory(void);
void bench_dmap(void);
void bench_unmap(void);

#endif
