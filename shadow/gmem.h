/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest RAM and the one checked door to it.
 *
 * RAM is a memfd. Nothing in Umbra dereferences the mapping that KVM's memory slots point at;
 * host-side code sees guest memory through windows only: a lowmem span that is always mapped,
 * and for every frame above it a per-thread stack of atomic slots. A window is found by mfn; the
 * map of gfn to mfn (holes, device memory) is kept here too, so that an address out of a guest's
 * mouth is checked in one place.
 *
 * Invariants: a pointer out of gmem_map() is valid until the matching gmem_unmap() of the same
 * thread; unmaps are in reverse order of maps (LIFO), anything else is refused and counted; no
 * call that may wait or allocate is made between the two.
 *
 * Locks: none on the access paths. Slots belong to a thread; the region table is fixed once
 * the machine runs.
 *
 * Read first: addr.h.
 */
#ifndef UMBRA_SHADOW_GMEM_H
#define UMBRA_SHADOW_GMEM_H

#include "shadow/addr.h"

struct gmem;

#define GMEM_MAX_REGIONS 4
#define GMEM_SLOTS	 8 /* atomic windows a thread may hold at once */

struct gmem_config {
	uint64_t size;	 /* bytes of RAM, a multiple of 4096, at least 1 MiB */
	uint64_t lowmem; /* bytes always mapped, from gpa 0; 0 is allowed */
};

/* One piece of RAM: guest frames [gfn, gfn + frames) are machine frames [mfn, ...), and lie at
 * offset in the memfd. RAM stops below 3 GiB and goes on at 4 GiB, as on a PC. */
struct gmem_region {
	gfn_t gfn;
	mfn_t mfn;
	uint64_t frames;
	uint64_t offset;
};

/* Counters, read without a lock; monotonic. */
struct gmem_stats {
	uint64_t maps_slot, slot_misses, exhausted, lifo_errors;
};

/* Creates RAM. Returns 0, -EINVAL for a size out of range, -ENOMEM or the errno of the failing
 * call. */
int gmem_create(const struct gmem_config *cfg, struct gmem **out);
void gmem_destroy(struct gmem *gm);

uint64_t gmem_size(const struct gmem *gm);
int gmem_fd(const struct gmem *gm);
/* The regions; *n is at most GMEM_MAX_REGIONS. */
const struct gmem_region *gmem_regions(const struct gmem *gm, unsigned *n);
/* One past the highest guest frame with RAM. */
gfn_t gmem_end(const struct gmem *gm);

/* Machine frame behind a guest frame, MFN_NONE where there is no RAM; and the reverse. */
mfn_t gmem_mfn(const struct gmem *gm, gfn_t gfn);
gfn_t gmem_gfn(const struct gmem *gm, mfn_t mfn);
/* Machine frame behind gfn if the frames from there on are all RAM, machine frames in a row; else
 * MFN_NONE. */
mfn_t gmem_run(const struct gmem *gm, gfn_t gfn, uint64_t frames);

/* Opens a window on one frame of RAM. NULL if there is no RAM at gfn or (counted) all slots of
 * this thread are in use. Never waits for another thread. */
void *gmem_map(struct gmem *gm, gfn_t gfn);
/* Windows on RAM that this thread asked for and did not get, ever. A caller of something that reads
 * guest memory and can't say so itself compares before and after. */
uint64_t gmem_refused(void);
void gmem_unmap(struct gmem *gm, void *p);

/* Copies between guest RAM and a buffer, crossing frames as needed. -EFAULT if any byte is
 * outside RAM or the range wraps; then nothing was copied. */
int gmem_read(struct gmem *gm, gpa_t gpa, void *buf, size_t len);
int gmem_write(struct gmem *gm, gpa_t gpa, const void *buf, size_t len);
int gmem_fill(struct gmem *gm, gpa_t gpa, uint8_t byte, uint64_t len);
bool gmem_valid(const struct gmem *gm, gpa_t gpa, uint64_t len);

/* Single-copy atomic accesses of naturally aligned words (the address's low bits are the
 * caller's to check). -EFAULT outside RAM. */
int gmem_load64(struct gmem *gm, gpa_t gpa, uint64_t *val);
int gmem_load32(struct gmem *gm, gpa_t gpa, uint32_t *val);
int gmem_store(struct gmem *gm, gpa_t gpa, uint64_t val, unsigned size);
/* *expect is updated to what was found. Returns 1 exchanged, 0 differed, -EFAULT. size 1, 2, 4, 8. */
int gmem_cmpxchg(struct gmem *gm, gpa_t gpa, uint64_t *expect, uint64_t desired, unsigned size);

/* Releases the calling thread's slots. Every thread that opened a window calls it before it
 * ends; returns the number of windows it still held (0 unless there is a bug). */
unsigned gmem_thread_exit(struct gmem *gm);

void gmem_stats(const struct gmem *gm, struct gmem_stats *out);

#endif
