/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Paging formats as constant tables: everything that differs between the five ways x86 lays out
 * page tables, so that walkers and builders loop over levels and never branch on a mode.
 *
 * Levels are numbered from the leaf: 1 is the page table, 2 the page directory, 3 the PDPT,
 * 4 the PML4, 5 the PML5 (SDM vol. 3, tables 4-1 and 4-2).
 * Read first: addr.h. Locks: none, constants only.
 */
#ifndef UMBRA_SHADOW_FORMAT_H
#define UMBRA_SHADOW_FORMAT_H

#include "shadow/addr.h"

#define SH_MAX_LEVEL 5

/* Bits common to all formats (SDM vol. 3, tables 4-14 to 4-20). */
#define PTE_P	(1ull << 0)
#define PTE_W	(1ull << 1)
#define PTE_U	(1ull << 2)
#define PTE_PWT (1ull << 3)
#define PTE_PCD (1ull << 4)
#define PTE_A	(1ull << 5)
#define PTE_D	(1ull << 6)
#define PTE_PS	(1ull << 7)
#define PTE_G	(1ull << 8)
#define PTE_NX	(1ull << 63)

enum sh_format_id {
	SH_FMT_NONE, /* paging off: gpa = gva */
	SH_FMT_32,   /* two levels of 4-byte entries */
	SH_FMT_PAE,  /* four cached PDPTEs and two levels of 8-byte entries */
	SH_FMT_4LVL,
	SH_FMT_5LVL,
	SH_FORMATS
};

struct sh_level {
	uint8_t shift; /* of the address bits that index this level */
	uint8_t bits;  /* how many of them */
	bool ps;       /* PS=1 makes an entry of this level a leaf */
	bool perms;    /* entries carry W, U and (with NXE) NX */
	bool has_a;    /* entries carry A */
};

struct sh_format {
	const char *name;
	uint8_t levels;	     /* top level; 0 for SH_FMT_NONE */
	uint8_t entry_bytes; /* 4 or 8 */
	uint8_t va_bits;     /* linear address bits that are translated */
	bool canonical;	     /* bits above va_bits must repeat the top one */
	uint64_t cr3_mask;   /* of CR3's bits that hold the table's address */
	struct sh_level level[SH_MAX_LEVEL + 1]; /* [0] unused */
};

extern const struct sh_format sh_formats[SH_FORMATS];

/* Index into a table of this level. */
static inline unsigned sh_index(const struct sh_format *f, unsigned level, gva_t va)
{
	return (va.v >> f->level[level].shift) & ((1u << f->level[level].bits) - 1);
}

/* Where the address bits that index a *shadow* table of this level begin: 512 entries of 8 bytes at
 * every level, whatever the guest's format. */
static inline unsigned sh_shadow_shift(unsigned level)
{
	return 3 + 9 * level;
}

/* The linear address as this format's walk sees it: outside of long mode it has 32 bits. */
static inline gva_t sh_linear(const struct sh_format *f, gva_t va)
{
	return f->canonical ? va : GVA(va.v & 0xffffffffull);
}

/* Bytes one entry of this level maps. */
static inline uint64_t sh_span(const struct sh_format *f, unsigned level)
{
	return 1ull << f->level[level].shift;
}

bool sh_canonical(const struct sh_format *f, gva_t va);

/* Reserved bits of an entry of this level (SDM vol. 3, section 4.4.2 and figures 4-4 to 4-11).
 * maxphyaddr is the virtual CPU's; nxe is EFER.NXE; large says the entry has PS=1 as a leaf. */
uint64_t sh_rsvd_bits(const struct sh_format *f, unsigned level, bool large,
		      unsigned maxphyaddr, bool nxe, bool gb_pages);

/* Address in an entry: of the next table (large false) or of the page (large true). Undoes
 * PSE-36 for 4 MiB pages. */
gpa_t sh_entry_addr(const struct sh_format *f, unsigned level, bool large, uint64_t entry);

#endif
