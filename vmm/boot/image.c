/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Checks that hold for every image, whatever format it came in.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <inttypes.h>

static uint64_t seg_end(const struct boot_segment *s)
{
	return s->paddr + s->memsz;
}

static bool overlap(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a < b_end && b < a_end;
}

/* What no image may lie over. */
static const struct {
	uint64_t start, end;
	const char *what;
} kept[] = {
	{0, FIRST_USABLE, "the first 4 KiB, which hold the BIOS data area"},
	{LOW_RAM_END, HIGH_RAM, "the reserved range from 0x9fc00 to 1 MiB"},
};

static int check_place(const struct boot_image *im, const struct gmem *gm,
		       const struct boot_segment *s)
{
	unsigned i;

	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (overlap(s->paddr, seg_end(s), kept[i].start, kept[i].end))
			return boot_fail(im->err,
					 "segment %u at 0x%" PRIx64
					 " lies over %s; link it elsewhere",
					 s->number, s->paddr, kept[i].what);
	if (!gmem_valid(gm, GPA(s->paddr), s->memsz))
		return boot_fail(im->err,
				 "segment %u (0x%" PRIx64 " to 0x%" PRIx64
				 ") lies outside RAM; raise --memory or link it lower",
				 s->number, s->paddr, seg_end(s));
	return 0;
}

static int check_overlap(const struct boot_image *im, unsigned i)
{
	const struct boot_segment *s = &im->seg[i];
	unsigned j;

	for (j = 0; j < i; j++)
		if (overlap(s->paddr, seg_end(s), im->seg[j].paddr, seg_end(&im->seg[j])))
			return boot_fail(im->err,
					 "segments %u and %u overlap in memory; link it again",
					 im->seg[j].number, s->number);
	return 0;
}

static bool in_segment(const struct boot_segment *s, uint64_t start, uint64_t entry)
{
	return entry >= start && entry - start < s->memsz;
}

/* e_entry is physical with multiboot as specified, but linkers that are left alone write the
 * virtual address there; GRUB takes that too. A physical match goes first. */
static int check_entry(struct boot_image *im)
{
	unsigned i;

	for (i = 0; i < im->segments; i++)
		if (in_segment(&im->seg[i], im->seg[i].paddr, im->entry))
			return 0;
	for (i = 0; i < im->segments && im->protocol == BOOT_MULTIBOOT1; i++)
		if (in_segment(&im->seg[i], im->seg[i].vaddr, im->entry)) {
			im->entry += im->seg[i].paddr - im->seg[i].vaddr;
			return 0;
		}
	return boot_fail(im->err,
			 "entry 0x%" PRIx64
			 " is in no loaded segment; check the linker script's ENTRY",
			 im->entry);
}

int image_check(struct boot_image *im, const struct gmem *gm)
{
	unsigned i;

	im->low = UINT64_MAX;
	im->high = 0;
	for (i = 0; i < im->segments; i++) {
		const struct boot_segment *s = &im->seg[i];

		if (check_place(im, gm, s) || check_overlap(im, i))
			return -1;
		im->low = s->paddr < im->low ? s->paddr : im->low;
		im->high = seg_end(s) > im->high ? seg_end(s) : im->high;
	}
	if (check_entry(im))
		return -1;
	if (im->entry >= BOOT_MEM_END)
		return boot_fail(im->err,
				 "entry 0x%" PRIx64
				 " is above 4 GiB, out of reach of 32-bit mode; "
				 "link it lower",
				 im->entry);
	return 0;
}
