/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest walk. Read first: walk.h.
 *
 * Order of events, from SDM vol. 3 section 4.6, 4.7 and 4.8: entries are read from the top; a
 * not-present or malformed entry ends the walk with a fault; permissions are judged on the whole
 * path at its end; only then are A bits set on all levels and D on the leaf. A lost exchange starts
 * the walk anew, because what lay below the changed entry may no longer be the path.
 */
#include <string.h>

#include "shadow/mutant.h"
#include "shadow/walk.h"

#define MAX_RETRIES 64 /* a guest that flips an entry faster than this is read as it stands */

uint64_t sh_gpte_read(struct gmem *gm, const struct sh_format *f, gpa_t gpa)
{
	uint64_t val = UINT64_MAX;
	uint32_t val32 = UINT32_MAX;

	if (f->entry_bytes == 8)
		return gmem_load64(gm, gpa, &val) ? UINT64_MAX : val;
	return gmem_load32(gm, gpa, &val32) ? UINT32_MAX : val32;
}

unsigned sh_gpte_access(const struct sh_mode *mode, const struct sh_level *lv, uint64_t gpte)
{
	unsigned acc = 0;

	if (!lv->perms)
		return SH_ACC_ALL;
	if (gpte & PTE_W)
		acc |= SH_ACC_W;
	if (gpte & PTE_U)
		acc |= SH_ACC_U;
	if (!mode->nxe || !(gpte & PTE_NX))
		acc |= SH_ACC_X;
	return acc;
}

unsigned sh_key_access(uint32_t pkru, uint32_t pkrs, unsigned acc, unsigned key)
{
	uint32_t rights = (acc & SH_ACC_U ? pkru : pkrs) >> (2 * key);

	return (rights & 1 ? SH_ACC_KEY_AD : 0) | (rights & 2 ? SH_ACC_KEY_WD : 0);
}

/* Keys know nothing of fetches; who accesses matters to WD only. */
static bool key_denies(const struct sh_mode *mode, unsigned acc, unsigned flags)
{
	bool user = (flags & SH_USER) && !(flags & SH_IMPLICIT);

	if (flags & SH_FETCH)
		return false;
	if (acc & SH_ACC_KEY_AD)
		return true;
	if (sh_mutant(SH_MUT_KEY_IGNORES_WRITES))
		return false;
	return flags & SH_WRITE && acc & SH_ACC_KEY_WD &&
	       (user || mode->wp || sh_mutant(SH_MUT_KEY_WD_WITHOUT_WP));
}

bool sh_access_ok(const struct sh_mode *mode, unsigned acc, unsigned flags)
{
	bool user_page = acc & SH_ACC_U;
	bool user = (flags & SH_USER) && !(flags & SH_IMPLICIT);

	if (flags & SH_FETCH && !(acc & SH_ACC_X))
		return false;
	if (key_denies(mode, acc, flags))
		return false;
	if (user)
		return user_page && (!(flags & SH_WRITE) || acc & SH_ACC_W);
	if (user_page && flags & SH_FETCH)
		return !mode->smep;
	if (user_page && mode->smap && (flags & SH_IMPLICIT || !(flags & SH_AC)))
		return false;
	return !(flags & SH_WRITE) || acc & SH_ACC_W || !mode->wp;
}

/* The error code's bits that say what was tried; I only where the manual defines it (SDM 4.7). */
static uint32_t error_of(const struct sh_mode *mode, unsigned flags)
{
	uint32_t e = 0;

	if (flags & SH_WRITE)
		e |= SH_PF_W;
	if (flags & SH_USER && !(flags & SH_IMPLICIT))
		e |= SH_PF_U;
	if (flags & SH_FETCH && (mode->nxe || mode->smep))
		e |= SH_PF_I;
	return e;
}

static enum sh_walk_result fault(struct sh_walk *w, const struct sh_mode *mode, unsigned flags,
				 uint32_t extra)
{
	w->error = error_of(mode, flags) | extra;
	return SH_WALK_FAULT;
}

/* Reads the entry of this level and judges it by itself. */
static enum sh_walk_result read_entry(struct gmem *gm, const struct sh_mode *mode,
				      const struct sh_regs *regs, unsigned flags,
				      struct sh_walk *w, bool *leaf)
{
	const struct sh_format *f = &sh_formats[mode->format];
	unsigned level = w->level;
	unsigned index = sh_index(f, level, w->gva);
	uint64_t gpte;

	if (f->level[level].perms) {
		w->entry[level] = GPA(gfn_gpa(w->table[level]).v + index * f->entry_bytes);
		gpte = sh_gpte_read(gm, f, w->entry[level]);
	} else {
		gpte = regs->pdpte[index];
	}
	w->gpte[level] = gpte;
	*leaf = level == 1 || sh_gpte_large(f, mode, level, gpte);
	if (!(gpte & PTE_P))
		return fault(w, mode, flags, 0);
	if (gpte & sh_rsvd_bits(f, level, *leaf && level > 1, mode->maxphyaddr, mode->nxe,
				mode->gb_pages) &&
	    !(sh_mutant(SH_MUT_RSVD_SKIPPED_ON_PD) && level == 2))
		return fault(w, mode, flags,
			     sh_mutant(SH_MUT_RSVD_WITHOUT_P) ? SH_PF_RSVD
							      : SH_PF_P | SH_PF_RSVD);
	w->access[level] =
		(level == w->top || sh_mutant(SH_MUT_LEAF_RIGHTS_ONLY) ? SH_ACC_ALL
								       : w->access[level + 1]) &
		sh_gpte_access(mode, &f->level[level], gpte);
	return SH_WALK_OK;
}

/* Sets the bits an access leaves behind. False: a racing writer won, walk again. */
static bool mark(struct gmem *gm, const struct sh_mode *mode, unsigned flags, struct sh_walk *w)
{
	const struct sh_format *f = &sh_formats[mode->format];

	for (unsigned level = w->top; level >= w->level; level--) {
		uint64_t old = w->gpte[level], want = old | PTE_A;

		if (level == w->level && (flags & SH_WRITE || sh_mutant(SH_MUT_D_ON_READ)))
			want |= PTE_D;
		if (level > w->level && sh_mutant(SH_MUT_A_LEAF_ONLY))
			continue;
		if (want == old || !f->level[level].has_a)
			continue;
		if (gmem_cmpxchg(gm, w->entry[level], &old, want, f->entry_bytes) != 1)
			return sh_mutant(SH_MUT_LOST_EXCHANGE_IGNORED);
		w->gpte[level] = want;
		w->marked[level] |= (uint8_t)(want ^ old);
	}
	return true;
}

/* PAT is bit 7 of a 4 KiB page's entry and bit 12 of a larger one's (SDM vol. 3, section 4.9.2). */
static uint8_t pat_index(unsigned level, uint64_t gpte)
{
	return (uint8_t)((gpte >> (level > 1 ? 12 : 7) & 1) << 2 | (gpte >> 3 & 3));
}

static enum sh_walk_result walk_once(struct gmem *gm, const struct sh_mode *mode,
				     const struct sh_regs *regs, unsigned flags,
				     struct sh_walk *w)
{
	const struct sh_format *f = &sh_formats[mode->format];
	enum sh_walk_result r;
	bool leaf = false;

	w->top = f->levels;
	w->table[w->top] = gpa_gfn(GPA(regs->cr3 & f->cr3_mask));
	for (w->level = w->top;; w->level--) {
		r = read_entry(gm, mode, regs, flags, w, &leaf);
		if (r != SH_WALK_OK)
			return r;
		if (leaf)
			break;
		w->table[w->level - 1] =
			gpa_gfn(sh_entry_addr(f, w->level, false, w->gpte[w->level]));
	}
	w->access[w->level] |= (uint8_t)sh_key_access(
		mode->pkru, mode->pkrs, w->access[w->level], sh_gpte_key(w->gpte[w->level]));
	w->pat_index = pat_index(w->level, w->gpte[w->level]);
	if (!sh_access_ok(mode, w->access[w->level], flags))
		return fault(w, mode, flags,
			     SH_PF_P | (key_denies(mode, w->access[w->level], flags) &&
							!sh_mutant(SH_MUT_PK_BIT_MISSING)
						? SH_PF_PK
						: 0));
	w->page_shift = f->level[w->level].shift;
	w->gpa = GPA(sh_entry_addr(f, w->level, w->level > 1, w->gpte[w->level]).v |
		     (w->gva.v & (sh_span(f, w->level) - 1)));
	return SH_WALK_OK;
}

/* Paging off: every address is its own translation (SDM vol. 3, section 4.1.1). */
static enum sh_walk_result walk_none(struct sh_walk *w)
{
	w->top = w->level = 0;
	w->access[0] = SH_ACC_ALL;
	w->pat_index = 0;
	w->page_shift = SH_PAGE_SHIFT;
	w->gpa = GPA(w->gva.v);
	return SH_WALK_OK;
}

enum sh_walk_result sh_walk(struct gmem *gm, const struct sh_mode *mode,
			    const struct sh_regs *regs, gva_t gva, unsigned flags,
			    struct sh_walk *w)
{
	enum sh_walk_result r;

	w->gva = sh_linear(&sh_formats[mode->format], gva);
	w->retries = 0;
	memset(w->marked, 0, sizeof(w->marked));
	w->error = 0;
	if (mode->format == SH_FMT_NONE)
		return walk_none(w);
	if (!sh_canonical(&sh_formats[mode->format], gva))
		return SH_WALK_NOT_CANON;
	do {
		r = walk_once(gm, mode, regs, flags, w);
		if (r != SH_WALK_OK || flags & SH_PEEK)
			return r;
	} while (!mark(gm, mode, flags, w) && ++w->retries < MAX_RETRIES);
	return r;
}
