/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The record of an unsync table: a resync brings a shadow entry in step while a fault makes the same
 * entry from another value.
 *
 * Models, for one word of the table and one shadow page of it:
 *   fill()    set_leaf() of shadow/fault.c: under the page's lock the guest's entry is read,
 *             sh_unsync_note() compares it with the snapshot and sets the mark, the entry is made
 *   flush()   resync() of shadow/unsync.c: differing() reads mark and word without the page's lock;
 *             sync_word() stores the snapshot, clears the mark, and then has the entry made anew
 *             under the page's lock by sh_update_entries(), where update_leaf() notes what it reads
 *   guest()   writes the entry natively, any time: 1, and then 0 again
 * What must hold when all is quiet: what may be out of step is what differs from the snapshot or is
 * marked. If neither, the next resync finds nothing, and the entry stays what it is: so it must be made
 * from the snapshot's value.
 *
 * With BUG: 1, a fill sets no mark; 2, the mark is cleared after the entries are brought in step; 3, the
 * snapshot is taken over and the entries are not looked at.
 */
#ifndef BUG
#define BUG 0
#endif
#define FLUSHES 2

byte word, snap, entry;
bool mark, page_lock;
byte running;

inline lock_page() { atomic { !page_lock -> page_lock = true } }

/* page_lock held. */
inline make_entry(v, note)
{
	v = word;
	if
	:: note && v != snap -> mark = true
	:: else
	fi;
	entry = v
}

proctype guest()
{
	word = 1;
	word = 0;
	word = 1;
	running--
}

proctype fill()
{
	byte v, n;

	for (n : 1 .. 2) {
		lock_page();
		make_entry(v, BUG != 1);
		page_lock = false
	};
	running--
}

proctype flush()
{
	byte now, v, n;
	bool differs;

	for (n : 1 .. FLUSHES) {
		differs = mark;
		now = word;
		differs = differs || now != snap;
		if
		:: differs ->
			snap = now;
#if BUG != 2
			mark = false;
#endif
#if BUG != 3
			lock_page();
			make_entry(v, true);
			page_lock = false;
#endif
#if BUG == 2
			mark = false
#else
			skip
#endif
		:: else
		fi
	};
	running--
}

init {
	atomic {
		running = 3;
		run guest();
		run fill();
		run flush()
	};
	(running == 0);
	/* What is out of step is known to be. */
	assert(entry == snap || mark)
}
