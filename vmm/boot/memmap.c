/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory map a guest is told, the ranges that loading has already given away, and the block
 * of boot information.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <string.h>

static void add(struct boot_memmap *m, uint64_t start, uint64_t end, uint32_t type)
{
	if (start >= end || m->n == MEMMAP_MAX)
		return;
	m->range[m->n].start = start;
	m->range[m->n].size = end - start;
	m->range[m->n].type = type;
	m->n++;
}

static uint64_t region_start(const struct gmem_region *r)
{
	return gfn_gpa(r->gfn).v;
}

static uint64_t region_end(const struct gmem_region *r)
{
	return gfn_gpa(GFN(r->gfn.v + r->frames)).v;
}

/* As a PC's BIOS draws it: the EBDA, then video memory and ROMs (where the MP tables are). */
void memmap_build(struct boot_memmap *m, const struct gmem *gm)
{
	unsigned i, n;
	const struct gmem_region *r = gmem_regions(gm, &n);

	m->n = 0;
	add(m, 0, LOW_RAM_END, MEMMAP_RAM);
	add(m, LOW_RAM_END, 0xa0000, MEMMAP_RESERVED);
	add(m, 0xa0000, HIGH_RAM, MEMMAP_RESERVED);
	for (i = 0; i < n; i++) {
		uint64_t start = region_start(&r[i]);

		add(m, start < HIGH_RAM ? HIGH_RAM : start, region_end(&r[i]), MEMMAP_RAM);
	}
}

uint64_t memmap_upper(const struct gmem *gm)
{
	unsigned i, n;
	const struct gmem_region *r = gmem_regions(gm, &n);
	uint64_t end = HIGH_RAM;

	for (i = 0; i < n; i++)
		if (region_start(&r[i]) <= end && region_end(&r[i]) > end)
			end = region_end(&r[i]);
	return end - HIGH_RAM;
}

void claim(struct boot_claims *c, uint64_t start, uint64_t size)
{
	c->range[c->n].start = start;
	c->range[c->n].end = start + size;
	c->n++;
}

static uint64_t page_up(uint64_t v)
{
	return (v + SH_PAGE_SIZE - 1) & SH_PAGE_MASK;
}

/* Moves at past whatever lies in [at, at + size); true if something did. */
static bool step_over(const struct boot_claims *c, uint64_t *at, uint64_t size)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (*at < c->range[i].end && c->range[i].start < *at + size) {
			*at = page_up(c->range[i].end);
			return true;
		}
	return false;
}

/* Addresses are below 4 GiB and sizes those of files, so that no sum can wrap; at only grows. */
uint64_t claim_find(const struct boot_claims *c, const struct gmem *gm, uint64_t size,
		    uint64_t from, uint64_t to)
{
	uint64_t at = page_up(from);

	while (at < to && step_over(c, &at, size))
		;
	if (at >= to || size > to - at || !gmem_valid(gm, GPA(at), size))
		return 0;
	return at;
}

uint64_t info_put(struct boot_info *b, const void *data, size_t len)
{
	uint64_t gpa = b->base + b->used;

	if (len > BOOT_INFO_SIZE - b->used)
		return 0;
	memcpy(b->bytes + b->used, data, len);
	b->used += (len + 7) & ~(size_t)7;
	if (b->used > BOOT_INFO_SIZE)
		b->used = BOOT_INFO_SIZE;
	return gpa;
}

uint64_t info_put_string(struct boot_info *b, const char *s)
{
	return info_put(b, s, strlen(s) + 1);
}
