/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Registers -> mode -> role. Read first: role.h.
 */
#include "shadow/mutant.h"
#include "shadow/role.h"

#define CR0_WP	 (1ull << 16)
#define CR0_PG	 (1ull << 31)
#define CR4_PSE	 (1ull << 4)
#define CR4_PAE	 (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define CR4_PKE	 (1ull << 22)
#define CR4_PKS	 (1ull << 24)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

static enum sh_format_id format_of(const struct sh_regs *r)
{
	if (!(r->cr0 & CR0_PG))
		return SH_FMT_NONE;
	if (!(r->cr4 & CR4_PAE))
		return SH_FMT_32;
	if (!(r->efer & EFER_LMA))
		return SH_FMT_PAE;
	return r->cr4 & CR4_LA57 ? SH_FMT_5LVL : SH_FMT_4LVL;
}

struct sh_mode sh_mode_of(const struct sh_regs *r, const struct sh_cpu_model *m)
{
	enum sh_format_id format = format_of(r);

	return (struct sh_mode){
		.format = format,
		.nxe = r->efer & EFER_NXE && format >= SH_FMT_PAE,
		.wp = r->cr0 & CR0_WP,
		.smep = r->cr4 & CR4_SMEP && format != SH_FMT_NONE,
		.smap = r->cr4 & CR4_SMAP && format != SH_FMT_NONE,
		.pse = format != SH_FMT_32 || r->cr4 & CR4_PSE,
		.maxphyaddr = m->maxphyaddr,
		.gb_pages = m->gb_pages,
		.pkru = r->cr4 & CR4_PKE && format >= SH_FMT_4LVL ? r->pkru : 0,
		.pkrs = r->cr4 & CR4_PKS && format >= SH_FMT_4LVL ? r->pkrs : 0,
	};
}

bool sh_role_reaches(struct sh_role r, unsigned index, unsigned levels)
{
	const struct sh_format *f = &sh_formats[r.format];
	unsigned shift = sh_shadow_shift(r.level);
	bool halved = f->canonical && r.level == f->levels && levels > f->levels;

	if (shift + 9 <= f->va_bits)
		return !halved || index >> 8 == (r.quadrant != 0);
	if (f->canonical) /* only copies of the sign select entries up here */
		return index == 0 || index == 511;
	return index >> (shift < f->va_bits ? f->va_bits - shift : 0) == 0;
}

struct sh_role sh_role_root(const struct sh_mode *mode, enum sh_view view, unsigned levels)
{
	bool kernel = view != SH_VIEW_USER;
	struct sh_role r = {.word = 0};

	r.level = levels & 7;
	r.format = mode->format & 7;
	r.user = !kernel;
	r.access = SH_ACC_ALL;
	r.nxe = mode->nxe;
	r.pse = mode->pse;
	r.direct = mode->format == SH_FMT_NONE;
	r.dirty = r.direct;
	r.wp = kernel && mode->wp;
	r.smep = kernel && mode->smep;
	r.pkru = sh_mutant(SH_MUT_PKRU_NOT_IN_ROLE) ? 0 : mode->pkru;
	r.pkrs = kernel ? mode->pkrs : 0;
	r.smap = view == SH_VIEW_KERNEL && mode->smap && !sh_mutant(SH_MUT_SMAP_IGNORES_AC);
	return r;
}

struct sh_role sh_role_child(struct sh_role parent, unsigned entry_access, bool large,
			     bool dirty)
{
	struct sh_role r = parent;

	r.level = (parent.level - 1u) & 7;
	r.access = parent.access & entry_access & SH_ACC_ALL;
	r.quadrant = 0;
	if (sh_mutant(SH_MUT_CHILD_LOSES_VIEW))
		r.user = 0;
	if (large) {
		r.direct = 1;
		r.dirty = dirty;
	}
	return r;
}
