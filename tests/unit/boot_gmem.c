/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stand-in for shadow/gmem.c that is one flat mapping: enough for the loader's tests, with RAM
 * split at 3 GiB as the real one has it. Link this or the real one, not both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shadow/gmem.h"

#define GIB (1ull << 30)

struct gmem {
	uint8_t *base;
	uint64_t size;
	unsigned n;
	struct gmem_region region[2];
};

int gmem_create(const struct gmem_config *cfg, struct gmem **out)
{
	struct gmem *gm = calloc(1, sizeof(*gm));
	uint64_t low = cfg->size < 3 * GIB ? cfg->size : 3 * GIB;

	if (!gm)
		return -ENOMEM;
	gm->size = cfg->size;
	gm->base = mmap(NULL, cfg->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (gm->base == MAP_FAILED) {
		free(gm);
		return -ENOMEM;
	}
	gm->region[gm->n++] = (struct gmem_region){.frames = low / 4096};
	if (cfg->size > low)
		gm->region[gm->n++] = (struct gmem_region){
			.gfn = GFN(4 * GIB / 4096), .mfn = MFN(4 * GIB / 4096),
			.frames = (cfg->size - low) / 4096, .offset = low,
		};
	*out = gm;
	return 0;
}

void gmem_destroy(struct gmem *gm)
{
	munmap(gm->base, gm->size);
	free(gm);
}

uint64_t gmem_size(const struct gmem *gm)
{
	return gm->size;
}

const struct gmem_region *gmem_regions(const struct gmem *gm, unsigned *n)
{
	*n = gm->n;
	return gm->region;
}

/* The host address of [gpa, gpa + len), which must be in one region; else NULL. */
static uint8_t *at(const struct gmem *gm, gpa_t gpa, uint64_t len)
{
	unsigned i;

	for (i = 0; i < gm->n; i++) {
		uint64_t start = gm->region[i].gfn.v * 4096, size = gm->region[i].frames * 4096;

		if (gpa.v >= start && gpa.v - start <= size && len <= size - (gpa.v - start))
			return gm->base + gm->region[i].offset + (gpa.v - start);
	}
	return NULL;
}

bool gmem_valid(const struct gmem *gm, gpa_t gpa, uint64_t len)
{
	return at(gm, gpa, len);
}

int gmem_read(struct gmem *gm, gpa_t gpa, void *buf, size_t len)
{
	uint8_t *p = at(gm, gpa, len);

	return p ? (memcpy(buf, p, len), 0) : -EFAULT;
}

int gmem_write(struct gmem *gm, gpa_t gpa, const void *buf, size_t len)
{
	uint8_t *p = at(gm, gpa, len);

	return p ? (memcpy(p, buf, len), 0) : -EFAULT;
}

int gmem_fill(struct gmem *gm, gpa_t gpa, uint8_t byte, uint64_t len)
{
	uint8_t *p = at(gm, gpa, len);

	return p ? (memset(p, byte, len), 0) : -EFAULT;
}
