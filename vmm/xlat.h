/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Translations that emulated instructions of one vCPU have used: a small TLB in front of the guest
 * walk, so that a stretch of interpreted code does not walk for each access.
 *
 * It keeps what a processor may keep. A translation is entered when a walk has permitted the
 * access and set A and D for it, is found only by an access of the same kind and the same rights,
 * and goes with everything else at any event that drops or changes a translation on this vCPU:
 * a page fault, INVLPG, INVPCID, any load of CR0, CR3, CR4, EFER, PKRU or PKRS, INIT (SDM vol. 3, section
 * 4.10.4.1). All of these trap or are emulated, so that they come by here (memops.c). What another
 * vCPU writes to a table needs one of them here before it must be seen. A fault is never kept.
 * Owned by the vCPU's thread. Read first: memops.c.
 */
#ifndef UMBRA_XLAT_H
#define UMBRA_XLAT_H

#include <stdbool.h>
#include <stdint.h>

#define XLAT_SLOTS 128u

struct xlat {
	uint64_t epoch; /* part of each key: a new one empties the cache */
	struct {
		uint64_t page, epoch,
			frame; /* page: address with the kind of access in bits 0..7 */
		bool ram;
	} slot[XLAT_SLOTS];
};

static inline unsigned xlat_index(uint64_t key)
{
	return (unsigned)((key >> 12 ^ key >> 19 ^ (key & 0xff) * 37) % XLAT_SLOTS);
}

static inline uint64_t xlat_key(uint64_t va, unsigned kind)
{
	return (va & ~0xfffull) | kind;
}

/* Epoch 0 is no slot's own, so zeroed memory is an empty cache once it was dropped. */
static inline void xlat_drop(struct xlat *x)
{
	x->epoch++;
}

static inline bool xlat_find(const struct xlat *x, uint64_t va, unsigned kind, uint64_t *pa,
			     bool *ram)
{
	const uint64_t key = xlat_key(va, kind);
	const unsigned i = xlat_index(key);

	if (x->slot[i].page != key || x->slot[i].epoch != x->epoch || !x->epoch)
		return false;
	*pa = x->slot[i].frame | (va & 0xfff);
	*ram = x->slot[i].ram;
	return true;
}

static inline void xlat_keep(struct xlat *x, uint64_t va, unsigned kind, uint64_t pa, bool ram)
{
	const uint64_t key = xlat_key(va, kind);
	const unsigned i = xlat_index(key);

	x->slot[i].page = key;
	x->slot[i].epoch = x->epoch;
	x->slot[i].frame = pa & ~0xfffull;
	x->slot[i].ram = ram;
}

#endif
