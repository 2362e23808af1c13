/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shootdowns by generation: a vCPU that may hold translations of a root forgets some addresses if it
 * has missed nothing, and everything if it has; one that holds nothing of the root is left alone.
 *
 * Models, of shadow/shootdown.c:
 *   vcpu(), loading     sh_hold() before the hardware can walk the root
 *   vcpu(), entering    sh_catch_up(): want against done; last and want read under the due's lock; one
 *                       behind: the addresses of last, further behind: everything. Then the mode, and
 *                       only then a last look at the request (vcpu_may_enter() of vmm/vcpu.c)
 *   unmapper()          sh_shootdown(): entries gone, held read, post() to who holds, kick and
 *                       wait_out(), and only then the frame is another's
 * Two unmappers take an address each; mmu->lock orders them. A TLB is a bit for each address.
 *
 * With BUG: 1, the vCPU forgets only what the last request names, however far it is behind; 2, a root is
 * held only when it has been walked; 3, done becomes what want is after the forgetting, not before; 4,
 * held is read before the entries are gone.
 */
#ifndef BUG
#define BUG 0
#endif
#define ADDRESSES 2

bool entry[ADDRESSES] = true; /* in the table */
bool cached[ADDRESSES];	      /* in the vCPU's TLB */
bool reused[ADDRESSES];	      /* what it led to is another's now */
bool lock, due_lock, held, in_guest, request, kicked;
byte want, done, last, runs, ended;

inline take(l) { atomic { !l -> l = true } }

inline use(a)
{
	atomic {
		if
		:: !cached[a] && entry[a] -> cached[a] = true
		:: else
		fi;
		assert(!(cached[a] && reused[a]))
	}
}

inline forget_all() { d_step { cached[0] = false; cached[1] = false } }

inline catch_up()
{
	if
	:: want != done ->
		take(due_lock);
		d_step { w = want; l = last };
		due_lock = false;
#if BUG == 1
		cached[l] = false;
#else
		if
		:: w == done + 1 -> cached[l] = false
		:: else -> forget_all()
		fi;
#endif
#if BUG == 3
		done = want
#else
		done = w
#endif
	:: else
	fi
}

active proctype vcpu()
{
	byte entries, w, l;

	do
	:: entries == 3 -> break
	:: else ->
		entries++;
#if BUG != 2
		held = true;
#endif
		request = false;
		catch_up();
		in_guest = true;
		if
		:: request -> in_guest = false
		:: else ->
			use(0);
			use(1);
#if BUG == 2
			held = true;
#endif
			if
			:: true
			:: true ->
end_loops:			(kicked)
			fi;
			kicked = false;
			runs++;
			in_guest = false
		fi
	od
}

proctype unmapper(byte a)
{
	byte at;
	bool mine, again;

	take(lock);
#if BUG == 4
	mine = held;
	entry[a] = false;
#else
	entry[a] = false;
	mine = held;
#endif
	if
	:: mine ->
		take(due_lock);
		d_step { last = a; want++ };
		due_lock = false;
		request = true;
		at = runs;
		if
		:: in_guest ->
			kicked = true;
			do
			:: !in_guest || runs != at -> break
			:: in_guest && runs == at && !again && !request -> kicked = true; again = true
			od
		:: else
		fi
	:: else
	fi;
	reused[a] = true;
	lock = false;
	ended++
}

init {
	byte i;

	atomic {
		for (i : 0 .. ADDRESSES - 1) { run unmapper(i) }
	}
}
