/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest entry -> shadow entry. Read first: spte.h.
 *
 * Every entry has U=1, because all guest code runs at CPL 3, and A=1, D=1, because what they would
 * tell is kept in the guest's own entries: a guest entry that is not accessed has no shadow entry,
 * one that is not dirty has a read-only one, and the fault that follows sets the bit.
 */
#include "shadow/spte.h"

unsigned sh_guest_index(struct sh_role role, unsigned index)
{
	return (sh_role_first(role) + index) >> sh_role_split(role);
}

uint64_t sh_page_gpte(const struct sh_mmu *mmu, const struct sh_page *p, unsigned index)
{
	const struct sh_format *f = &sh_formats[p->role.format];

	if (p->role.direct || sh_role_is_passthrough(p->role) ||
	    !sh_role_reaches(p->role, index, mmu->be.levels))
		return 0;
	if (sh_role_is_registers(p->role))
		return atomic_load(&mmu->pdpte[p->gfn.v][index]);
	return sh_gpte_read(
		mmu->gm, f,
		GPA(gfn_gpa(p->gfn).v + sh_guest_index(p->role, index) * f->entry_bytes));
}

unsigned sh_direct_access(struct sh_role role)
{
	return role.access | sh_key_access(role.pkru, role.pkrs, role.access, 0);
}

static struct sh_expect expect_direct(gfn_t gfn, struct sh_role role, unsigned index)
{
	unsigned below = role.level - 1u;
	gfn_t at = GFN(gfn.v + ((uint64_t)index << (9 * below)));

	if (sh_mutant(SH_MUT_DIRECT_OFF) && below == 1)
		at.v = gfn.v + (index << 8);

	if (!below)
		return (struct sh_expect){.kind = SH_EXPECT_LEAF,
					  .gfn = at,
					  .access = sh_direct_access(role),
					  .dirty = role.dirty};
	return (struct sh_expect){.kind = SH_EXPECT_TABLE,
				  .gfn = at,
				  .role = sh_role_child(role, SH_ACC_ALL, false, false)};
}

/* The low bits of its index say which quadrant the guest's top table shows below. */
static struct sh_expect expect_passthrough(gfn_t gfn, struct sh_role role, unsigned index)
{
	struct sh_role below = sh_role_child(role, SH_ACC_ALL, false, false);

	below.quadrant = index & 3;
	return (struct sh_expect){.kind = SH_EXPECT_TABLE, .gfn = gfn, .role = below};
}

/* The entry at index names a table, or a large page, whose part-th part the child shows. */
static struct sh_expect expect_below(struct sh_role role, unsigned index, unsigned own,
				     bool large, uint64_t gpte)
{
	const struct sh_format *f = &sh_formats[role.format];
	unsigned part = index & ((1u << sh_role_split(role)) - 1);
	struct sh_role below = sh_role_child(role, own, large, gpte & PTE_D);
	gfn_t gfn = gpa_gfn(sh_entry_addr(f, role.level, large, gpte));

	if (sh_mutant(SH_MUT_ACCESS_NOT_IN_KEY) && !large)
		below.access = SH_ACC_ALL;
	if (large) { /* its pieces have no entry with a key: the rights go where key 0 looks */
		below.pkru = below.pkru >> (2 * sh_gpte_key(gpte)) & 3;
		below.pkrs = below.pkrs >> (2 * sh_gpte_key(gpte)) & 3;
	}
	if (large)
		gfn.v += (uint64_t)part << (9 * below.level);
	else
		below.quadrant = part & 3;
	return (struct sh_expect){.kind = SH_EXPECT_TABLE, .gfn = gfn, .role = below};
}

struct sh_expect sh_expect(const struct sh_mmu *mmu, gfn_t gfn, struct sh_role role,
			   unsigned index, uint64_t gpte)
{
	const struct sh_format *f = &sh_formats[role.format];
	struct sh_mode mode = {.format = role.format,
			       .nxe = role.nxe,
			       .pse = role.pse,
			       .maxphyaddr = mmu->model.maxphyaddr,
			       .gb_pages = mmu->model.gb_pages};
	unsigned level = role.level, own;
	bool large;

	if (!sh_role_reaches(role, index, mmu->be.levels))
		return (struct sh_expect){.kind = SH_EXPECT_NONE};
	if (role.direct)
		return expect_direct(gfn, role, index);
	if (sh_role_is_passthrough(role))
		return expect_passthrough(gfn, role, index);
	large = sh_gpte_large(f, &mode, level, gpte);
	if (!(gpte & PTE_P) || (!(gpte & PTE_A) && f->level[level].has_a))
		return (struct sh_expect){.kind = SH_EXPECT_NONE};
	if (gpte & sh_rsvd_bits(f, level, large, mode.maxphyaddr, mode.nxe, mode.gb_pages))
		return (struct sh_expect){.kind = SH_EXPECT_NONE};
	own = sh_gpte_access(&mode, &f->level[level], gpte);
	if (level == 1) {
		own &= role.access;
		own |= sh_key_access(role.pkru, role.pkrs, own, sh_gpte_key(gpte));
		return (struct sh_expect){.kind = SH_EXPECT_LEAF,
					  .gfn = gpa_gfn(sh_entry_addr(f, 1, false, gpte)),
					  .access = own,
					  .dirty = gpte & PTE_D ||
						   sh_mutant(SH_MUT_D_NOT_REQUIRED)};
	}
	return expect_below(role, index, own, large, gpte);
}

static uint64_t leaf_bits(bool w, bool x)
{
	return PTE_P | PTE_U | PTE_A | PTE_D | (w ? PTE_W : 0) | (x ? 0 : PTE_NX);
}

uint64_t sh_spte_leaf(struct sh_role role, unsigned access, bool dirty, bool writable,
		      mfn_t mfn)
{
	bool user_page = access & SH_ACC_U;
	bool w = access & SH_ACC_W && !(access & SH_ACC_KEY_WD), x = access & SH_ACC_X;

	/* Fetches are still allowed, but the hardware has no execute-only entry for us: no entry, and
	 * sh_leaf_set() has the instruction emulated, as under SMAP without SMEP. */
	if (access & SH_ACC_KEY_AD)
		return 0;
	if (role.user && !user_page && !sh_mutant(SH_MUT_USER_VIEW_SUPERVISOR))
		return 0;
	if (!role.user) {
		if (role.smap && user_page)
			return 0;
		w = w || !role.wp || sh_mutant(SH_MUT_WP_IGNORED);
		x = x && !(role.smep && user_page && !sh_mutant(SH_MUT_SMEP_IGNORED));
	}
	if (role.user && sh_mutant(SH_MUT_WP_IN_USER_VIEW))
		w = true;
	if (sh_mutant(SH_MUT_X_BY_BOOL_MASK))
		x = x & (access & SH_ACC_X);
	return leaf_bits(w && dirty && writable, x) | mfn.v << SH_PAGE_SHIFT;
}

uint64_t sh_spte_table(mfn_t table)
{
	return PTE_P | PTE_W | PTE_U | PTE_A | table.v << SH_PAGE_SHIFT;
}

bool sh_spte_permits(uint64_t spte, unsigned flags)
{
	return spte & PTE_P && (spte & PTE_W || !(flags & SH_WRITE)) &&
	       !(spte & PTE_NX && flags & SH_FETCH);
}

bool sh_spte_narrows(uint64_t old, uint64_t new)
{
	if (!(old & PTE_P) || sh_mutant(SH_MUT_NARROW_NOT_COUNTED))
		return false;
	if (!(new &PTE_P) || !mfn_eq(sh_spte_mfn(old), sh_spte_mfn(new)))
		return true;
	return (old & PTE_W && !(new &PTE_W)) || (!(old & PTE_NX) && new &PTE_NX);
}
