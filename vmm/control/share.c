/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the server may take from the vCPUs: a share of the processors' time.
 *
 * Where there are not more processors than vCPUs, clients that ask without pause would take as much as a
 * vCPU does, and a vCPU that has lost its processor may hold what the guest's others wait for: ten clients
 * made storms on four vCPUs and two processors last 1.8 to 2 times as long, at any niceness. So the server
 * rests when it has used up its share, which it has saved up for a burst of questions. A paused guest
 * loses nothing: then there is no limit.
 *
 * Belongs to the server's thread. Read first: control.h. Read next: server.c.
 */
#define _GNU_SOURCE 1 /* sched_getaffinity, gettid */

#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "vmm/control/internal.h"

#define SHARE_PERCENT  2 /* of the processors that may be used */
#define SHARE_BURST_NS (CTL_NSEC / 10)
/* The longest rest, however dear a command was: who asks next is a person, perhaps. */
#define SHARE_REST_NS CTL_NSEC
/* More than the vCPUs'. It is for single commands that take long. */
#define SERVER_NICE 7

static int64_t used_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * CTL_NSEC + t.tv_nsec;
}

static int64_t earned_in(const struct ctl_share *s, int64_t ns)
{
	return ns * s->processors * SHARE_PERCENT / 100;
}

void ctl_share_init(struct ctl_share *s, unsigned vcpus)
{
	id_t self = (id_t)gettid();
	cpu_set_t set;
	bool known = !sched_getaffinity(0, sizeof(set), &set);
	*s = (struct ctl_share){.processors = known ? CPU_COUNT(&set) : 1,
				.now = ctl_now(),
				.used = used_ns(),
				.credit = SHARE_BURST_NS};
	s->limited = known && (unsigned)s->processors <= vcpus;
	if (s->limited) /* on Linux niceness is a thread's own */
		setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + SERVER_NICE);
}

int64_t ctl_share_rest(struct ctl_share *s, bool guest_runs)
{
	int64_t now, used;
	if (!s->limited)
		return 0;
	now = ctl_now();
	used = used_ns();
	s->credit += earned_in(s, now - s->now) - (used - s->used);
	s->now = now;
	s->used = used;
	if (!guest_runs || s->credit > SHARE_BURST_NS)
		s->credit = SHARE_BURST_NS;
	if (s->credit < -earned_in(s, SHARE_REST_NS))
		s->credit = -earned_in(s, SHARE_REST_NS);
	return s->credit >= 0 ? 0 : -s->credit * 100 / (s->processors * SHARE_PERCENT);
}
