/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the loader's suites share: a tiny valid image built in memory, in each format, and a machine
 * to load it into.
 *
 * The image, as every format lays it out in guest memory:
 *   0x100000  64 bytes from the file (the multiboot header first in elf32), then zeros to 0x101000
 *   0x8000    16 bytes, a second segment
 */
#ifndef UMBRA_TESTS_BOOT_TEST_H
#define UMBRA_TESTS_BOOT_TEST_H

#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/boot/boot.h"

#define MIB (1ull << 20)

struct image {
	size_t len;
	uint8_t bytes[9000];
};

/* Offsets in the images below, for tests that change them. */
enum { SMALL_PHDR = 52, SMALL_PHDR_SIZE = 32, SMALL_TEXT = 0x80, SMALL_LOW = 0xc0,
       BIG_PHDR = 64, BIG_PHDR_SIZE = 56, BIG_TEXT = 0x100, BIG_LOW = 0x140, BIG_NOTE = 0x150 };

void image_multiboot(struct image *im); /* ELF32 with a multiboot header */
void image_pvh(struct image *im);       /* ELF64 with a PVH note */
void image_flat(struct image *im);      /* no ELF: multiboot with load addresses */
void put16(struct image *im, size_t at, uint16_t val);
void put32(struct image *im, size_t at, uint32_t val);
void put64(struct image *im, size_t at, uint64_t val);
/* Sets the multiboot flags at offset and the checksum to match. */
void put_flags(struct image *im, size_t at, uint32_t flags);

struct machine {
	struct gmem *gm;
	struct boot_params params;
	struct boot_result r;
	char msg[256];
};

void machine_open(struct machine *m, uint64_t ram);
void machine_close(struct machine *m);
int machine_load(struct machine *m, const struct image *im);
uint32_t peek32(struct machine *m, uint64_t gpa);
uint64_t peek64(struct machine *m, uint64_t gpa);
/* A string in the guest; valid until the next call. */
const char *peek_string(struct machine *m, uint64_t gpa);
/* True if all of [gpa, gpa + len) is zero. */
bool all_zero(struct machine *m, uint64_t gpa, size_t len);

/* A file of its own with these bytes; returns its path, to be freed after unlink(). */
char *temp_file(const void *bytes, size_t len);

extern const struct tap_case load_tests[], info_tests[], malformed_tests[], file_tests[];

#endif
