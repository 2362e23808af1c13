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
	[SH_MUT_KEY_IGNORES_WRITES] = "key-ignores-writes",
	[SH_MUT_KEY_WD_WITHOUT_WP] = "key-wd-without-wp",
	[SH_MUT_PK_BIT_MISSING] = "pk-bit-missing",
	[SH_MUT_PKRU_NOT_IN_ROLE] = "pkru-not-in-role",
};
#else
typedef int sh_mutant_file_is_not_empty;
#endif
