/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PVH (Xen's docs/misc/pvh.pandoc): the ELF note with the 32-bit entry, and hvm_start_info v1
 * (xen/include/public/arch-x86/hvm/start_info.h describes the layout).
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <elf.h>
#include <string.h>

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define START_INFO_MAGIC	 0x336ec578u

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
	uint64_t memmap_paddr; /* from version 1 on */
	uint32_t memmap_entries, reserved;
};

struct start_module {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct start_memmap {
	uint64_t addr, size;
	uint32_t type, reserved;
};

static uint64_t align_up(uint64_t v, unsigned align)
{
	return (v + align - 1) & ~(uint64_t)(align - 1);
}

/* The entry from a note's descriptor: 4 or 8 bytes, both are in use. */
static int take_entry(struct boot_image *im, const uint8_t *desc, uint32_t size)
{
	if (size != 4 && size != 8)
		return boot_fail(im->err, "PVH note has %u bytes, not 4 or 8; fix the note",
				 size);
	im->entry = 0;
	memcpy(&im->entry, desc, size);
	return 1;
}

/* Walks one PT_NOTE. Sizes are 32 bits wide and sums 64, so that nothing wraps. */
static int search(struct boot_image *im, const struct boot_note *place)
{
	const uint8_t *base = im->bytes + place->offset;
	uint64_t at = 0;
	Elf64_Nhdr nh; /* the same in both classes */

	while (place->size - at >= sizeof(nh)) {
		uint64_t name = at + sizeof(nh), desc, end;

		memcpy(&nh, base + at, sizeof(nh));
		desc = at + align_up(sizeof(nh) + nh.n_namesz, place->align);
		end = desc + nh.n_descsz;
		if (end > place->size)
			return 0;
		if (nh.n_type == XEN_ELFNOTE_PHYS32_ENTRY && nh.n_namesz == 4 &&
		    !memcmp(base + name, "Xen", 4))
			return take_entry(im, base + desc, nh.n_descsz);
		at = align_up(end, place->align);
		if (at > place->size)
			return 0;
	}
	return 0;
}

int pvh_find(struct boot_image *im)
{
	unsigned i;
	int found = 0;

	im->protocol = BOOT_PVH;
	for (i = 0; i < im->notes && !found; i++)
		found = search(im, &im->note[i]);
	return found;
}

static void put_memmap(struct boot_info *b, const struct boot_facts *f, struct start_info *si)
{
	struct start_memmap map[MEMMAP_MAX];
	unsigned i;

	for (i = 0; i < f->map.n; i++)
		map[i] = (struct start_memmap){
			.addr = f->map.range[i].start,
			.size = f->map.range[i].size,
			.type = f->map.range[i].type,
		};
	si->memmap_entries = f->map.n;
	si->memmap_paddr = info_put(b, map, f->map.n * sizeof(map[0]));
}

static void put_module(struct boot_info *b, const struct boot_facts *f, struct start_info *si)
{
	struct start_module m = {.paddr = f->module_start, .size = f->module_size};

	if (!f->module)
		return;
	m.cmdline_paddr = info_put_string(b, f->module);
	si->nr_modules = 1;
	si->modlist_paddr = info_put(b, &m, sizeof(m));
}

uint64_t pvh_info(struct boot_info *b, const struct boot_facts *f)
{
	struct start_info si = {.magic = START_INFO_MAGIC, .version = 1};
	uint64_t at = info_put(b, &si, sizeof(si)); /* its place; the contents come last */

	put_memmap(b, f, &si);
	put_module(b, f, &si);
	si.cmdline_paddr = info_put_string(b, f->append);
	memcpy(b->bytes + (at - b->base), &si, sizeof(si));
	return at;
}
