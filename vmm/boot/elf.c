/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF32 and ELF64 executables into one form: PT_LOAD segments, PT_NOTE places, the entry.
 *
 * Both classes are copied into their 64-bit structures first, so that every rule is written once.
 * Here a segment is checked against the file and against itself; image.c checks it against RAM.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

bool elf_is(const struct boot_image *im)
{
	return im->len >= SELFMAG && !memcmp(im->bytes, ELFMAG, SELFMAG);
}

static void widen_header(Elf64_Ehdr *to, const Elf32_Ehdr *from)
{
	memcpy(to->e_ident, from->e_ident, EI_NIDENT);
	to->e_type = from->e_type;
	to->e_machine = from->e_machine;
	to->e_entry = from->e_entry;
	to->e_phoff = from->e_phoff;
	to->e_phentsize = from->e_phentsize;
	to->e_phnum = from->e_phnum;
}

static void widen_phdr(Elf64_Phdr *to, const Elf32_Phdr *from)
{
	to->p_type = from->p_type;
	to->p_offset = from->p_offset;
	to->p_vaddr = from->p_vaddr;
	to->p_paddr = from->p_paddr;
	to->p_filesz = from->p_filesz;
	to->p_memsz = from->p_memsz;
	to->p_align = from->p_align;
}

static bool is_32(const Elf64_Ehdr *eh)
{
	return eh->e_ident[EI_CLASS] == ELFCLASS32;
}

static int read_header(const struct boot_image *im, Elf64_Ehdr *eh)
{
	Elf32_Ehdr narrow;
	bool small = im->len > EI_CLASS && im->bytes[EI_CLASS] == ELFCLASS32;

	if (im->len < (small ? sizeof(narrow) : sizeof(*eh)))
		return boot_fail(im->err,
				 "is cut off inside the ELF header; build or copy it again");
	memset(eh, 0, sizeof(*eh));
	if (small) {
		memcpy(&narrow, im->bytes, sizeof(narrow));
		widen_header(eh, &narrow);
	} else {
		memcpy(eh, im->bytes, sizeof(*eh));
	}
	return 0;
}

static int check_ident(const struct boot_image *im, const Elf64_Ehdr *eh)
{
	unsigned class = eh->e_ident[EI_CLASS];

	if (class != ELFCLASS32 && class != ELFCLASS64)
		return boot_fail(im->err, "has ELF class %u; build it as ELF32 or ELF64",
				 class);
	if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return boot_fail(im->err, "is a big-endian ELF file; build it for x86");
	/* An ELF32 container of 64-bit code is usual: multiboot knew nothing else for long. */
	if (eh->e_machine != EM_X86_64 && !(eh->e_machine == EM_386 && is_32(eh)))
		return boot_fail(im->err, "is for ELF machine %u; build it for i386 or x86-64",
				 eh->e_machine);
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return boot_fail(im->err, "is not an executable (ELF type %u); link it",
				 eh->e_type);
	return 0;
}

static int check_table(const struct boot_image *im, const Elf64_Ehdr *eh)
{
	size_t each = is_32(eh) ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);

	if (eh->e_phnum == 0)
		return boot_fail(im->err, "has no program headers; link it as an executable");
	if (eh->e_phnum > BOOT_MAX_PHDRS)
		return boot_fail(im->err, "has %u program headers; link it with at most %d",
				 eh->e_phnum, BOOT_MAX_PHDRS);
	if (eh->e_phentsize != each)
		return boot_fail(im->err,
				 "has program headers of %u bytes, not %zu; link it again",
				 eh->e_phentsize, each);
	if (!image_has(im, eh->e_phoff, eh->e_phnum * each))
		return boot_fail(
			im->err,
			"has its program headers outside the file; build or copy it again");
	return 0;
}

static void read_phdr(const struct boot_image *im, const Elf64_Ehdr *eh, unsigned i,
		      Elf64_Phdr *ph)
{
	Elf32_Phdr narrow;

	memset(ph, 0, sizeof(*ph));
	if (is_32(eh)) {
		memcpy(&narrow, im->bytes + eh->e_phoff + i * sizeof(narrow), sizeof(narrow));
		widen_phdr(ph, &narrow);
	} else {
		memcpy(ph, im->bytes + eh->e_phoff + i * sizeof(*ph), sizeof(*ph));
	}
}

static int add_segment(struct boot_image *im, unsigned i, const Elf64_Phdr *ph)
{
	if (ph->p_filesz > ph->p_memsz)
		return boot_fail(
			im->err,
			"segment %u has more bytes in the file than in memory; link it again",
			i);
	if (!image_has(im, ph->p_offset, ph->p_filesz))
		return boot_fail(im->err,
				 "segment %u ends outside the file; build or copy it again", i);
	if (ph->p_paddr + ph->p_memsz < ph->p_paddr)
		return boot_fail(
			im->err,
			"segment %u wraps around the address space; link it at a lower address",
			i);
	if (ph->p_memsz == 0)
		return 0;
	im->seg[im->segments++] = (struct boot_segment){
		.paddr = ph->p_paddr,
		.vaddr = ph->p_vaddr,
		.memsz = ph->p_memsz,
		.filesz = ph->p_filesz,
		.offset = ph->p_offset,
		.number = i,
	};
	return 0;
}

/* Notes that are not in the file are no notes; nobody needs them but PVH, which then misses its
 * own. */
static void add_note(struct boot_image *im, const Elf64_Phdr *ph)
{
	if (image_has(im, ph->p_offset, ph->p_filesz))
		im->note[im->notes++] = (struct boot_note){
			.offset = ph->p_offset,
			.size = ph->p_filesz,
			.align = ph->p_align == 8 ? 8 : 4,
		};
}

int elf_parse(struct boot_image *im)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	unsigned i;

	if (read_header(im, &eh) || check_ident(im, &eh) || check_table(im, &eh))
		return -1;
	im->entry = eh.e_entry;
	for (i = 0; i < eh.e_phnum; i++) {
		read_phdr(im, &eh, i, &ph);
		if (ph.p_type == PT_LOAD && add_segment(im, i, &ph))
			return -1;
		if (ph.p_type == PT_NOTE)
			add_note(im, &ph);
	}
	if (!im->segments)
		return boot_fail(im->err, "has nothing to load; link it with PT_LOAD segments");
	return 0;
}
