/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The checker for "no call that may wait or allocate while an atomic window is held". Every place of
 * the library that may sleep - allocation, mutex, condition, shootdown, grace period - says so
 * first, by sh_may_wait(); the lint test knows the calls and looks for it. If the thread holds an
 * atomic window there, the violation is counted against the memory the window shows, with the name
 * of the function (struct gmem_stats).
 *
 * Always compiled in: it is one load of a thread's own word. The window layer's own system calls
 * are exempt: nobody else gets this thread's slots while they run.
 * Locks: none. Internal. Read first: gmem.h.
 */
#ifndef UMBRA_SHADOW_MAYWAIT_H
#define UMBRA_SHADOW_MAYWAIT_H

struct gmem;

/* Atomic windows this thread holds, and whose the last one is. initial-exec: without it each look
 * is a call of the dynamic linker's in a shared library. */
struct sh_held {
	unsigned depth;
	struct gmem *gm;
};
extern __thread struct sh_held sh_held __attribute__((tls_model("initial-exec")));

void sh_waited_in_window(const char *where);

static inline void sh_may_wait_at(const char *where)
{
	if (__builtin_expect(sh_held.depth != 0, 0))
		sh_waited_in_window(where);
}
#define sh_may_wait() sh_may_wait_at(__func__)

#endif
