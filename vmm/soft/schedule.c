/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All vCPUs in one thread, deterministic: who is next and for how many instructions follows from
 * the seed, and machine time from the instructions executed. Where every vCPU waits, time skips to
 * the next deadline.
 *
 * What comes from outside (the control socket, a signal, --timeout) is as irregular as ever.
 * Locks: none held. Read first: soft.h, ../vcpu.c.
 */
#include <string.h>
#include <urcu/urcu-memb.h>

#include "vmm/soft/soft.h"

/* Turns last up to 2^0 .. 2^10 instructions: short ones find more, long ones get on. */
#define TURN_BITS 11u
#define TURN_ONLY 1024u /* nobody else wants to run */

/* splitmix64: any seed will do, 0 too. */
static uint64_t next(struct soft *soft)
{
	uint64_t z = soft->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool quit(struct machine *m)
{
	return atomic_load(&m->vcpu[0].requests) & REQ_QUIT;
}

static unsigned awake(struct machine *m, struct vcpu *list[MACHINE_MAX_CPUS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!vcpu_idle(&m->vcpu[i]))
			list[n++] = &m->vcpu[i];
	return n;
}

/* Everybody waits: until the first deadline, or for the outside. */
static void skip(struct machine *m)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		uint64_t at = atomic_load(&m->vcpu[i].deadline);

		first = at < first ? at : first;
	}
	if (first == UINT64_MAX)
		vcpu_sleep(&m->vcpu[0]);
	else if (first > atomic_load(&m->turned))
		atomic_store(&m->turned, first);
}

static void turn(struct soft *soft)
{
	struct vcpu *list[MACHINE_MAX_CPUS];
	unsigned n = awake(soft->m, list);
	uint64_t r;

	if (!n) {
		skip(soft->m);
		return;
	}
	r = next(soft);
	soft->slice = TURN_ONLY;
	if (n > 1)
		soft->slice = 1 + (unsigned)((r >> 32) & ((1u << (r >> 16) % TURN_BITS) - 1));
	vcpu_turn(list[r % n]);
}

static int setup(struct machine *m)
{
	int err = 0;

	for (unsigned i = 0; !err && i < m->cfg.cpus; i++)
		err = vcpu_setup(&m->vcpu[i]);
	if (err)
		machine_end(m, VERDICT_HOST, "cannot create the vCPUs: %s", strerror(-err));
	return err;
}

void *soft_one_thread(void *machine)
{
	struct machine *m = machine;
	int err;

	urcu_memb_register_thread();
	err = setup(m);
	while (!err && !quit(m))
		turn(m->soft);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		vcpu_teardown(&m->vcpu[i]);
	gmem_thread_exit(m->gm);
	urcu_memb_unregister_thread();
	vcpu_thread_ends(m);
	return NULL;
}
