/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread that writes a trace to its file while the machine runs.
 *
 * It takes no lock and touches nothing of the guest's; it is slower than many vCPUs together, and what it
 * comes too late for is counted as lost. Signals are for others.
 * Read first: trace.h.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "vmm/trace/trace.h"

#define BATCH  2048u
#define NAP_NS 2000000 /* between two looks */

struct trace_drain {
	struct sh_mmu *mmu;
	FILE *f;
	const struct trace_renderer *to;
	struct sh_trace_filter what;
	struct sh_trace_read at;
	uint64_t lost;
	pthread_t thread;
	_Atomic bool stop;
	struct sh_trace_record rec[BATCH];
};

/* True: there is more. */
static bool drain_some(struct trace_drain *d)
{
	unsigned n = sh_trace_read(d->mmu, &d->at, &d->what, d->rec, BATCH);

	if (d->at.lost)
		d->to->lost(d->f, d->at.lost);
	d->lost += d->at.lost;
	for (unsigned i = 0; i < n; i++)
		d->to->record(d->f, &d->rec[i]);
	d->at.since = d->at.next;
	return d->at.more;
}

static void *drain_main(void *arg)
{
	struct timespec nap = {.tv_nsec = NAP_NS};
	struct trace_drain *d = arg;

	while (!atomic_load(&d->stop))
		if (!drain_some(d))
			nanosleep(&nap, NULL);
	return NULL;
}

struct trace_drain *trace_drain_start(struct sh_mmu *mmu, uint64_t events, FILE *f,
				      const struct trace_renderer *to)
{
	struct trace_drain *d = calloc(1, sizeof(*d));
	sigset_t all, before;
	int err;

	if (!d)
		return NULL;
	d->mmu = mmu;
	d->what = SH_TRACE_ALL;
	d->what.events = events;
	d->f = f;
	d->to = to;
	d->at.since = sh_trace_newest(mmu);
	to->begin(f);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&d->thread, NULL, drain_main, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!err)
		return d;
	free(d);
	return NULL;
}

int trace_drain_stop(struct trace_drain *d, uint64_t *lost)
{
	int err = 0;

	atomic_store(&d->stop, true);
	pthread_join(d->thread, NULL);
	while (drain_some(d))
		;
	d->to->end(d->f);
	*lost = d->lost;
	if (fflush(d->f) || ferror(d->f))
		err = errno ? errno : EIO;
	free(d);
	return err;
}
