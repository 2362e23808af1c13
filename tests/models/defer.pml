/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A table goes out of use while hardware and a lockless walker stand in it, and its frame is used for
 * another table.
 *
 * Models:
 *   reclaimer()  sh_page_zap() and sh_pool_reap(): unhook the entry, clear the table, shootdown (every
 *                vCPU has forgotten when it returns), and then the queue: sh_read_wait() by the thread of
 *                shadow/defer.c (or by a producer out of tables), sh_pool_free(), and only then
 *                sh_pool_get() gives the frame out anew
 *   walker()     descend_fast(), sh_path(): sh_read_lock(), from parent to child, entries, unlock; it
 *                may be parked anywhere in between, for as long as it likes
 *   vcpu()       hardware with a paging-structure cache: it keeps the way to the table until it is told
 *                to forget; wait and acknowledgement are shootdown.pml's, here one step
 * A grace period waits for the walkers that were in a section when it began, and for no others.
 *
 * With BUG: 1, reused before the shootdown; 2, before the grace period; 3, the grace period first and
 * the entry unhooked after it.
 */
#ifndef BUG
#define BUG 0
#endif
#define WALKERS 2

bool hooked = true;	/* the parent's entry names the table */
bool reused;		/* the table's frame is another's now */
bool vcpu_has;		/* the hardware remembers the way to it */
bool reading[WALKERS];
byte section[WALKERS];	/* counts a walker's sections */
byte ended;

inline in_table() { assert(!reused) }

proctype walker(byte n)
{
	byte rounds;

	do
	:: rounds == 2 -> break
	:: else ->
		rounds++;
		d_step { reading[n] = true; section[n]++ };
		if
		:: hooked ->
			/* Stands in the table. It may be parked here: nothing makes it go on. */
			in_table();
			in_table()
		:: else
		fi;
		reading[n] = false
	od;
	ended++
}

proctype vcpu()
{
	byte accesses;

	do
	:: accesses == 3 -> break
	:: else ->
		accesses++;
		atomic {
			if
			:: !vcpu_has && hooked -> vcpu_has = true
			:: else
			fi
		};
		atomic {
			if
			:: vcpu_has -> in_table()
			:: else
			fi
		}
	od;
	ended++
}

inline shootdown() { vcpu_has = false }

inline grace_period()
{
	byte n, was[WALKERS];

	d_step {
		for (n : 0 .. WALKERS - 1) {
			if
			:: reading[n] -> was[n] = section[n]
			:: else -> was[n] = 0
			fi
		}
		n = 0
	};
	do
	:: n == WALKERS -> break
	:: else ->
		(was[n] == 0 || !reading[n] || section[n] != was[n]);
		n++
	od
}

proctype reclaimer()
{
#if BUG == 3
	grace_period();
#endif
	hooked = false;
#if BUG != 1
	shootdown();
#endif
#if BUG != 2 && BUG != 3
	grace_period();
#endif
	reused = true;
	ended++
}

init {
	byte i;

	atomic {
		for (i : 0 .. WALKERS - 1) { run walker(i) }
		run vcpu();
		run reclaimer()
	};
	(ended == WALKERS + 2)
}
