/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Switches of the named bugs; empty but for test builds. Read first: mutant.h.
 */
#include "shadow/mutant.h"

#ifdef UMBRA_MUTANTS
bool sh_mutant_on[SH_MUTANTS];

const char *const sh_mutant_names[SH_MUTANTS] = {
	[SH_MUT_ACCESS_NOT_IN_KEY] = "access-not-in-key",
	[SH_MUT_NX_NOT_IN_ROLE] = "nx-not-in-role",
	[SH_MUT_NO_WRITE_PROTECT] = "no-write-protect",
	[SH_MUT_NO_FLUSH_ON_TRACK] = "no-flush-on-track",
	[SH_MUT_WALK_NOT_REVALIDATED] = "walk-not-revalidated",
	[SH_MUT_D_NOT_REQUIRED] = "d-not-required",
	[SH_MUT_STALE_RMAP] = "stale-rmap",
	[SH_MUT_CHILD_KEY_UNCHECKED] = "child-key-unchecked",
	[SH_MUT_TRACKED_WRITE_LOST] = "tracked-write-lost",
	[SH_MUT_FREE_WITHOUT_FLUSH] = "free-without-flush",
	[SH_MUT_A_LEAF_ONLY] = "a-leaf-only",
	[SH_MUT_USER_VIEW_SUPERVISOR] = "user-view-supervisor",
	[SH_MUT_WP_IGNORED] = "wp-ignored",
	[SH_MUT_SMEP_IGNORED] = "smep-ignored",
	[SH_MUT_INHERIT_INVALID] = "inherit-invalid",
	[SH_MUT_DROP_NOT_COUNTED] = "drop-not-counted",
	[SH_MUT_RSVD_SKIPPED_ON_PD] = "rsvd-skipped-on-pd",
	[SH_MUT_RSVD_WITHOUT_P] = "rsvd-without-p",
	[SH_MUT_LEAF_RIGHTS_ONLY] = "leaf-rights-only",
	[SH_MUT_X_BY_BOOL_MASK] = "x-by-bool-mask",
	[SH_MUT_D_ON_READ] = "d-on-read",
	[SH_MUT_LOST_EXCHANGE_IGNORED] = "lost-exchange-ignored",
	[SH_MUT_WP_IN_USER_VIEW] = "wp-in-user-view",
	[SH_MUT_SMAP_IGNORES_AC] = "smap-ignores-ac",
	[SH_MUT_CHILD_LOSES_VIEW] = "child-loses-view",
	[SH_MUT_DIRECT_OFF] = "direct-off",
	[SH_MUT_LINK_OVERWRITES] = "link-overwrites",
	[SH_MUT_LEAF_OVERWRITTEN] = "leaf-overwritten",
	[SH_MUT_ZAP_LEAVES_PARENTS] = "zap-leaves-parents",
	[SH_MUT_UNTRACK_EARLY] = "untrack-early",
	[SH_MUT_FIRST_ROLE_ONLY] = "first-role-only",
	[SH_MUT_CMPXCHG_UNTRACKED] = "cmpxchg-untracked",
	[SH_MUT_CROSSING_HALF_TRACKED] = "crossing-half-tracked",
	[SH_MUT_INVLPG_LOST] = "invlpg-lost",
	[SH_MUT_CR3_FLUSH_LOST] = "cr3-flush-lost",
	[SH_MUT_LOADED_NOT_PINNED] = "loaded-not-pinned",
	[SH_MUT_RECLAIM_IGNORES_PINS] = "reclaim-ignores-pins",
	[SH_MUT_FLOOD_IGNORES_PINS] = "flood-ignores-pins",
	[SH_MUT_PREFETCH_IGNORES_A] = "prefetch-ignores-a",
	[SH_MUT_PREFETCH_CLEAN_WRITABLE] = "prefetch-clean-writable",
	[SH_MUT_TOUCH_LOST] = "touch-lost",
	[SH_MUT_MOVE_DST_UNCHECKED] = "move-dst-unchecked",
	[SH_MUT_UNMAP_NULL] = "unmap-null",
	[SH_MUT_ALLOC_IN_WINDOW] = "alloc-in-window",
	[SH_MUT_ALLOC_UNSEEN] = "alloc-unseen",
	[SH_MUT_UNMAP_FIFO] = "unmap-fifo",
	[SH_MUT_NO_RECHECK] = "no-recheck",
	[SH_MUT_REUSE_UNFLUSHED] = "reuse-unflushed",
	[SH_MUT_CROSSING_NOT_RESERVED] = "crossing-not-reserved",
	[SH_MUT_WALK_TAKES_REFUSED] = "walk-takes-refused",
	[SH_MUT_NARROW_NOT_COUNTED] = "narrow-not-counted",
	[SH_MUT_KEY_IGNORES_WRITES] = "key-ignores-writes",
	[SH_MUT_KEY_WD_WITHOUT_WP] = "key-wd-without-wp",
	[SH_MUT_PK_BIT_MISSING] = "pk-bit-missing",
	[SH_MUT_PKRU_NOT_IN_ROLE] = "pkru-not-in-role",
};
#else
typedef int sh_mutant_file_is_not_empty;
#endif
