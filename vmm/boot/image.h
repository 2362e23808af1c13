/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the loader: what its files share.
 *
 *   file.c       a file into memory
 *   elf.c        ELF32 and ELF64 into one form: segments, entry, notes
 *   multiboot.c  the multiboot 1 header and information (specification 0.6.96)
 *   pvh.c        the PVH note and start information (Xen, docs/misc/pvh.pandoc)
 *   image.c      checks that hold for every image
 *   memmap.c     the memory map, and where free RAM is
 *   mptable.c    MP tables and the BIOS data area
 *   entry.c      the registers at the first instruction
 *   load.c       the order of it all; the only file that writes an image to guest memory
 *
 * Locks: none; a load is one thread's business, before the machine runs.
 *
 * Read first: boot.h.
 */
#ifndef UMBRA_VMM_BOOT_IMAGE_H
#define UMBRA_VMM_BOOT_IMAGE_H

#include "vmm/boot/boot.h"

/* Where the one line goes that says what is wrong. */
struct boot_error {
	char *msg;
	size_t len;
	const char *name; /* the file it is about; every line begins with it */
};

/* Writes "NAME: text", without control characters; always returns -1. */
int boot_fail(const struct boot_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A file's bytes. */
struct boot_file {
	uint8_t *bytes;
	size_t len;
};

int file_read(const char *path, struct boot_file *out, const struct boot_error *e);
void file_free(struct boot_file *f);
/* The path's last component. */
const char *file_base(const char *path);

/* A piece of the image, as it will lie in guest memory; bytes past filesz are zero. offset and
 * filesz are inside the file once a parser has handed it out. */
struct boot_segment {
	uint64_t paddr, vaddr, memsz, filesz, offset;
	unsigned number; /* of the program header */
};

#define BOOT_MAX_PHDRS 64

struct boot_note {
	uint64_t offset, size;
	unsigned align;
};

/* An image after parsing, whatever its format. */
struct boot_image {
	const uint8_t *bytes;
	size_t len;
	const struct boot_error *err;
	enum boot_protocol protocol;
	uint64_t entry; /* guest physical, once image_check() has passed */
	unsigned segments, notes;
	struct boot_segment seg[BOOT_MAX_PHDRS];
	struct boot_note note[BOOT_MAX_PHDRS];
	uint64_t low, high; /* set by image_check() */
};

/* True if [offset, offset + size) is inside the file; neither may wrap. */
static inline bool image_has(const struct boot_image *im, uint64_t offset, uint64_t size)
{
	return offset <= im->len && size <= im->len - offset;
}

/* elf.c */
bool elf_is(const struct boot_image *im);
int elf_parse(struct boot_image *im);

/* image.c: each segment in RAM, none over another or over what the machine keeps for itself,
 * the entry in one of them. */
int image_check(struct boot_image *im, const struct gmem *gm);

/* Ranges of guest memory that are spoken for. */
struct boot_claims {
	unsigned n;
	struct {
		uint64_t start, end;
	} range[BOOT_MAX_PHDRS + 8];
};

void claim(struct boot_claims *c, uint64_t start, uint64_t size);
/* The lowest page-aligned free range of RAM in [from, to), or 0. */
uint64_t claim_find(const struct boot_claims *c, const struct gmem *gm, uint64_t size,
		    uint64_t from, uint64_t to);

/* The memory map. */
enum { MEMMAP_RAM = 1, MEMMAP_RESERVED = 2 }; /* e820's numbers, which both protocols use */

#define LOW_RAM_END  0x9fc00ull /* the extended BIOS data area begins */
#define HIGH_RAM     0x100000ull
#define FIRST_USABLE 0x1000ull /* below: interrupt vectors, BIOS data */
#define MEMMAP_MAX   (3 + GMEM_MAX_REGIONS)
#define BOOT_MEM_END (1ull << 32) /* both protocols start in 32-bit mode */

struct boot_memmap {
	unsigned n;
	struct {
		uint64_t start, size;
		uint32_t type;
	} range[MEMMAP_MAX];
};

void memmap_build(struct boot_memmap *m, const struct gmem *gm);
/* Bytes of RAM that follow 1 MiB without a hole. */
uint64_t memmap_upper(const struct gmem *gm);

/* The block of boot information, built here and copied to the guest in one piece. */
#define BOOT_INFO_SIZE 8192u
#define BOOT_LINE_MAX  4095u

struct boot_info {
	uint64_t base; /* where it will lie */
	size_t used;
	uint8_t bytes[BOOT_INFO_SIZE];
};

/* Appends and returns the guest physical address, a multiple of 8. What goes in is bounded by
 * the limits above, so that it always fits. */
uint64_t info_put(struct boot_info *b, const void *data, size_t len);
uint64_t info_put_string(struct boot_info *b, const char *s);

/* What the information has to say. */
struct boot_facts {
	const struct gmem *gm;
	struct boot_memmap map;
	const char *name;   /* the kernel's file name */
	const char *append; /* never NULL */
	const char *module; /* the module's file name, or NULL: there is none */
	uint64_t module_start, module_size;
};

/* multiboot.c. find: 1 found, 0 there is none, -1 one that can't be honoured. */
int multiboot_find(struct boot_image *im, bool *bad_checksum);
uint64_t multiboot_info(struct boot_info *b, const struct boot_facts *f);

/* pvh.c. entry: as above. */
int pvh_find(struct boot_image *im);
uint64_t pvh_info(struct boot_info *b, const struct boot_facts *f);

/* mptable.c: writes both tables; cpus is 1..255. */
int mptable_write(struct gmem *gm, unsigned cpus);

#endif
