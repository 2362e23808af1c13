/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A shootdown reaches a vCPU wherever it is, and the flush that it had asked for need not be asked
 * for again.
 *
 * Models:
 *   vcpu(), entry       vcpu_may_enter() of vmm/vcpu.c: mode, and only then a last look at requests
 *   vcpu(), forgetting  take_requests(), and what an engine does with REQ_FLUSH at its entry
 *   vcpu(), leaving     runs counts up and mode goes OUTSIDE after a kick or an exit
 *   request()           vcpu_request(): the bit, then a look at mode, then the kick
 *   wait_out()          vcpu_wait_out(): runs, mode, and waiting for either to move on
 *   flusher()           a drop counted by sh_dropped(), then sh_flush_drops() of shadow/reclaim.c and
 *                       sh_shootdown_all(): the generation (drops) is read before the shootdown and is
 *                       done (drops_flushed) after it; who finds it done has nothing to wait for
 * Two flushers drop an entry each; mmu->lock orders their shootdowns. The vCPU's TLB holds the
 * generation its translations are from: it walks the tables when it uses one it has not.
 *
 * With BUG: 1, the vCPU looks at requests before it says that it is in the guest; 2, a flush is taken
 * for all that was dropped until its end; 3, a requester looks whether to kick before it sets the bit,
 * and waits for a vCPU that knows of nothing; 4, nobody kicks a vCPU that was outside at the request and
 * is in the guest again, with the flush behind it, when it is waited for.
 */
#ifndef BUG
#define BUG 0
#endif
#define FLUSHERS 2
#define NOTHING	 255

byte table;		/* generation of the entry in memory: counts up when it is dropped */
byte cached = NOTHING;	/* generation of the translation in the TLB */
byte least;		/* oldest one that may be used */
byte drops, drops_flushed;
bool lock, in_guest, req_flush, kicked;
byte runs, ended;

inline take_lock() { atomic { !lock -> lock = true } }

/* Guest code: uses what is cached, or walks. */
inline use()
{
	atomic {
		if
		:: cached == NOTHING -> cached = table
		:: else
		fi;
		assert(cached >= least)
	}
}

inline forget() { atomic { req_flush -> req_flush = false; cached = NOTHING } }

active proctype vcpu()
{
	byte entries;

	do
	:: entries == 3 -> break
	:: else ->
		entries++;
		if
		:: forget()
		:: !req_flush
		fi;
#if BUG == 1
		if
		:: req_flush -> goto out
		:: else
		fi;
		in_guest = true;
#else
		in_guest = true;
		if
		:: req_flush -> in_guest = false; goto out
		:: else
		fi;
#endif
		/* Guest code, until an exit of its own or, in an endless loop, a kick. */
		use();
		use();
		if
		:: true
		:: true ->
end_loops:		(kicked)
		fi;
		kicked = false;
		runs++;
		in_guest = false;
out:		skip
	od
}

inline request()
{
#if BUG == 3
	if
	:: in_guest -> kicked = true
	:: else
	fi;
	req_flush = true
#else
	req_flush = true;
	if
	:: in_guest -> kicked = true
	:: else
	fi
#endif
}

inline wait_out()
{
	at = runs;
	again = false;
	if
	:: in_guest ->
		do
		:: !in_guest || runs != at -> break
#if BUG != 4
		:: !again && !req_flush -> kicked = true; again = true
#endif
		od
	:: else
	fi
}

proctype flusher()
{
	byte at, mine, upto;
	bool again;

	/* An entry goes, as leaves do: without mmu->lock. */
	d_step { table++; drops++; mine = table };
	take_lock();
	upto = drops;
	if
	:: upto != drops_flushed ->
		request();
		wait_out();
#if BUG == 2
		drops_flushed = drops
#else
		drops_flushed = upto
#endif
	:: else
	fi;
	/* From here on the frame may be anything: no vCPU may use what named it. */
	d_step {
		if
		:: least < mine -> least = mine
		:: else
		fi
	};
	lock = false;
	ended++
}

init {
	byte i;

	atomic {
		for (i : 1 .. FLUSHERS) { run flusher() }
	}
}
