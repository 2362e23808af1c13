/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The count of a persistent window's slot: 0 free and clean, 1 without users and still mapped, n with
 * n - 1 users.
 *
 * Models, of shadow/window_pool.c, under pool->lock:
 *   map()    use(): find(), else take() with clean_slot() or flush(); and, when all slots have users,
 *            wait_released() and the same again from the start (use_or_wait())
 *   unmap()  gmem_pool_unmap(): one user less, and the waiters are woken at 1
 * USERS threads want FRAMES frames by turns, through SLOTS slots. The processor remembers what a slot
 * showed until a flush: a slot that is given another frame without one shows the old one.
 *
 * With BUG: 1, a slot at 1 is given to another frame as if it were at 0; 2, a waiter does not look for
 * its frame again; 3, the last user leaves 0 and not 1.
 */
#ifndef BUG
#define BUG 0
#endif
#define USERS  3
#define FRAMES 3
#define SLOTS  2
#define NONE   255

byte count[SLOTS];
byte maps[SLOTS] = NONE;  /* the frame of its mapping */
byte shown[SLOTS] = NONE; /* what the processor remembers of it */
bool lock;
byte released; /* counts wake-ups */
byte ended;

inline take_lock() { atomic { !lock -> lock = true } }

/* lock held, as for all of these. */
inline find(f)
{
	d_step {
		s = 0;
		do
		:: s == SLOTS -> s = NONE; break
		:: s < SLOTS && count[s] && maps[s] == f -> break
		:: else -> s++
		od
	}
}

inline clean_slot()
{
	d_step {
		s = 0;
		do
		:: s == SLOTS -> s = NONE; break
		:: s < SLOTS && (count[s] == 0 || (BUG == 1 && count[s] == 1)) -> break
		:: else -> s++
		od
	}
}

/* All slots without users at once; a real run is contiguous, which changes how many, not what. */
inline flush()
{
	d_step {
		for (s : 0 .. SLOTS - 1) {
			if
			:: count[s] == 1 -> count[s] = 0; maps[s] = NONE; shown[s] = NONE
			:: else
			fi
		};
		s = NONE
	}
}

inline use(f, look)
{
	s = NONE;
	if
	:: look -> find(f)
	:: else
	fi;
	if
	:: s == NONE ->
		clean_slot();
		if
		:: s == NONE -> flush(); clean_slot()
		:: else
		fi;
		if
		:: s != NONE -> d_step { maps[s] = f; count[s] = 1 }
		:: else
		fi
	:: else
	fi;
	if
	:: s != NONE -> count[s]++
	:: else
	fi
}

/* One slot for a frame, and the frame in the slot. */
inline check(f)
{
	d_step {
		if
		:: shown[s] == NONE -> shown[s] = maps[s]
		:: else
		fi;
		assert(maps[s] == f && shown[s] == f);
		assert(!(count[0] && count[1] && maps[0] == maps[1]))
	}
}

proctype user(byte n)
{
	byte s, f, at, turn;
	bool look;

	for (turn : 0 .. 1) {
		f = (n + turn) % FRAMES;
		look = true;
		take_lock();
		do
		:: true ->
			use(f, look);
			if
			:: s != NONE -> break
			:: else
			fi;
			at = released;
			lock = false;
			(released != at);
			take_lock();
#if BUG == 2
			look = false
#endif
		od;
		lock = false;
		check(f);
		check(f);
		take_lock();
		count[s]--;
		if
		:: count[s] == 1 ->
			released++;
#if BUG == 3
			count[s] = 0
#endif
		:: else
		fi;
		lock = false
	};
	ended++
}

init {
	byte i;

	atomic {
		for (i : 0 .. USERS - 1) { run user(i) }
	};
	(ended == USERS);
	assert(count[0] <= 1 && count[1] <= 1)
}
