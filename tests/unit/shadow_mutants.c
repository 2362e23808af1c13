/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Do the tests have teeth? Each named bug of shadow/mutant.h is switched on in a child process, and
 * the test named for it must fail there, or hang, or crash; with the bug off it must pass.
 * Linked with a build of the library that has the bugs in it (UMBRA_MUTANTS).
 * Read first: shadow_fixture.h, shadow/mutant.h.
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/mutant.h"
#include "tests/unit/shadow_fixture.h"

static const struct {
	const struct tap_case *suite;
	const char *test;
} killer[SH_MUTANTS_LIBRARY] = {
	[SH_MUT_ACCESS_NOT_IN_KEY] = {suite_rights, "a table shared under different rights"},
	[SH_MUT_NX_NOT_IN_ROLE] = {suite_rights, "EFER.NXE"},
	[SH_MUT_NO_WRITE_PROTECT] = {suite_write, "a writable page becomes a table"},
	[SH_MUT_NO_FLUSH_ON_TRACK] = {suite_write, "a writable page becomes a table"},
	[SH_MUT_WALK_NOT_REVALIDATED] = {suite_race,
					 "the guest entry is read again before the install"},
	[SH_MUT_D_NOT_REQUIRED] = {suite_fault, "D on the first write"},
	[SH_MUT_STALE_RMAP] = {suite_fault, "INVLPG after a change"},
	[SH_MUT_CHILD_KEY_UNCHECKED] = {suite_large, "D of a large page"},
	[SH_MUT_TRACKED_WRITE_LOST] = {suite_write, "tracked writes of 1, 2, 4 and 8 bytes"},
	[SH_MUT_FREE_WITHOUT_FLUSH] = {suite_reclaim, "tables reused after a shootdown only"},
	[SH_MUT_A_LEAF_ONLY] = {suite_race, "a lost exchange restarts the walk"},
	[SH_MUT_USER_VIEW_SUPERVISOR] = {suite_rights, "the user view has no supervisor page"},
	[SH_MUT_WP_IGNORED] = {suite_rights, "CR0.WP"},
	[SH_MUT_SMEP_IGNORED] = {suite_rights, "CR4.SMEP"},
	[SH_MUT_INHERIT_INVALID] = {suite_reclaim, "many address spaces at the least limit"},
	[SH_MUT_DROP_NOT_COUNTED] = {suite_write, "a dropped translation, then a table"},
	[SH_MUT_RSVD_SKIPPED_ON_PD] = {suite_large, "2 MiB pages"},
	[SH_MUT_RSVD_WITHOUT_P] = {suite_fault, "true faults and their error codes"},
	[SH_MUT_LEAF_RIGHTS_ONLY] = {suite_rights, "a table shared under different rights"},
	[SH_MUT_X_BY_BOOL_MASK] = {suite_rights, "EFER.NXE"},
	[SH_MUT_D_ON_READ] = {suite_fault, "D on the first write"},
	[SH_MUT_LOST_EXCHANGE_IGNORED] = {suite_race, "a lost exchange restarts the walk"},
	[SH_MUT_WP_IN_USER_VIEW] = {suite_rights, "a table shared under different rights"},
	[SH_MUT_SMAP_IGNORES_AC] = {suite_rights, "CR4.SMAP with both values of AC"},
	[SH_MUT_CHILD_LOSES_VIEW] = {suite_rights, "the user view has no supervisor page"},
	[SH_MUT_DIRECT_OFF] = {suite_large, "1 GiB pages"},
	[SH_MUT_LINK_OVERWRITES] = {suite_large, "D of a large page"},
	[SH_MUT_LEAF_OVERWRITTEN] = {suite_fault, "INVLPG after a change"},
	[SH_MUT_ZAP_LEAVES_PARENTS] = {suite_write,
				       "flood: no longer shadowed, writable again"},
	[SH_MUT_UNTRACK_EARLY] = {suite_life, "one of two roles goes, the table stays tracked"},
	[SH_MUT_FIRST_ROLE_ONLY] = {suite_rights, "a table shared under different rights"},
	[SH_MUT_CMPXCHG_UNTRACKED] = {suite_write, "compare and exchange"},
	[SH_MUT_CROSSING_HALF_TRACKED] = {suite_write, "writes across a page"},
	[SH_MUT_INVLPG_LOST] = {suite_fault, "INVLPG after a change"},
	[SH_MUT_CR3_FLUSH_LOST] = {suite_life, "MOV CR3 drops translations"},
	[SH_MUT_LOADED_NOT_PINNED] = {suite_life,
				      "a loaded root lives until another is loaded"},
	[SH_MUT_RECLAIM_IGNORES_PINS] = {suite_life, "reclaim spares the roots in use"},
	[SH_MUT_FLOOD_IGNORES_PINS] = {suite_life, "a root in use outlives a flood"},
	[SH_MUT_PREFETCH_IGNORES_A] = {suite_life,
				       "a neighbour not yet accessed is not mapped"},
	[SH_MUT_PREFETCH_CLEAN_WRITABLE] = {suite_fault, "D on the first write"},
	[SH_MUT_TOUCH_LOST] = {suite_engine, "KVM that shadows our tables"},
	[SH_MUT_MOVE_DST_UNCHECKED] = {suite_windows, "HM-1 a move refused at every index"},
	[SH_MUT_UNMAP_NULL] = {suite_windows, "HM-2 a window that was not had is not closed"},
	[SH_MUT_ALLOC_IN_WINDOW] = {suite_windows, "HM-3 a move does not wait in a window"},
	[SH_MUT_ALLOC_UNSEEN] = {suite_windows, "HM-4 slots stolen at every wait of a move"},
	[SH_MUT_UNMAP_FIFO] = {suite_windows, "HM-5 last in, first out"},
	[SH_MUT_NO_RECHECK] = {suite_pool, "HM-7 who waited looks again"},
	[SH_MUT_REUSE_UNFLUSHED] = {suite_pool, "HM-8 one flush a wrap, none is stale"},
	[SH_MUT_CROSSING_NOT_RESERVED] = {suite_windows_mmu,
					  "a write into two frames, whole or not at all"},
	[SH_MUT_WALK_TAKES_REFUSED] = {suite_windows_mmu,
				       "a window the host refuses is no fault of the guest"},
	[SH_MUT_NARROW_NOT_COUNTED] = {suite_life, "a narrowed translation, then a table"},
	[SH_MUT_KEY_IGNORES_WRITES] = {suite_keys, "protection keys against the reference"},
	[SH_MUT_KEY_WD_WITHOUT_WP] = {suite_keys, "protection keys against the reference"},
	[SH_MUT_PK_BIT_MISSING] = {suite_keys, "protection keys against the reference"},
	[SH_MUT_PKRU_NOT_IN_ROLE] = {suite_keys, "protection keys against the reference"},
	[SH_MUT_NEW_LEAF_WRITABLE] = {suite_rules, "a new leaf of a table"},
	[SH_MUT_INVLPG_ONE_PIECE] = {suite_rules, "INVLPG of a large page"},
	[SH_MUT_OTHERS_KEPT] = {suite_unsync, "INVPCID of a context that is not current"},
	[SH_MUT_NOFLUSH_TRUSTED] = {suite_unsync, "MOV CR3 without a flush"},
	[SH_MUT_FILL_NOT_MARKED] = {suite_unsync, "a value changed there and back"},
	[SH_MUT_SYNC_FIRST_ROLE_ONLY] = {suite_unsync, "two roles of an unsync table"},
	[SH_MUT_SYNC_WRONG_ENTRY] = {suite_unsync, "INVLPG brings one entry in step"},
	[SH_MUT_LINK_UNSYNCED] = {suite_unsync, "a new way to an unsync table"},
	[SH_MUT_FLUSH_UNSYNCED] = {suite_unsync, "MOV CR3 brings all in step"},
	[SH_MUT_END_UNSYNCED] = {suite_unsync, "an unsync table becomes a directory"},
	[SH_MUT_UNSYNC_UPPER] = {suite_unsync, "upper tables stay tracked"},
	[SH_MUT_FAULT_FORGETS_NOTHING] = {suite_unsync, "a page fault forgets"},
	[SH_MUT_UPPER_OVER_UNSYNC] = {suite_unsync, "an unsync table becomes a directory"},
	[SH_MUT_INVPCID_LOST] = {suite_unsync, "INVPCID of a context that is not current"},
	[SH_MUT_LARGE_OVER_TRACKED] = {suite_leaf, "a large page around a table"},
	[SH_MUT_TRACK_NO_SPLIT] = {suite_leaf, "a table inside a large leaf of two vCPUs"},
	[SH_MUT_SPLIT_NOT_COUNTED] = {suite_leaf, "a table inside a large leaf of two vCPUs"},
	[SH_MUT_LARGE_STALE_RMAP] = {suite_leaf, "the entry is written"},
	[SH_MUT_LARGE_OVER_TABLE] = {suite_leaf, "large again"},
	[SH_MUT_LARGE_ALL_RIGHTS] = {suite_leaf, "rights of a large leaf"},
	[SH_MUT_LARGE_KEY_IGNORED] = {suite_leaf, "protection key of a large leaf"},
	[SH_MUT_LARGE_D_NOT_REQUIRED] = {suite_leaf, "D of a large leaf"},
	[SH_MUT_LARGE_WRITE_LOST] = {suite_leaf, "the entry is written"},
	[SH_MUT_LARGE_PAST_RAM] = {suite_leaf, "the end of RAM"},
	[SH_MUT_LARGE_1G] = {suite_leaf, "1 GiB on hardware without"},
	[SH_MUT_REGION_COUNT_LOST] = {suite_leaf, "large again"},
	[SH_MUT_DM_PAT_BIT] = {suite_dmap, "PA-18: PAT moves with the size, all 8 types"},
	[SH_MUT_DM_TRACKED_WRITABLE] = {suite_dmap_guest,
					"tables of one vCPU, stores of another without paging"},
	[SH_MUT_DM_SAMEPROT_SPLITS] = {suite_dmap,
				       "PA-3: as it is already, and whole large pages"},
	[SH_MUT_DM_FLUSH_ALWAYS] = {suite_dmap, "PA-16: rights change without a cache flush"},
	[SH_MUT_DM_SPLIT_ALLOCATES] = {suite_dmap_pressure,
				       "PA-8: a table taken or given back never nests"},
	[SH_MUT_DM_CHANGE_IN_SPLIT] = {suite_dmap, "PA-13: split, flush, change"},
	[SH_MUT_DM_SPLIT_UNFLUSHED] = {suite_dmap, "PA-13: split, flush, change"},
	[SH_MUT_DM_LOSER_LEAKS] = {suite_dmap_pressure, "PA-12: two threads split one page"},
	[SH_MUT_DM_FLUSH_LOCKED] = {suite_dmap_pressure,
				    "PA-11: no spin lock is held where something may wait"},
	[SH_MUT_DM_FREE_TAKES] = {suite_dmap_pressure, "PA-9: giving a table back takes none"},
	[SH_MUT_DM_ERROR_UNFLUSHED] = {suite_dmap_pressure, "PA-10: no table for a split"},
	[SH_MUT_DM_COLLAPSE_IGNORES_NX] = {suite_dmap,
					   "PA-6: any bit that deviates keeps a table"},
	[SH_MUT_DM_COLLAPSE_PINNED] = {suite_dmap, "PA-6: pinned pages keep a table"},
	[SH_MUT_DM_COLLAPSE_FREES_EARLY] = {suite_dmap_pressure,
					    "PA-7: a reader parked in a table that goes"},
	[SH_MUT_DM_ALIAS_SKIPPED] = {suite_dmap_guest,
				     "PA-14: no hole for W and X by an alias"},
	[SH_MUT_DM_HOLE_FORGETS] = {suite_dmap,
				    "PA-18: a large page that is not present keeps its frame"},
	[SH_MUT_DM_COUNT_LOST] = {suite_dmap_model,
				  "PA-4: 90,000 random changes against an array"},
	[SH_MUT_DM_WX_ALLOWED] = {suite_dmap_model, "PA-19: never writable and executable"},
	[SH_MUT_DM_FREE_STAYS_MAPPED] = {suite_dmap_guest,
					 "PA-17: a frame that is free is mapped nowhere"},
	[SH_MUT_DM_DONE_OFF] = {suite_dmap_model,
				"PA-5: the self-test in three forms leaves the map as it was"},
	[SH_MUT_SHARE_BY_REFCOUNT] = {suite_share, "PS-8 walkers are no sharers"},
	[SH_MUT_COPY_AFTER_RELEASE] = {suite_share_race, "PS-6 copied before it is let go"},
	[SH_MUT_COUNTED_BEFORE_LOOK] = {suite_share_race,
					"PS-4 the last one, at any moment of the other"},
	[SH_MUT_ZAP_SHARED_IN_PLACE] = {suite_share, "PS-2 a part of a shared table"},
	[SH_MUT_ZAP_THROUGH_SHARED] = {suite_share, "PS-3 all of a shared table"},
	[SH_MUT_EVERY_SHARER_SYNCS] = {suite_share, "PS-7 the last sharer pays"},
	[SH_MUT_HELD_FORGOTTEN] = {suite_shootdown,
				   "TG-8 only holders in the guest are kicked"},
	[SH_MUT_KICKS_UNSENT] = {suite_shootdown, "TG-7 two ranges, one kick"},
	[SH_MUT_PARTIAL_BLINDLY] = {suite_shootdown, "TG-9 out of sequence means everything"},
	[SH_MUT_NOT_HELD_BACK] = {suite_gather, "TG-1 no second entry before the flush"},
	[SH_MUT_LOOSE_DROPS_IGNORED] = {suite_gather,
					"TG-2 what was dropped before leads there, too"},
	[SH_MUT_GATHER_UNFLUSHED] = {suite_gather, "TG-2 unhook, flush, release"},
	[SH_MUT_TABLES_LEAF_FLUSH] = {suite_gather, "TG-14 a frame that is a table"},
	[SH_MUT_RELEASE_BEFORE_FLUSH] = {suite_gather, "TG-2 unhook, flush, release"},
	[SH_MUT_RMAP_FIRST] = {suite_gather, "TG-20 a live leaf is in its frame's set"},
	[SH_MUT_WALKERS_IGNORED] = {suite_defer,
				    "TG-10 a parked walker keeps its tables, and only those"},
	[SH_MUT_NO_GRACE] = {suite_defer, "TG-11 TG-12 a reader of no vCPU that never sleeps"},
	[SH_MUT_RAW_RELEASED] = {suite_reserve, "VR-6 who counts frames gets each back once"},
	[SH_MUT_SWEEP_RESERVED] = {suite_reserve, "VR-1 a sweep leaves reserved frames alone"},
	[SH_MUT_CLAIMS_BELIEVED] = {suite_reserve,
				    "VR-2 VR-3 progress is what the host has back"},
	[SH_MUT_PART_STAYS_MAPPED] = {suite_map, "VR-7 a range that fails takes itself down"},
	[SH_MUT_BATCHES_UNUSED] = {suite_gather, "TG-3 9,698 frames at once"},
	[SH_MUT_CEILING_IGNORED] = {suite_shootdown,
				    "TG-4 one by one up to the ceiling, then everything"},
	[SH_MUT_FLUSH_FOR_NOTHING] = {suite_gather, "TG-5 nothing cleared, nothing sent"},
	[SH_MUT_STRIDE_OF_4K] = {suite_shootdown, "TG-6 a large leaf is one invalidation"},
	[SH_MUT_ALONE_NO_GRACE] = {suite_defer,
				   "TG-11 TG-12 a reader of no vCPU that never sleeps"},
	[SH_MUT_REFUSED_LOST] = {suite_defer, "TG-13 without a queue the producer waits"},
	[SH_MUT_INNER_FLUSH_CLAIMS] = {suite_gather, "TG-15 gathers in gathers"},
	[SH_MUT_BACKLOG_AGELESS] = {suite_defer, "a backlog is bounded in time"},
	[SH_MUT_UNPARK_BLINDLY] = {suite_windows_switch,
				   "HM-9 walkers take turns, 20,000 times"},
	[SH_MUT_WINDOWS_OUTLIVE] = {suite_dmap_guest, "PA-14: windows of a frame go first"},
	[SH_MUT_WINDOW_LEFT_OPEN] = {suite_windows_switch,
				     "HM-13 a walk gives way, and its slots are stolen"},
	[SH_MUT_LOOK_UNGUARDED] = {suite_look, "every look at a table is a read-side section"},
	[SH_MUT_LOOK_ALWAYS_WHOLE] = {suite_inspect, "a look knows whether anything changed"},
	[SH_MUT_LOOK_FROM_BEGUN] = {suite_look, "a change that was under way"},
	[SH_MUT_PEEK_TORN] = {suite_look, "registers are of one moment"},
	[SH_MUT_BLAME_LEAF_ONLY] = {suite_inspect, "what a reason names is what must change"},
	[SH_MUT_EXPLAIN_UNTRACKED] = {suite_inspect, "explain foretells what an access does"},
	[SH_MUT_DIFF_UNTRACKED] = {suite_inspect, "verdicts: lazy, same, tracked, wrong"},
	[SH_MUT_DIFF_ONE_LOOK] = {suite_look, "an entry that is just changing"},
	[SH_MUT_TRACE_LOST_UNSAID] = {suite_trace, "a full ring counts what it overwrites"},
};

static void (*find(const struct tap_case *suite, const char *name))(void)
{
	for (; suite->name; suite++)
		if (!strcmp(suite->name, name))
			return suite->fn;
	return NULL;
}

/* In the child: the number of failed assertions, 0 or 1. */
static int run_test(enum sh_mutant m, bool on, void (*fn)(void))
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, 1);
	dup2(null, 2);
	alarm(on ? 10 : 60); /* a bug may hang; a test without it may just be slow */
	sh_mutant_on[m] = on;
	urcu_memb_register_thread();
	CU_initialize_registry();
	CU_add_test(CU_add_suite("mutant", NULL, NULL), "test", fn);
	CU_basic_set_mode(CU_BRM_SILENT);
	CU_basic_run_tests();
	return CU_get_number_of_failures() != 0;
}

/* Whether the test fails. */
static bool fails(enum sh_mutant m, bool on, void (*fn)(void))
{
	pid_t pid;
	int status = 0;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run_test(m, on, fn));
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

int main(void)
{
	unsigned killed = 0;

	printf("1..%u\n", SH_MUTANTS_LIBRARY);
	for (unsigned m = 0; m < SH_MUTANTS_LIBRARY; m++) {
		void (*fn)(void) =
			killer[m].test ? find(killer[m].suite, killer[m].test) : NULL;
		bool dies = fn && fails(m, true, fn), clean = fn && !fails(m, false, fn);

		printf("%s %u - %s %s by \"%s\"%s\n", dies && clean ? "ok" : "not ok", m + 1,
		       sh_mutant_names[m], dies ? "killed" : "SURVIVES",
		       killer[m].test ? killer[m].test : "no test",
		       clean ? "" : ", which FAILS WITHOUT IT");
		killed += dies && clean;
	}
	printf("# %u of %u mutants killed\n", killed, SH_MUTANTS_LIBRARY);
	return killed != SH_MUTANTS_LIBRARY;
}
