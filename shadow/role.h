/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mode: the paging-related state of a vCPU, digested. Role: everything besides the guest frame
 * that changes what a shadow page means; (gfn, role) is a shadow page's identity.
 *
 * The rule that makes the rest simple: **what an entry of a shadow page may permit is a function of
 * the page's key and of the guest table at its gfn, and of nothing else.** So anything that changes
 * how an entry is built must be in here, and nothing that is a page's state (invalid, pinned) may be.
 * Two things beyond that decide how much of it stands there at a time, and neither is in the key: a
 * tracked frame is held back from being written, and an entry that asks for a direct table may hold
 * a large leaf in its place, which maps the same with the same rights. The page that asks is the same
 * page with either.
 *
 * Read first: format.h. Locks: none.
 */
#ifndef UMBRA_SHADOW_ROLE_H
#define UMBRA_SHADOW_ROLE_H

#include "shadow/format.h"

/* The U/S bit of the hardware is spent on running guest kernels at CPL 3, so each guest address
 * space has one tree per privilege: a user view without anything a user may not touch, and a
 * kernel view; with SMAP, a second kernel view for EFLAGS.AC=1. */
enum sh_view { SH_VIEW_USER, SH_VIEW_KERNEL, SH_VIEW_KERNEL_AC, SH_VIEWS };

/* Accumulated access: the AND over the entries above (SDM vol. 3, section 4.6). */
#define SH_ACC_W   (1u << 0)
#define SH_ACC_U   (1u << 1)
#define SH_ACC_X   (1u << 2)
#define SH_ACC_ALL (SH_ACC_W | SH_ACC_U | SH_ACC_X)
/* What the leaf's protection key takes from data accesses; never part of a role's access. */
#define SH_ACC_KEY_AD (1u << 3)
#define SH_ACC_KEY_WD (1u << 4)

/* The virtual CPU's paging state as the guest set it. */
struct sh_regs {
	uint64_t cr0, cr3, cr4, efer;
	uint64_t pdpte[4];
	uint32_t pkru;
	uint32_t pkrs; /* MSR IA32_PKRS */
};

/* What the processor model allows. */
struct sh_cpu_model {
	uint8_t maxphyaddr; /* 32..52 */
	bool gb_pages;
};

struct sh_mode {
	enum sh_format_id format;
	bool nxe, wp, smep, smap;
	bool pse; /* PS is honoured: CR4.PSE in 32-bit paging, always in the others */
	uint8_t maxphyaddr;
	bool gb_pages;
	uint32_t pkru, pkrs; /* as they apply: 0, no denial, with CR4.PKE, PKS off */
};

struct sh_role {
	union {
		struct {
			uint32_t level : 3;    /* of the shadow table */
			uint32_t format : 3;   /* enum sh_format_id of the guest table */
			uint32_t user : 1;     /* user view */
			uint32_t direct : 1;   /* no guest table: maps gfn.. linearly */
			uint32_t access : 3;   /* SH_ACC_*, accumulated above this table */
			uint32_t quadrant : 2; /* which part of the guest table, see below */
			uint32_t nxe : 1;
			uint32_t wp : 1;    /* these three stay 0 in the user view: */
			uint32_t smep : 1;  /* they don't change it, so it is shared */
			uint32_t smap : 1;  /* SMAP in force: kernel view with AC=0 */
			uint32_t dirty : 1; /* direct: the large gpte's D is set */
			uint32_t pse : 1;   /* PS makes a directory entry a leaf */
		};
		uint32_t word;
	};
	/* Key rights that apply, 0 if off. Of a direct page, all in key 0: the large page's rights.
	 * The user view leaves pkrs 0, as it has no supervisor pages. */
	uint32_t pkru, pkrs;
};

static inline bool sh_role_eq(struct sh_role a, struct sh_role b)
{
	return a.word == b.word && a.pkru == b.pkru && a.pkrs == b.pkrs;
}

/* What stands behind a shadow page:
 *
 *   direct      nothing: it maps gfn.. linearly (a piece of a large page, or paging is off)
 *   passthrough nothing: a level above the guest's own top level; gfn is handed down
 *   registers   the PDPTEs of one vCPU (PAE, level 3), whose index stands for gfn
 *   table       the guest table in frame gfn; only these make a frame tracked
 *
 * A guest table of 1024 4-byte entries needs several shadow tables of 512 entries, its quadrants:
 * two of a page table, four of a directory (whose entries become two each). And where the hardware
 * has a level more than a guest with canonical addresses, the guest's top table is shadowed in two
 * halves (quadrants 0 and 3), because what lies between them is canonical for the hardware only. */
static inline bool sh_role_is_passthrough(struct sh_role r)
{
	return !r.direct && r.level > sh_formats[r.format].levels;
}

static inline bool sh_role_is_registers(struct sh_role r)
{
	return !r.direct && r.level <= sh_formats[r.format].levels &&
	       !sh_formats[r.format].level[r.level].perms;
}

static inline bool sh_role_is_table(struct sh_role r)
{
	return !r.direct && r.level <= sh_formats[r.format].levels &&
	       sh_formats[r.format].level[r.level].perms;
}

/* Digests registers (SDM vol. 3, section 4.1.1). */
struct sh_mode sh_mode_of(const struct sh_regs *r, const struct sh_cpu_model *m);

/* Entries of the guest table are split over two shadow entries each where 10 bits index it. A
 * shadow page of a table stands for 512 of these *positions*, and this is the first of them. */
static inline unsigned sh_role_split(struct sh_role r)
{
	return sh_formats[r.format].level[r.level].shift - sh_shadow_shift(r.level);
}

static inline unsigned sh_role_first(struct sh_role r)
{
	unsigned positions =
		1u << (sh_formats[r.format].level[r.level].bits + sh_role_split(r));

	return r.quadrant * 512u & (positions - 1);
}

/* Whether an address of the guest's format can lead through entry index of a shadow table of this
 * role, on hardware that walks so many levels. */
bool sh_role_reaches(struct sh_role r, unsigned index, unsigned levels);

/* Role of the top-level table for a view, on hardware that walks tables of so many levels. */
struct sh_role sh_role_root(const struct sh_mode *mode, enum sh_view view, unsigned levels);

/* Role of the table below an entry of a table with role parent, whose own access bits and large
 * flag are given. For a large leaf the child is direct. Its quadrant is 0. */
struct sh_role sh_role_child(struct sh_role parent, unsigned entry_access, bool large,
			     bool dirty);

/* Which view an access by this privilege needs. ac is EFLAGS.AC. */
static inline enum sh_view sh_view_of(const struct sh_mode *m, bool user, bool ac)
{
	if (user)
		return SH_VIEW_USER;
	return m->smap && ac ? SH_VIEW_KERNEL_AC : SH_VIEW_KERNEL;
}

#endif
