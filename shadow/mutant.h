/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Named bugs that can be switched on in test builds (UMBRA_MUTANTS), so that a test can be shown
 * to have teeth. In any other build sh_mutant() is a constant false and nothing remains.
 */
#ifndef UMBRA_SHADOW_MUTANT_H
#define UMBRA_SHADOW_MUTANT_H

#include <stdbool.h>

enum sh_mutant {
	SH_MUT_ACCESS_NOT_IN_KEY, /* accumulated access left out of the role */
	SH_MUT_NX_NOT_IN_ROLE,	  /* EFER.NXE left out of the role */
	SH_MUT_NO_WRITE_PROTECT,  /* existing writable entries of a new table stay writable */
	SH_MUT_NO_FLUSH_ON_TRACK, /* they are narrowed but not shot down */
	SH_MUT_WALK_NOT_REVALIDATED, /* the guest entry is not read again before the install */
	SH_MUT_D_NOT_REQUIRED,	     /* a clean guest entry is mapped writable */
	SH_MUT_STALE_RMAP,	     /* a dropped leaf stays in the reverse map */
	SH_MUT_CHILD_KEY_UNCHECKED, /* a present upper entry is followed whatever it points at */
	SH_MUT_TRACKED_WRITE_LOST,  /* a tracked write changes memory only */
	SH_MUT_FREE_WITHOUT_FLUSH,  /* tables are reused before the shootdown */
	SH_MUT_A_LEAF_ONLY,	    /* A is not set above the leaf */
	SH_MUT_USER_VIEW_SUPERVISOR, /* the user view maps supervisor pages */
	SH_MUT_WP_IGNORED,	     /* the kernel view takes CR0.WP for 0 */
	SH_MUT_SMEP_IGNORED,
	SH_MUT_INHERIT_INVALID,	 /* a new page starts out invalid */
	SH_MUT_DROP_NOT_COUNTED, /* a dropped translation does not make the next track flush */
	SH_MUT_RSVD_SKIPPED_ON_PD,	/* the walk takes reserved bits at one level */
	SH_MUT_RSVD_WITHOUT_P,		/* a reserved bit's error code lacks P */
	SH_MUT_LEAF_RIGHTS_ONLY,	/* the walk judges by the last entry alone */
	SH_MUT_X_BY_BOOL_MASK,		/* a bool and-ed with a mask */
	SH_MUT_D_ON_READ,		/* a read sets D */
	SH_MUT_LOST_EXCHANGE_IGNORED,	/* the walk goes on when a writer won */
	SH_MUT_WP_IN_USER_VIEW,		/* CR0.WP=0 lets user code write */
	SH_MUT_SMAP_IGNORES_AC,		/* one kernel view for both values of AC */
	SH_MUT_CHILD_LOSES_VIEW,	/* tables below a user root are of the kernel view */
	SH_MUT_DIRECT_OFF,		/* a direct table's share of a large page is off */
	SH_MUT_LINK_OVERWRITES,		/* a new child leaves the old one's record */
	SH_MUT_LEAF_OVERWRITTEN,	/* a new frame leaves the old one's record */
	SH_MUT_ZAP_LEAVES_PARENTS,	/* a table goes, entries still point at it */
	SH_MUT_UNTRACK_EARLY,		/* a frame is let go while another role has it */
	SH_MUT_FIRST_ROLE_ONLY,		/* a tracked write brings one role in step */
	SH_MUT_CMPXCHG_UNTRACKED,	/* an exchange changes memory only */
	SH_MUT_CROSSING_HALF_TRACKED,	/* a write's second page is not looked at */
	SH_MUT_INVLPG_LOST,		/* INVLPG is not passed on */
	SH_MUT_CR3_FLUSH_LOST,		/* nor is a flush by MOV CR3 */
	SH_MUT_LOADED_NOT_PINNED,	/* a root is let go while the hardware is on it */
	SH_MUT_RECLAIM_IGNORES_PINS,	/* a root in use is taken back */
	SH_MUT_FLOOD_IGNORES_PINS,	/* a root in use is given up as written data */
	SH_MUT_PREFETCH_IGNORES_A,	/* neighbours are mapped before A is set */
	SH_MUT_PREFETCH_CLEAN_WRITABLE, /* clean neighbours are mapped writable */
	SH_MUT_TOUCH_LOST,		/* an entry changed in place is not touched */
	SH_MUT_MOVE_DST_UNCHECKED,	/* a move writes to a window it did not get */
	SH_MUT_UNMAP_NULL,		/* and closes it */
	SH_MUT_ALLOC_IN_WINDOW,		/* a move allocates between its two windows */
	SH_MUT_ALLOC_UNSEEN,		/* the same, and the checker is not told */
	SH_MUT_UNMAP_FIFO,		/* a move closes the first window first */
	SH_MUT_NO_RECHECK,		/* who waited for a slot does not look again */
	SH_MUT_REUSE_UNFLUSHED,		/* a slot without users is reused as if clean */
	SH_MUT_CROSSING_NOT_RESERVED,	/* a write starts without its second window */
	SH_MUT_WALK_TAKES_REFUSED,	/* a window the host refused is the guest's fault */
	SH_MUT_NARROW_NOT_COUNTED, /* a right taken away does not make the next track flush */
	SH_MUT_KEY_IGNORES_WRITES, /* WD of a protection key is ignored by the walk */
	SH_MUT_KEY_WD_WITHOUT_WP,  /* WD binds the supervisor with CR0.WP=0 too */
	SH_MUT_PK_BIT_MISSING,	   /* error codes never say PK */
	SH_MUT_PKRU_NOT_IN_ROLE,
	SH_MUT_NEW_LEAF_WRITABLE, /* a new leaf of a tracked frame is writable */
	SH_MUT_INVLPG_ONE_PIECE,  /* INVLPG drops 4 KBytes of a large page */
	SH_MUT_OTHERS_KEPT,	  /* a flush of all PCIDs leaves what other contexts hold */
	SH_MUT_NOFLUSH_TRUSTED,	  /* MOV CR3 with bit 63 never looks at what is out of step */
	SH_MUT_FILL_NOT_MARKED,	  /* a fault makes an entry of an unsync table unrecorded */
	SH_MUT_SYNC_FIRST_ROLE_ONLY,  /* a resync brings one role in step */
	SH_MUT_SYNC_WRONG_ENTRY,      /* INVLPG brings the neighbour in step */
	SH_MUT_LINK_UNSYNCED,	      /* a table is linked out of step */
	SH_MUT_FLUSH_UNSYNCED,	      /* a flush leaves tables out of step */
	SH_MUT_END_UNSYNCED,	      /* a table is tracked again out of step */
	SH_MUT_UNSYNC_UPPER,	      /* an upper table is left writable */
	SH_MUT_FAULT_FORGETS_NOTHING, /* a page fault leaves the page's other entries */
	SH_MUT_UPPER_OVER_UNSYNC,     /* an upper table is made of a writable frame */
	SH_MUT_INVPCID_LOST,	      /* INVPCID of another PCID is not passed on */
	SH_MUT_LARGE_OVER_TRACKED,    /* a large leaf is set whatever is tracked inside */
	SH_MUT_TRACK_NO_SPLIT,	      /* a frame is tracked under a large leaf */
	SH_MUT_SPLIT_NOT_COUNTED,     /* a dropped large leaf does not make track flush */
	SH_MUT_LARGE_STALE_RMAP,      /* a dropped large leaf stays in its region's set */
	SH_MUT_LARGE_OVER_TABLE,      /* a large leaf leaves the table's record */
	SH_MUT_LARGE_ALL_RIGHTS,      /* a large leaf permits what no entry above allows */
	SH_MUT_LARGE_KEY_IGNORED,     /* a large leaf has no protection key */
	SH_MUT_LARGE_D_NOT_REQUIRED,  /* a clean large page is mapped writable */
	SH_MUT_LARGE_WRITE_LOST,      /* a tracked write leaves a large leaf as it was */
	SH_MUT_LARGE_PAST_RAM,	      /* a large leaf reaches beyond RAM */
	SH_MUT_LARGE_1G,	      /* 1-GByte leaves on hardware without them */
	SH_MUT_REGION_COUNT_LOST,     /* a region never forgets a tracked frame */
	SH_MUT_DM_PAT_BIT,	      /* PAT stays at bit 7 in large entries */
	SH_MUT_DM_TRACKED_WRITABLE,   /* a tracked frame keeps W in the direct map */
	SH_MUT_DM_SAMEPROT_SPLITS,    /* a request that changes nothing splits */
	SH_MUT_DM_FLUSH_ALWAYS,	      /* caches are flushed whatever changed */
	SH_MUT_DM_SPLIT_ALLOCATES,    /* a split takes its table from the pool */
	SH_MUT_DM_CHANGE_IN_SPLIT,    /* the split makes the change */
	SH_MUT_DM_LOSER_LEAKS,	      /* whoever comes second keeps its table */
	SH_MUT_DM_FLUSH_LOCKED, /* the flush of a split is made under the table's spin lock */
	SH_MUT_DM_FREE_TAKES,	/* with the reserve empty, giving a table back takes one */
	SH_MUT_DM_ERROR_UNFLUSHED,	/* a request that fails half way flushes nothing */
	SH_MUT_DM_HOLE_FORGETS,		/* a page that is not present loses its frame */
	SH_MUT_DM_COUNT_LOST,		/* a split counts 511 */
	SH_MUT_DM_WX_ALLOWED,		/* nobody looks at W and X */
	SH_MUT_DM_FREE_STAYS_MAPPED,	/* DEBUG_PAGEALLOC does nothing to guest frames */
	SH_MUT_DM_DONE_OFF,		/* a list is one short */
	SH_MUT_DM_SPLIT_UNFLUSHED,	/* the change follows the split without a flush */
	SH_MUT_DM_COLLAPSE_IGNORES_NX,	/* pages that differ in NX become one */
	SH_MUT_DM_COLLAPSE_PINNED,	/* pinned pages become one */
	SH_MUT_DM_COLLAPSE_FREES_EARLY, /* the table goes before flush and grace period */
	SH_MUT_DM_ALIAS_SKIPPED,	/* the shadow leaves of a frame don't follow */
	SH_MUT_SHARE_BY_REFCOUNT,	/* pins make a table look shared */
	SH_MUT_COPY_AFTER_RELEASE,	/* a table is copied when it is no longer ours */
	SH_MUT_COUNTED_BEFORE_LOOK,	/* one less first, then a look at the count */
	SH_MUT_ZAP_SHARED_IN_PLACE,	/* a part of a shared table is zapped for all */
	SH_MUT_ZAP_THROUGH_SHARED,	/* a zap of a root empties what others share */
	SH_MUT_EVERY_SHARER_SYNCS,	/* a grace period for each entry let go */
	SH_MUT_HELD_FORGOTTEN,		/* a root is loaded and not noted as held */
	SH_MUT_KICKS_UNSENT,		/* a request is posted, nobody is kicked */
	SH_MUT_PARTIAL_BLINDLY,		/* who missed a request takes the last one alone */
	SH_MUT_NOT_HELD_BACK,		/* a frame gets new entries before its flush */
	SH_MUT_LOOSE_DROPS_IGNORED,  /* a gather flushes what it dropped itself, nothing else */
	SH_MUT_GATHER_UNFLUSHED,     /* a gather does not flush */
	SH_MUT_TABLES_LEAF_FLUSH,    /* nor does it what it took out of use of tables */
	SH_MUT_RELEASE_BEFORE_FLUSH, /* frames are released first */
	SH_MUT_RMAP_FIRST,	     /* a leaf leaves its frame's set before the table */
	SH_MUT_WALKERS_IGNORED,	  /* a table is free after its grace period, whoever is in it */
	SH_MUT_NO_GRACE,	  /* and without one */
	SH_MUT_RAW_RELEASED,	  /* frames nobody counts are released */
	SH_MUT_SWEEP_RESERVED,	  /* the sweep takes what is reserved */
	SH_MUT_CLAIMS_BELIEVED,	  /* progress is what a release says */
	SH_MUT_PART_STAYS_MAPPED, /* a range that fails keeps what it has */
	SH_MUT_BATCHES_UNUSED,	  /* a gather never grows */
	SH_MUT_CEILING_IGNORED,	  /* single addresses up to the room there is */
	SH_MUT_FLUSH_FOR_NOTHING, /* a gather flushes though nothing was cleared */
	SH_MUT_STRIDE_OF_4K,	  /* a large leaf is forgotten page by page */
	SH_MUT_ALONE_NO_GRACE,	  /* with one vCPU there are no readers */
	SH_MUT_REFUSED_LOST,	  /* tables that no queue takes wait for ever */
	SH_MUT_INNER_FLUSH_CLAIMS, /* another gather's flush covers ours, too */
	SH_MUT_BACKLOG_AGELESS,	   /* tables are queued however long others have waited */
	SH_MUT_UNPARK_BLINDLY,	   /* who comes back takes its slots as they are */
	SH_MUT_WINDOW_LEFT_OPEN,   /* a walk leaves its window open */
	SH_MUT_WINDOWS_OUTLIVE,	   /* a window without users outlives its frame's attributes */
	SH_MUT_LOOK_UNGUARDED,	   /* a look at tables is no read-side section */
	SH_MUT_LOOK_ALWAYS_WHOLE,  /* and says it was of one moment whatever changed */
	SH_MUT_LOOK_FROM_BEGUN,	   /* and misses a change that was under way when it began */
	SH_MUT_PEEK_TORN,	   /* registers are taken as they are found */
	SH_MUT_BLAME_LEAF_ONLY, /* what an upper entry forbids is called the last one's doing */
	SH_MUT_EXPLAIN_UNTRACKED, /* explain does not ask whether a frame holds a table */
	SH_MUT_DIFF_UNTRACKED,	  /* nor do verdicts */
	SH_MUT_DIFF_ONE_LOOK,	  /* an entry that is just changing is called wrong */
	SH_MUT_TRACE_LOST_UNSAID, /* records that were overwritten are not counted */
	SH_MUTANTS_LIBRARY,	  /* from here on: of the monitor (vmm/) */
	SH_MUT_INTERPRETER_KEEPS = SH_MUTANTS_LIBRARY, /* a shootdown passes interpreters by */
	SH_MUT_INTERPRETER_NOT_AWAITED, /* a shootdown asks them to forget and does not wait */
	SH_MUT_INTERPRETER_INVLPG_LOST, /* INVLPG is of the hardware's translations alone */
	SH_MUTANTS
};

#ifdef UMBRA_MUTANTS
extern bool sh_mutant_on[SH_MUTANTS];
extern const char *const sh_mutant_names[SH_MUTANTS];
static inline bool sh_mutant(enum sh_mutant m)
{
	return sh_mutant_on[m];
}
#else
#define sh_mutant(m) ((void)(m), false)
#endif

#endif
