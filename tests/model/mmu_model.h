/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The reference MMU: what an x86 processor does with one memory access, written from the Intel SDM
 * (vol. 3, chapter 4) alone. It shares nothing with shadow/, not even a header, so that a mistake
 * there can't be repeated here by inclusion. Slow and simple on purpose.
 *
 * It changes nothing: the A and D bits an access would set are listed in the result.
 * Not modelled: PCID, CET, and the caching of translations.
 */
#ifndef UMBRA_TESTS_MMU_MODEL_H
#define UMBRA_TESTS_MMU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct mm_cpu {
	uint64_t cr0, cr3, cr4, efer;
	uint32_t pkru, pkrs;
	uint64_t pdpte[4]; /* PAE: as loaded by MOV CR3 (section 4.4.1) */
	unsigned maxphyaddr;
	bool gb_pages;
	/* Reads 4 or 8 bytes of physical memory; all ones where there is none. */
	uint64_t (*read)(void *ctx, uint64_t pa, unsigned bytes);
	void *ctx;
};

struct mm_access {
	uint64_t va;
	bool write, fetch;
	bool user;     /* CPL 3 */
	bool implicit; /* to a system structure: supervisor whatever the CPL */
	bool ac;       /* EFLAGS.AC */
};

enum mm_kind { MM_OK, MM_PF, MM_NOT_CANONICAL };

#define MM_MAX_MARKS 5

struct mm_mark {
	uint64_t pa;   /* of the entry */
	uint64_t bits; /* to be set in it, not yet set */
};

struct mm_result {
	enum mm_kind kind;
	uint32_t error; /* MM_PF */
	uint64_t pa;	/* MM_OK */
	uint64_t page_bytes;
	unsigned pat_index; /* MM_OK, section 4.9.2 */
	unsigned marks;
	struct mm_mark mark[MM_MAX_MARKS];
};

struct mm_result mm_translate(const struct mm_cpu *cpu, const struct mm_access *a);

/* What MOV CR3 does in PAE mode; false: #GP, a PDPTE has a reserved bit set. */
bool mm_load_pdptes(struct mm_cpu *cpu);

#endif
