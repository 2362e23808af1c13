/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest RAM: regions, and access by physical address. The windows themselves are in window.c.
 *
 * Owns: the memfd or file, the region table. Invariants: regions are sorted and disjoint and fixed after
 * gmem_create(); no access leaves them. Locks: none.
 * Read first: gmem.h. Read next: window.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shadow/gmem_internal.h"

/* A PC's RAM stops here and goes on at 4 GiB; device memory lies between. */
#define LOW_END	 (3ull << 30)
#define HIGH_GPA (4ull << 30)

static void add_region(struct gmem *gm, uint64_t gpa, uint64_t len, uint64_t offset)
{
	/* mpa = gpa for RAM: the shadow tables then hold the guest's own frame numbers, which
	 * makes them readable; nothing may rely on it, the types keep the two apart. */
	gm->region[gm->regions++] = (struct gmem_region){
		.gfn = gpa_gfn(GPA(gpa)),
		.mfn = mpa_mfn(MPA(gpa)),
		.frames = len >> SH_PAGE_SHIFT,
		.offset = offset,
	};
}

/* A file of the right kind that nobody else uses. O_NONBLOCK: a FIFO is refused, not waited for. */
static int open_file(struct gmem *gm, const char *file)
{
	struct stat st;

	gm->fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	if (gm->fd < 0)
		return -errno;
	if (fstat(gm->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENODEV;
	if (flock(gm->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return st.st_size && (uint64_t)st.st_size != gm->size ? -EFBIG : 0;
}

static int create_memory(struct gmem *gm, const struct gmem_config *cfg)
{
	int err = 0;

	if (cfg->file)
		err = open_file(gm, cfg->file);
	else if ((gm->fd = memfd_create("umbra-ram", MFD_CLOEXEC)) < 0)
		err = -errno;
	if (!err && ftruncate(gm->fd, (off_t)gm->size) < 0)
		err = -errno;
	if (!err)
		err = gmem_windows_init(gm);
	return err ? err : gmem_pool_init(gm, cfg->pool ? cfg->pool : GMEM_POOL_MAX);
}

static uint64_t lowmem_of(const struct gmem_config *cfg)
{
	if (cfg->debug)
		return 0;
	return cfg->lowmem < cfg->size ? cfg->lowmem & SH_PAGE_MASK : cfg->size;
}

int gmem_create(const struct gmem_config *cfg, struct gmem **out)
{
	static _Atomic uint64_t ids;
	struct gmem *gm;
	uint64_t low;
	int err;

	if (cfg->size < (1u << 20) || cfg->size % SH_PAGE_SIZE || cfg->size > (1ull << 46))
		return -EINVAL;
	if ((cfg->pool && cfg->pool < GMEM_POOL_AT_ONCE) || cfg->pool > GMEM_POOL_MAX)
		return -EINVAL;
	sh_may_wait();
	gm = calloc(1, sizeof(*gm));
	if (!gm)
		return -ENOMEM;
	gm->fd = -1;
	gm->id = atomic_fetch_add(&ids, 1) + 1;
	gm->debug = cfg->debug;
	gm->size = cfg->size;
	gm->lowmem = lowmem_of(cfg);
	low = cfg->size < LOW_END ? cfg->size : LOW_END;
	add_region(gm, 0, low, 0);
	if (cfg->size > low)
		add_region(gm, HIGH_GPA, cfg->size - low, low);
	gm->low_frames = (gm->lowmem < low ? gm->lowmem : low) >> SH_PAGE_SHIFT;
	err = create_memory(gm, cfg);
	if (err) {
		gmem_destroy(gm);
		return err;
	}
	*out = gm;
	return 0;
}

void gmem_destroy(struct gmem *gm)
{
	if (!gm)
		return;
	gmem_pool_fini(gm);
	gmem_windows_fini(gm);
	if (gm->fd >= 0)
		close(gm->fd);
	free(gm);
}

uint64_t gmem_size(const struct gmem *gm)
{
	return gm->size;
}

int gmem_fd(const struct gmem *gm)
{
	return gm->fd;
}

const struct gmem_region *gmem_regions(const struct gmem *gm, unsigned *n)
{
	*n = gm->regions;
	return gm->region;
}

gfn_t gmem_end(const struct gmem *gm)
{
	const struct gmem_region *r = &gm->region[gm->regions - 1];

	return GFN(r->gfn.v + r->frames);
}

mfn_t gmem_mfn(const struct gmem *gm, gfn_t gfn)
{
	for (unsigned i = 0; i < gm->regions; i++) {
		uint64_t d = gfn.v - gm->region[i].gfn.v;

		if (d < gm->region[i].frames)
			return MFN(gm->region[i].mfn.v + d);
	}
	return MFN_NONE;
}

mfn_t gmem_run(const struct gmem *gm, gfn_t gfn, uint64_t frames)
{
	for (unsigned i = 0; i < gm->regions; i++) {
		uint64_t d = gfn.v - gm->region[i].gfn.v, n = gm->region[i].frames;

		if (d < n)
			return frames <= n - d ? MFN(gm->region[i].mfn.v + d) : MFN_NONE;
	}
	return MFN_NONE;
}

gfn_t gmem_gfn(const struct gmem *gm, mfn_t mfn)
{
	for (unsigned i = 0; i < gm->regions; i++) {
		uint64_t d = mfn.v - gm->region[i].mfn.v;

		if (d < gm->region[i].frames)
			return GFN(gm->region[i].gfn.v + d);
	}
	return GFN(UINT64_MAX);
}

bool gmem_valid(const struct gmem *gm, gpa_t gpa, uint64_t len)
{
	if (len == 0)
		return true;
	if (gpa.v + len - 1 < gpa.v)
		return false;
	for (unsigned i = 0; i < gm->regions; i++) {
		uint64_t start = gm->region[i].gfn.v << SH_PAGE_SHIFT;
		uint64_t bytes = gm->region[i].frames << SH_PAGE_SHIFT;

		if (gpa.v - start < bytes)
			return len <= bytes - (gpa.v - start);
	}
	return false;
}

/* Applies fn to each piece of [gpa, gpa+len) that lies within one frame. */
static int each_piece(struct gmem *gm, gpa_t gpa, uint64_t len,
		      void (*fn)(uint8_t *guest, void *arg, uint64_t done, size_t n), void *arg)
{
	uint64_t done = 0;

	if (!gmem_valid(gm, gpa, len))
		return -EFAULT;
	while (done < len) {
		uint64_t at = gpa.v + done, off = at & (SH_PAGE_SIZE - 1);
		size_t n = len - done < SH_PAGE_SIZE - off ? len - done : SH_PAGE_SIZE - off;
		uint8_t *p = gmem_map(gm, gpa_gfn(GPA(at)));

		if (!p)
			return -ENOMEM;
		fn(p + off, arg, done, n);
		gmem_unmap(gm, p);
		done += n;
	}
	return 0;
}

static void piece_read(uint8_t *guest, void *arg, uint64_t done, size_t n)
{
	gmem_copy_from((uint8_t *)arg + done, guest, n);
}

static void piece_write(uint8_t *guest, void *arg, uint64_t done, size_t n)
{
	gmem_copy_to(guest, (const uint8_t *)arg + done, n);
}

static void piece_fill(uint8_t *guest, void *arg, uint64_t done, size_t n)
{
	(void)done;
	memset(guest, *(uint8_t *)arg, n);
}

int gmem_read(struct gmem *gm, gpa_t gpa, void *buf, size_t len)
{
	return each_piece(gm, gpa, len, piece_read, buf);
}

int gmem_write(struct gmem *gm, gpa_t gpa, const void *buf, size_t len)
{
	return each_piece(gm, gpa, len, piece_write, (void *)(uintptr_t)buf);
}

int gmem_fill(struct gmem *gm, gpa_t gpa, uint8_t byte, uint64_t len)
{
	return each_piece(gm, gpa, len, piece_fill, &byte);
}
