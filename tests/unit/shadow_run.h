/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside a random program: its state, what it draws at random, and the steps that concern registers.
 * Private to shadow_program.c, shadow_draw.c and shadow_regs.c. Read first: shadow_program.h.
 */
#ifndef UMBRA_TESTS_SHADOW_RUN_H
#define UMBRA_TESTS_SHADOW_RUN_H

#include "tests/model/stale.h"
#include "tests/unit/shadow_program.h"

#define TABLES	 12u /* frames 0..11 are what entries like to name as tables */
#define FRAMES	 32u /* frames the program plays with */
#define VA_SLOTS 6u
#define VCPUS	 2u

#define LARGE	512u /* frames of a region of 2 MiB: what large pages name */
#define REGIONS 16u /* the memory's; the first has the tables, the next four one now and then */

#define PDPTS  TABLES /* the frame PDPTs of PAE are taken from */
#define PCIDS  4u
#define RECENT 4u

#define R_PGE	(1ull << 7)
#define R_PCIDE (1ull << 17)
#define NOFLUSH (1ull << 63) /* of the operand of MOV CR3 */

struct run {
	struct fake f;
	unsigned formats;
	enum program_bug bug;
	struct verdict *v;
	struct stale *s; /* knows what memory should hold, too */
	uint64_t rng;
	/* The access under way, and what the tables said before it. */
	const struct mm_result *now;
	uint64_t recent[VCPUS][RECENT]; /* pages accessed */
};

#define FAIL(r, ...)                                                             \
	do {                                                                     \
		if (!(r)->v->failed)                                             \
			snprintf((r)->v->why, sizeof((r)->v->why), __VA_ARGS__); \
		(r)->v->failed = true;                                           \
	} while (0)

/* Indices of entries that addresses and writes favour. */
extern const unsigned slots[VA_SLOTS];

uint64_t rnd(struct run *r);
bool chance(struct run *r, unsigned percent);
/* The frame of a table in one of the regions that large pages name. */
uint64_t upper_table(struct run *r);
/* An entry, or two of 4 bytes. */
uint64_t random_entry(struct run *r);
uint64_t random_bytes(struct run *r, unsigned offset);
uint64_t random_va(struct run *r, unsigned vcpu);
uint64_t some_va(struct run *r, unsigned vcpu);
unsigned random_offset(struct run *r, unsigned size);
const struct sh_format *format_of(struct run *r, unsigned vcpu);
bool canonical(struct run *r, unsigned vcpu, uint64_t va);

/* Changes the bits of registers that choose a format. */
void set_format(struct sh_regs *regs, enum sh_format_id format);
void jump(struct run *r, unsigned vcpu, const struct sh_regs *regs);
void step_format(struct run *r);
void step_cr3(struct run *r);
void step_mode(struct run *r);

#endif
