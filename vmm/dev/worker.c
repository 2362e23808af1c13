/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A device's thread: see worker.h.
 *
 * Invariant: while `busy` is set the thread is in work() and holds no lock of ours; whoever wants it
 * to rest sets `held` or `quit` and waits for `busy` to clear.
 * Locks: w->lock, for everything below it; nothing is taken under it.
 * Read first: worker.h.
 */
#include "vmm/dev/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct worker {
	const struct dev_host *host;
	bool (*work)(void *dev);
	void *dev;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool pending, busy, quit;
	unsigned held;
};

/* One unit; afterwards there may be another, unless there was none. */
static void do_unit(struct worker *w)
{
	bool more;

	w->pending = false;
	w->busy = true;
	pthread_mutex_unlock(&w->lock);
	more = w->work(w->dev);
	pthread_mutex_lock(&w->lock);
	w->busy = false;
	w->pending |= more;
	pthread_cond_broadcast(&w->changed);
}

static void *run(void *arg)
{
	struct worker *w = arg;

	w->host->thread_begin(w->host->ctx);
	pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		if (w->pending && !w->held)
			do_unit(w);
		else
			pthread_cond_wait(&w->changed, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	w->host->thread_end(w->host->ctx);
	return NULL;
}

/* Signals are for the threads that expect them. */
static int start(struct worker *w)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

struct worker *worker_create(const struct dev_host *h, bool (*work)(void *dev), void *dev)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->host = h;
	w->work = work;
	w->dev = dev;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (h->threads && start(w)) {
		w->host = NULL;
		worker_destroy(w);
		return NULL;
	}
	return w;
}

void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	if (w->host && w->host->threads) {
		pthread_mutex_lock(&w->lock);
		w->quit = true;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void worker_kick(struct worker *w)
{
	if (!w->host->threads) {
		while (w->work(w->dev))
			;
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->pending = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void worker_hold(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->held++;
	while (w->busy)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_release(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->held--;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}
