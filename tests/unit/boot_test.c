/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The loader suites' fixture and their list.
 */
#include "tests/unit/boot_test.h"

#include <elf.h>
#include <stdio.h>
#include <unistd.h>

#define MAGIC 0x1badb002u

void put16(struct image *im, size_t at, uint16_t val)
{
	memcpy(im->bytes + at, &val, sizeof(val));
}

void put32(struct image *im, size_t at, uint32_t val)
{
	memcpy(im->bytes + at, &val, sizeof(val));
}

void put64(struct image *im, size_t at, uint64_t val)
{
	memcpy(im->bytes + at, &val, sizeof(val));
}

void put_flags(struct image *im, size_t at, uint32_t flags)
{
	put32(im, at, MAGIC);
	put32(im, at + 4, flags);
	put32(im, at + 8, -(MAGIC + flags));
}

void image_multiboot(struct image *im)
{
	Elf32_Ehdr eh = {
		.e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1, .e_entry = 0x10000c,
		.e_phoff = SMALL_PHDR, .e_ehsize = 52, .e_phentsize = SMALL_PHDR_SIZE, .e_phnum = 2,
	};
	Elf32_Phdr ph[2] = {
		{PT_LOAD, SMALL_TEXT, 0xc0100000, 0x100000, 64, 0x1000, 7, 4},
		{PT_LOAD, SMALL_LOW, 0x8000, 0x8000, 16, 16, 7, 4},
	};

	memset(im, 0, sizeof(*im));
	memcpy(eh.e_ident, "\177ELF\1\1\1", 7);
	memcpy(im->bytes, &eh, sizeof(eh));
	memcpy(im->bytes + SMALL_PHDR, ph, sizeof(ph));
	memset(im->bytes + SMALL_TEXT, 0x90, 64);
	put_flags(im, SMALL_TEXT, 3);
	memset(im->bytes + SMALL_LOW, 0xcc, 16);
	im->len = SMALL_LOW + 16;
}

void image_pvh(struct image *im)
{
	static const uint32_t note[] = {4, 4, 18, 0x006e6558, 0x100010};
	Elf64_Ehdr eh = {
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1, .e_entry = 0x100000,
		.e_phoff = BIG_PHDR, .e_ehsize = 64, .e_phentsize = BIG_PHDR_SIZE, .e_phnum = 3,
	};
	Elf64_Phdr ph[3] = {
		{PT_LOAD, 7, BIG_TEXT, 0xffffffff80100000, 0x100000, 64, 0x1000, 4},
		{PT_NOTE, 4, BIG_NOTE, 0, 0, sizeof(note), sizeof(note), 4},
		{PT_LOAD, 7, BIG_LOW, 0x8000, 0x8000, 16, 16, 4},
	};

	memset(im, 0, sizeof(*im));
	memcpy(eh.e_ident, "\177ELF\2\1\1", 7);
	memcpy(im->bytes, &eh, sizeof(eh));
	memcpy(im->bytes + BIG_PHDR, ph, sizeof(ph));
	memset(im->bytes + BIG_TEXT, 0x90, 64);
	memset(im->bytes + BIG_LOW, 0xcc, 16);
	memcpy(im->bytes + BIG_NOTE, note, sizeof(note));
	im->len = BIG_NOTE + sizeof(note);
}

/* header at 16: header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr follow at 28. */
void image_flat(struct image *im)
{
	memset(im, 0, sizeof(*im));
	memset(im->bytes, 0x90, 96);
	put_flags(im, 16, 0x10000);
	put32(im, 28, 0x100010);
	put32(im, 32, 0x100000);
	put32(im, 36, 0x100040);
	put32(im, 40, 0x101000);
	put32(im, 44, 0x100004);
	im->len = 96;
}

void machine_open(struct machine *m, uint64_t ram)
{
	const struct gmem_config cfg = {.size = ram};

	memset(m, 0, sizeof(*m));
	m->params.cpus = 1;
	CU_ASSERT_EQUAL_FATAL(gmem_create(&cfg, &m->gm), 0);
}

void machine_close(struct machine *m)
{
	gmem_destroy(m->gm);
}

int machine_load(struct machine *m, const struct image *im)
{
	/* An exact copy on the heap, so that a sanitizer sees reads past the end. */
	uint8_t *copy = malloc(im->len ? im->len : 1);
	int ret;

	memcpy(copy, im->bytes, im->len);
	m->msg[0] = 0;
	ret = boot_load_image(m->gm, copy, im->len, "dir/k.elf", &m->params, &m->r, m->msg,
			      sizeof(m->msg));
	free(copy);
	return ret;
}

uint32_t peek32(struct machine *m, uint64_t gpa)
{
	uint32_t val = 0xdeadbeef;

	CU_ASSERT_EQUAL(gmem_read(m->gm, GPA(gpa), &val, sizeof(val)), 0);
	return val;
}

uint64_t peek64(struct machine *m, uint64_t gpa)
{
	return peek32(m, gpa) | (uint64_t)peek32(m, gpa + 4) << 32;
}

const char *peek_string(struct machine *m, uint64_t gpa)
{
	static char buf[5000];

	memset(buf, 0, sizeof(buf));
	CU_ASSERT_EQUAL(gmem_read(m->gm, GPA(gpa), buf, sizeof(buf) - 1), 0);
	return buf;
}

bool all_zero(struct machine *m, uint64_t gpa, size_t len)
{
	uint8_t *buf = malloc(len);
	size_t i = 0;

	CU_ASSERT_EQUAL(gmem_read(m->gm, GPA(gpa), buf, len), 0);
	while (i < len && !buf[i])
		i++;
	free(buf);
	return i == len;
}

char *temp_file(const void *bytes, size_t len)
{
	char *path = strdup("/tmp/umbra-boot-XXXXXX");
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, bytes, len), (ssize_t)len);
	close(fd);
	return path;
}

static const struct tap_suite suites[] = {
	{.name = "loading", .cases = load_tests},
	{.name = "boot information", .cases = info_tests},
	{.name = "malformed images", .cases = malformed_tests},
	{.name = "files", .cases = file_tests},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
