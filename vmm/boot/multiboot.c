/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Multiboot 1 (specification 0.6.96): the header in the image and the information for the guest.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MULTIBOOT_MAGIC	 0x1badb002u
#define MULTIBOOT_SEARCH 8192u /* section 3.1: all of the header lies in the first 8192 bytes */

/* Header flags, section 3.1.2. Bits 0-15 are demands, 16-31 are offers. */
#define FLAG_PAGE_ALIGN (1u << 0) /* modules always are */
#define FLAG_MEMORY	(1u << 1) /* always told */
#define FLAG_VIDEO	(1u << 2) /* a wish: "preferred", section 3.1.4; there is no screen */
#define FLAG_DEMANDS	0xffffu
#define FLAG_KNOWN	(FLAG_PAGE_ALIGN | FLAG_MEMORY | FLAG_VIDEO)
#define FLAG_ADDRESSES	(1u << 16)

/* Section 3.1.1; the addresses only with FLAG_ADDRESSES. */
struct mb_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

#define HEADER_SHORT offsetof(struct mb_header, header_addr)

/* Information flags, section 3.3. */
/* clang-format off */
enum { INFO_MEM = 1 << 0, INFO_CMDLINE = 1 << 2, INFO_MODS = 1 << 3, INFO_MMAP = 1 << 6,
       INFO_LOADER = 1 << 9 };
/* clang-format on */

struct mb_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table;
	uint32_t boot_loader_name, apm_table;
};

struct mb_module {
	uint32_t start, end, string, reserved;
};

struct mb_mmap {
	uint32_t size; /* of what follows */
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));

/* Copies the header at offset; fields past the file's end, or past the searched part, are 0. */
static void header_at(const struct boot_image *im, size_t at, struct mb_header *h)
{
	size_t len = im->len - at;

	memset(h, 0, sizeof(*h));
	memcpy(h, im->bytes + at, len < sizeof(*h) ? len : sizeof(*h));
}

static bool header_search(const struct boot_image *im, size_t *at, struct mb_header *h,
			  bool *bad_checksum)
{
	size_t end = im->len < MULTIBOOT_SEARCH ? im->len : MULTIBOOT_SEARCH;

	for (*at = 0; *at + HEADER_SHORT <= end; *at += 4) {
		header_at(im, *at, h);
		if (h->magic != MULTIBOOT_MAGIC)
			continue;
		if (h->magic + h->flags + h->checksum == 0)
			return true;
		*bad_checksum = true;
	}
	return false;
}

/* Section 3.1.3: what the file offset of the header says about everything else's. */
static int load_addresses(struct boot_image *im, size_t at, const struct mb_header *h)
{
	uint64_t before = (uint64_t)h->header_addr - h->load_addr;
	uint64_t end, bss_end;
	struct boot_segment *s = &im->seg[0];

	if (!image_has(im, at, sizeof(*h)))
		return boot_fail(im->err,
				 "is cut off inside the multiboot header; build it again");
	if (h->load_addr > h->header_addr || before > at)
		return boot_fail(im->err,
				 "multiboot load_addr 0x%x does not fit header_addr 0x%x; fix "
				 "the header",
				 h->load_addr, h->header_addr);
	s->offset = at - before;
	end = h->load_end_addr ? h->load_end_addr : h->load_addr + (im->len - s->offset);
	bss_end = h->bss_end_addr ? h->bss_end_addr : end;
	if (end < h->load_addr || bss_end < end)
		return boot_fail(im->err,
				 "multiboot end addresses are out of order; fix the header");
	s->paddr = s->vaddr = h->load_addr;
	s->filesz = end - h->load_addr;
	s->memsz = bss_end - h->load_addr;
	if (!image_has(im, s->offset, s->filesz))
		return boot_fail(im->err,
				 "multiboot load_end_addr 0x%x is past the end of the file; "
				 "fix the header",
				 h->load_end_addr);
	if (!s->memsz)
		return boot_fail(im->err,
				 "multiboot addresses name nothing to load; fix the header");
	im->segments = 1;
	im->entry = h->entry_addr;
	return 0;
}

static int parse(struct boot_image *im, size_t at, const struct mb_header *h)
{
	uint32_t lacking = h->flags & FLAG_DEMANDS & ~FLAG_KNOWN;

	im->protocol = BOOT_MULTIBOOT1;
	if (lacking)
		return boot_fail(im->err,
				 "multiboot header demands features 0x%x that are not here; "
				 "clear those flags",
				 lacking);
	if (h->flags & FLAG_ADDRESSES)
		return load_addresses(im, at, h);
	if (!elf_is(im))
		return boot_fail(im->err,
				 "is not an ELF file and its multiboot header has no load "
				 "addresses; build it as ELF or set flag 16");
	return elf_parse(im);
}

int multiboot_find(struct boot_image *im, bool *bad_checksum)
{
	struct mb_header h;
	size_t at;

	if (!header_search(im, &at, &h, bad_checksum))
		return 0;
	return parse(im, at, &h) ? -1 : 1;
}

/* By custom the first word is the kernel's name, so it must be one word. */
static uint32_t put_cmdline(struct boot_info *b, const struct boot_facts *f)
{
	char line[BOOT_LINE_MAX + 1 + 256];
	int i, n = snprintf(line, sizeof(line), "%.*s", 254, f->name);

	for (i = 0; i < n && line[i]; i++)
		if (line[i] == ' ')
			line[i] = '_';
	snprintf(line + i, sizeof(line) - (size_t)i, "%s%s", *f->append ? " " : "", f->append);
	return (uint32_t)info_put_string(b, line);
}

static void put_mmap(struct boot_info *b, const struct boot_facts *f, struct mb_info *mi)
{
	struct mb_mmap map[MEMMAP_MAX];
	unsigned i;

	for (i = 0; i < f->map.n; i++)
		map[i] = (struct mb_mmap){
			.size = sizeof(map[i]) - sizeof(map[i].size),
			.addr = f->map.range[i].start,
			.len = f->map.range[i].size,
			.type = f->map.range[i].type,
		};
	mi->mmap_length = (uint32_t)(f->map.n * sizeof(map[0]));
	mi->mmap_addr = (uint32_t)info_put(b, map, mi->mmap_length);
}

static void put_module(struct boot_info *b, const struct boot_facts *f, struct mb_info *mi)
{
	struct mb_module m = {
		.start = (uint32_t)f->module_start,
		.end = (uint32_t)(f->module_start + f->module_size),
	};

	if (!f->module)
		return;
	m.string = (uint32_t)info_put_string(b, f->module);
	mi->mods_count = 1;
	mi->mods_addr = (uint32_t)info_put(b, &m, sizeof(m));
}

uint64_t multiboot_info(struct boot_info *b, const struct boot_facts *f)
{
	struct mb_info mi = {0};
	uint64_t at = info_put(b, &mi, sizeof(mi)); /* its place; the contents come last */

	mi.flags = INFO_MEM | INFO_CMDLINE | INFO_MODS | INFO_MMAP | INFO_LOADER;
	mi.mem_lower = (uint32_t)(LOW_RAM_END / 1024);
	mi.mem_upper = (uint32_t)(memmap_upper(f->gm) / 1024);
	put_mmap(b, f, &mi);
	put_module(b, f, &mi);
	mi.boot_loader_name = (uint32_t)info_put_string(b, "umbra");
	mi.cmdline = put_cmdline(b, f);
	memcpy(b->bytes + (at - b->base), &mi, sizeof(mi));
	return at;
}
