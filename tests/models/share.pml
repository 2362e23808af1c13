/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A table that several parties share, and each zaps whole or makes its own.
 *
 * Models, of shadow/share.c, under mmu->lock:
 *   zap()      release(): look at the count; the last one drop_table(), any other sh_unlink() only
 *   unshare()  own() and own_copy(): copy_entries() to its end, and then sh_link(), which counts down
 * A count that reaches 1 stays there until its owner is done: a new sharer takes mmu->lock.
 *
 * With BUG: the sketch of 17 February 2002 for Linux. Its put_page_testzero() comes before the lock,
 * and who gets to zero takes no lock. Three things go wrong, one for each value of BUG:
 *   1  two zaps, both of which take the table for their own: each page is put twice
 *   2  a zap in the middle of a copy
 *   3  two copies, neither of which is made: both keep the table as their own
 *
 * ZAPS and COPIES are how many parties do which.
 */
#ifndef BUG
#define BUG 0
#endif
#if BUG
#if BUG == 1
#define ZAPS   2
#define COPIES 0
#elif BUG == 2
#define ZAPS   1
#define COPIES 1
#else
#define ZAPS   0
#define COPIES 2
#endif
#endif
#ifndef ZAPS
#define ZAPS   1
#define COPIES 1
#endif
#define PARTIES (ZAPS + COPIES)

/* What is held: one owner, and no copy of what goes. Bug 2 shows the latter alone. */
#if BUG == 2
#define ONE_OWNER(x) skip
#else
#define ONE_OWNER(x) assert(x)
#endif

byte count = PARTIES;
byte puts;    /* times the table's pages were put */
byte keepers; /* who took the table itself for theirs and keep it */
byte copying;
byte ended;
bool lock;

inline take_lock() { atomic { !lock -> lock = true } }
inline put_lock() { lock = false }

/* The table is ours and goes: page by page, each put once. */
inline zap_all()
{
	assert(!copying);
	puts++;
	ONE_OWNER(puts == 1 && !keepers)
}

/* Reads the pages, with a moment between two of them. */
inline copy_all()
{
	copying++;
	assert(!puts);
	skip;
	assert(!puts);
	copying--
}

#if BUG == 0
proctype zap()
{
	take_lock();
	if
	:: count == 1 -> zap_all(); count--
	:: else -> count--
	fi;
	put_lock();
	ended++
}

proctype unshare()
{
	take_lock();
	if
	:: count == 1 -> keepers++; ONE_OWNER(keepers == 1 && !puts)
	:: else -> copy_all(); count--
	fi;
	put_lock();
	ended++
}
#else
proctype zap()
{
	byte left;

	d_step { count--; left = count };
	if
	:: left ->
		take_lock();
		if
		:: count -> count++; put_lock(); count--; goto released
		:: else -> put_lock()
		fi
	:: else
	fi;
	count++;
	zap_all();
released:
	ended++
}

proctype unshare()
{
	byte left;

	d_step { count--; left = count };
	if
	:: left ->
		take_lock();
		if
		:: count -> copy_all(); put_lock(); goto has_copy
		:: else -> put_lock()
		fi
	:: else
	fi;
	count++;
	keepers++;
	ONE_OWNER(keepers == 1 && !puts);
has_copy:
	ended++
}
#endif

init {
	byte i;

	atomic {
		do
		:: i < ZAPS -> run zap(); i++
		:: i >= ZAPS && i < PARTIES -> run unshare(); i++
		:: i == PARTIES -> break
		od
	};
	(ended == PARTIES);
	/* Gone, or one has it: never both, never neither. */
	ONE_OWNER(puts + keepers == 1 && count == keepers)
}
