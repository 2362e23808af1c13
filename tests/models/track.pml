/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A frame becomes a table while somebody writes it by an emulated store.
 *
 * Models:
 *   writer()   store() of shadow/write.c: if not shadowed, do_store(), a full barrier, sh_shadowed()
 *              once more, and update_pages() under mmu->lock; if shadowed, tracked_store()
 *   tracker()  sh_page_get(), watch() and sh_track(): under mmu->lock the mark, and then (next walk)
 *              the guest's entry is read and a shadow entry made from it
 * Stores are seen late: the writer's store stands in its store buffer until the barrier, or until it
 * drains, as on x86; that is what makes this a store and a load on each side (Dekker).
 *
 * With BUG: 1, no barrier between the store and the second look; 2, no second look; 3, the entry is
 * read before the mark is set.
 */
#ifndef BUG
#define BUG 0
#endif

byte memory; /* the guest's entry */
bool buffered;
byte buffer;
bool mark, lock;
byte shadow = 255; /* what the shadow entry is made from; 255: there is none */
bool written, tracked;

inline take_lock() { atomic { !lock -> lock = true } }
inline drain()
{
	d_step {
		if
		:: buffered -> memory = buffer; buffered = false
		:: else
		fi
	}
}

/* The store buffer drains when it likes. */
active proctype store_buffer()
{
	do
	:: d_step { buffered -> memory = buffer; buffered = false }
	:: written && tracked && !buffered -> break
	od
}

inline update()
{
	if
	:: shadow != 255 -> shadow = memory
	:: else
	fi
}

active proctype writer()
{
	bool seen;

	seen = mark;
	if
	:: seen ->
		take_lock();
		drain();
		memory = 1;
		update();
		lock = false
	:: else ->
		d_step { buffer = 1; buffered = true };
#if BUG != 1
		drain();
#endif
#if BUG != 2
		seen = mark;
		if
		:: seen ->
			take_lock();
			drain(); /* a locked instruction */
			update();
			lock = false
		:: else
		fi;
#endif
	fi;
	written = true
}

active proctype tracker()
{
	byte entry;

	take_lock();
#if BUG == 3
	entry = memory;
	mark = true;
#else
	mark = true;
	entry = memory;
#endif
	shadow = entry;
	lock = false;
	tracked = true
}

/* When both are done, the shadow entry is what the guest's says. */
active proctype check()
{
	(written && tracked && !buffered);
	assert(shadow == memory)
}
