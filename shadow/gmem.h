/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest RAM and the one checked door to it.
 *
 * RAM is a memfd, or a file, sparse. Nothing in Umbra dereferences the mapping that KVM's memory
 * slots point at; host-side code sees guest memory through windows only: a lowmem span that is
 * always mapped, and for every frame above it a per-thread stack of atomic slots, or a pool of
 * persistent ones. A window is found by mfn; the map of gfn to mfn (holes, device memory) is kept
 * here too, so that an address out of a guest's mouth is checked in one place.
 *
 * Invariants: a pointer out of gmem_map() is valid until the matching gmem_unmap() of the same
 * thread; unmaps are in reverse order of maps (LIFO), anything else is refused and counted; no
 * call that may wait or allocate is made between the two (maywait.h checks). A pointer out of
 * gmem_pool_map() may be held as long as one likes.
 *
 * Locks: none on the atomic access paths; the pool has one of its own, innermost. Slots belong to a
 * thread; the region table is fixed once the machine runs. The whole design: docs/windows.md.
 *
 * Read first: addr.h.
 */
#ifndef UMBRA_SHADOW_GMEM_H
#define UMBRA_SHADOW_GMEM_H

#include "shadow/addr.h"

struct gmem;

#define GMEM_MAX_REGIONS   4
#define GMEM_SLOTS	   8  /* atomic windows a thread may hold at once */
#define GMEM_POOL_MAX	   64 /* persistent windows, at most */
#define GMEM_POOL_AT_ONCE  2  /* and what one call may ask for */
#define GMEM_POOL_PATIENCE 5 /* seconds that gmem_pool_map() waits for another to be released */

struct gmem_config {
	uint64_t size;	  /* bytes of RAM, a multiple of 4096, at least 1 MiB */
	uint64_t lowmem;  /* bytes always mapped, from gpa 0; 0 is allowed */
	unsigned pool;	  /* persistent windows, GMEM_POOL_AT_ONCE to GMEM_POOL_MAX; 0: all */
	bool debug;	  /* no lowmem, and a window is unmapped when its last user closes it */
	const char *file; /* keeps RAM; NULL: a memfd */
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
	/* Atomic windows above lowmem; a miss is a map that cost a system call. */
	uint64_t maps_slot, slot_misses, exhausted, lifo_errors, max_depth;
	/* Persistent ones above lowmem. A flush is one system call. errors: unmaps refused. */
	uint64_t pool_maps, pool_hits, pool_flushes, pool_waits, pool_timeouts, pool_errors;
	/* Calls that may wait, made while an atomic window was held, and by whom last. */
	uint64_t wait_violations;
	const char *violator; /* NULL: nobody */
};

/* Creates RAM. Returns 0, -EINVAL for a size out of range, -ENOMEM or the errno of the failing
 * call. Of a file: it is created, or used as it is if it is empty or of this very size, else
 * -EFBIG; -EBUSY if another machine has it, -ENODEV if it is no regular file. */
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
/* Atomic windows above lowmem that this thread holds. */
unsigned gmem_held(struct gmem *gm);

/* Opens a persistent window on one frame of RAM: it may be held across anything, and be closed by
 * another thread. All who have the frame open share one. Waits while every slot has a user. NULL if
 * there is no RAM at gfn, the host refuses a mapping, or after GMEM_POOL_PATIENCE seconds.
 * Not while the thread holds an atomic window. Each flavour of pointer goes back to its own unmap;
 * the other one refuses it and counts. */
void *gmem_pool_map(struct gmem *gm, gfn_t gfn);
void gmem_pool_unmap(struct gmem *gm, void *p);
/* The same for n frames, gfn and those behind it, at most GMEM_POOL_AT_ONCE: all or none. 0, -EFAULT,
 * -ENOMEM and the like, or -ETIMEDOUT. */
int gmem_pool_map_n(struct gmem *gm, gfn_t gfn, unsigned n, void *p[]);
/* Takes the persistent windows of these frames away that nobody holds: their attributes change. Those that
 * somebody holds stay, and lowmem is mapped for good. Any thread; the pool's lock. */
void gmem_pool_purge(struct gmem *gm, gfn_t gfn, uint64_t frames);

/* Takes this thread's open windows away, so that another walker may use its slots, and shows the
 * same frames again at the same addresses. -EBUSY if windows are open, -ENOMEM: try again. */
struct gmem_parked {
	unsigned depth;
	uint8_t slot[GMEM_SLOTS];
	uint64_t offset[GMEM_SLOTS];
};
void gmem_park(struct gmem *gm, struct gmem_parked *out);
int gmem_unpark(struct gmem *gm, const struct gmem_parked *in);

/* Copies between guest RAM and a buffer, crossing frames as needed. -EFAULT if any byte is
 * outside RAM or the range wraps; then nothing was copied. -ENOMEM if a window can't be had; then
 * a part may have been. */
int gmem_read(struct gmem *gm, gpa_t gpa, void *buf, size_t len);
int gmem_write(struct gmem *gm, gpa_t gpa, const void *buf, size_t len);
int gmem_fill(struct gmem *gm, gpa_t gpa, uint8_t byte, uint64_t len);
bool gmem_valid(const struct gmem *gm, gpa_t gpa, uint64_t len);

/* Moves len bytes, whole aligned words within one frame, to another place within one frame, and
 * leaves zeroes; the two may overlap. Each word is taken atomically. 0; -EFAULT outside RAM, -ENOMEM
 * without windows or memory: then nothing has changed. May allocate. */
int gmem_move(struct gmem *gm, gpa_t dst, gpa_t src, size_t len);

/* Gives frames back to the host: they read as zeroes until written again. 0, -EFAULT unless all are RAM
 * of one region, or an errno of the host's. */
int gmem_discard(struct gmem *gm, gfn_t gfn, uint64_t frames);
/* Frames of RAM that the host keeps memory for. */
uint64_t gmem_resident(const struct gmem *gm);

/* Single-copy atomic accesses of naturally aligned words (the address's low bits are the
 * caller's to check). -EFAULT outside RAM, -ENOMEM without a window. */
int gmem_load64(struct gmem *gm, gpa_t gpa, uint64_t *val);
int gmem_load32(struct gmem *gm, gpa_t gpa, uint32_t *val);
int gmem_store(struct gmem *gm, gpa_t gpa, uint64_t val, unsigned size);
/* *expect is updated to what was found. Returns 1 exchanged, 0 differed, or an error as above.
 * size 1, 2, 4, 8. */
int gmem_cmpxchg(struct gmem *gm, gpa_t gpa, uint64_t *expect, uint64_t desired, unsigned size);
/* The store of gmem_store() where a window is open already. */
void gmem_store_at(void *p, uint64_t val, unsigned size);
/* Copies between a buffer and guest memory in a window that is open. Other vCPUs use it at the same
 * time: what they see is any order of the words, as with a processor's string instructions, but each
 * aligned word of 2, 4 or 8 bytes is read and written whole. */
void gmem_copy_from(void *buf, const void *guest, size_t len);
void gmem_copy_to(void *guest, const void *buf, size_t len);

/* Releases the calling thread's atomic slots. Every thread that opened a window calls it before it
 * ends; returns the number of windows it still held (0 unless there is a bug). */
unsigned gmem_thread_exit(struct gmem *gm);

/* Without a lock, from any thread. */
void gmem_stats(const struct gmem *gm, struct gmem_stats *out);

#endif
