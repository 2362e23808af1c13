/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread of a device that reads and writes guest RAM by itself.
 *
 * The device hands over one function that does one bounded unit of work (a block, a frame) and says
 * whether there was any. A vCPU that rings the doorbell only wakes the thread. Where the machine has
 * no threads but one (dev_host.threads), worker_kick() does all the work before it returns, so that
 * a run follows from its seed alone.
 *
 * Locks: worker_kick() may be called with the device's lock held only if host.threads; devices call
 * it without. worker_hold() waits for the unit in hand and nothing else.
 * Read first: dev.h.
 */
#ifndef UMBRA_DEV_WORKER_H
#define UMBRA_DEV_WORKER_H

#include "vmm/dev/dev.h"

struct worker;

/* NULL without memory or threads. work() is called by one thread at a time. */
struct worker *worker_create(const struct dev_host *h, bool (*work)(void *dev), void *dev);
/* Ends the thread after the unit in hand. */
void worker_destroy(struct worker *w);
/* There is something to do. Any thread. */
void worker_kick(struct worker *w);
/* From the return of worker_hold() until worker_release() nothing is done; they nest. */
void worker_hold(struct worker *w);
void worker_release(struct worker *w);

#endif
