/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest walk: translates a gva through the guest's own tables as the processor would, with
 * its permission checks, exact #PF error code, and A and D bits set by compare-and-exchange.
 *
 * Permission logic stands here (for the guest's verdict) and, derived from the same accumulated
 * access, in spte.c (for what the hardware may do); nowhere else.
 *
 * Read first: role.h, gmem.h. Locks: none; guest entries change under the walk and every one is
 * read once, atomically.
 */
#ifndef UMBRA_SHADOW_WALK_H
#define UMBRA_SHADOW_WALK_H

#include "shadow/gmem.h"
#include "shadow/role.h"

/* What is being tried, or-ed. */
#define SH_READ	    0u
#define SH_WRITE    (1u << 0)
#define SH_USER	    (1u << 1) /* by CPL 3 */
#define SH_FETCH    (1u << 2)
#define SH_IMPLICIT (1u << 3) /* supervisor whatever the CPL; SMAP applies whatever AC */
#define SH_AC	    (1u << 4) /* EFLAGS.AC is 1 */
#define SH_PEEK	    (1u << 5) /* change nothing: no A, no D */

/* #PF error code bits. */
#define SH_PF_P	   (1u << 0)
#define SH_PF_W	   (1u << 1)
#define SH_PF_U	   (1u << 2)
#define SH_PF_RSVD (1u << 3)
#define SH_PF_I	   (1u << 4)
#define SH_PF_PK   (1u << 5) /* the key denies the access, whatever else does (SDM 4.7) */

enum sh_walk_result {
	SH_WALK_OK,
	SH_WALK_FAULT,	   /* true fault: w->error */
	SH_WALK_NOT_CANON, /* the address is not canonical: #GP or #SS, not #PF */
	SH_WALK_HOST,	   /* sh_translate() only: the host refused a window */
};

struct sh_walk {
	gva_t gva;
	unsigned top;			 /* highest level walked */
	unsigned level;			 /* of the leaf, or of the entry that faulted */
	uint64_t gpte[SH_MAX_LEVEL + 1]; /* by level, as last seen (with A/D set) */
	gfn_t table[SH_MAX_LEVEL + 1];	 /* guest table each entry stands in */
	gpa_t entry[SH_MAX_LEVEL + 1];	 /* where each entry stands */
	uint8_t access[SH_MAX_LEVEL +
		       1];   /* accumulated through each entry, own bits included */
	gpa_t gpa;	     /* the translation */
	unsigned page_shift; /* 12, 21, 22 or 30 */
	uint8_t pat_index;   /* of the leaf: PAT << 2 | PCD << 1 | PWT */
	uint32_t error;	     /* with SH_WALK_FAULT */
	uint8_t marked[SH_MAX_LEVEL + 1]; /* A, D bits that the walk set */
	unsigned retries;		  /* A/D exchanges lost to a racing writer */
};

/* Walks gva for an access of kind flags, in mode, from the table CR3 (or the PDPTEs) names. */
enum sh_walk_result sh_walk(struct gmem *gm, const struct sh_mode *mode,
			    const struct sh_regs *regs, gva_t gva, unsigned flags,
			    struct sh_walk *w);

/* Access bits of one present entry by itself. */
unsigned sh_gpte_access(const struct sh_mode *mode, const struct sh_level *lv, uint64_t gpte);

/* SH_ACC_KEY_*: what the key of a leaf takes away, acc being accumulated (SDM vol. 3, 4.6.2). */
unsigned sh_key_access(uint32_t pkru, uint32_t pkrs, unsigned acc, unsigned key);

/* The protection key of a leaf; without keys in force it does not matter. */
static inline unsigned sh_gpte_key(uint64_t gpte)
{
	return gpte >> 59 & 15;
}

/* Whether accumulated access acc permits an access of kind flags in mode; the one rule of
 * SDM vol. 3 section 4.6. */
bool sh_access_ok(const struct sh_mode *mode, unsigned acc, unsigned flags);

/* Whether an entry of this level maps a page rather than naming a table. */
static inline bool sh_gpte_large(const struct sh_format *f, const struct sh_mode *mode,
				 unsigned level, uint64_t gpte)
{
	return f->level[level].ps && (gpte & PTE_PS) &&
	       (level == 2 ? mode->pse : mode->gb_pages);
}

/* Reads the guest entry at gpa, of the format's size; all ones where there is no RAM, as an open
 * bus reads, which the reserved-bit check then turns into a fault. */
uint64_t sh_gpte_read(struct gmem *gm, const struct sh_format *f, gpa_t gpa);

#endif
