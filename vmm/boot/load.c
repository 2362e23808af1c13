/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loading: read, understand, check, find places, and only then write.
 *
 * Invariant: until commit() guest memory is as it was; a refused image leaves no trace.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 255

/* Where the boot information is looked for first: kernels keep their start code for other
 * processors below, and little of theirs is above. */
#define INFO_FROM 0x9000ull

/* Everything a load needs between its steps. */
struct load {
	struct gmem *gm;
	const struct boot_params *params;
	struct boot_image im;
	struct boot_file initrd;
	uint64_t initrd_at;
	struct boot_info info;
};

/* A bzImage has "HdrS" at 0x202 (Linux, Documentation/x86/boot.rst). */
static int not_bootable(const struct boot_image *im)
{
	if (image_has(im, 0x202, 4) && !memcmp(im->bytes + 0x202, "HdrS", 4))
		return boot_fail(im->err,
				 "is a Linux bzImage; give the vmlinux it was made from");
	return boot_fail(im->err, "is not an ELF file and has no multiboot header; "
				  "build the kernel as an ELF executable");
}

static int identify(struct boot_image *im)
{
	bool bad_checksum = false;
	int found = multiboot_find(im, &bad_checksum);

	if (found)
		return found < 0 ? -1 : 0;
	if (bad_checksum && !elf_is(im))
		return boot_fail(im->err,
				 "multiboot header has a wrong checksum; fix the header");
	if (!elf_is(im))
		return not_bootable(im);
	if (elf_parse(im))
		return -1;
	found = pvh_find(im);
	if (found)
		return found < 0 ? -1 : 0;
	if (bad_checksum)
		return boot_fail(im->err,
				 "multiboot header has a wrong checksum; fix the header");
	return boot_fail(im->err,
			 "has neither a multiboot header in its first 8192 bytes nor a PVH "
			 "note; add one");
}

static int check_params(const struct boot_params *p, const struct boot_error *e)
{
	if (p->cpus < 1 || p->cpus > MAX_CPUS)
		return boot_fail(e, "%u CPUs can't be described to it; use 1 to %d", p->cpus,
				 MAX_CPUS);
	if (p->append && strlen(p->append) > BOOT_LINE_MAX)
		return boot_fail(e, "its command line has %zu bytes; use at most %u",
				 strlen(p->append), BOOT_LINE_MAX);
	return 0;
}

static void claim_image(const struct boot_image *im, struct boot_claims *c)
{
	unsigned i;

	for (i = 0; i < im->segments; i++)
		claim(c, im->seg[i].paddr, im->seg[i].memsz);
}

static int place_info(struct load *ld, struct boot_claims *c)
{
	uint64_t at = claim_find(c, ld->gm, BOOT_INFO_SIZE, INFO_FROM, LOW_RAM_END);

	if (!at)
		at = claim_find(c, ld->gm, BOOT_INFO_SIZE, HIGH_RAM, BOOT_MEM_END);
	if (!at)
		return boot_fail(ld->im.err, "leaves no room for the boot information; "
					     "raise --memory");
	claim(c, at, BOOT_INFO_SIZE);
	ld->info.base = at;
	return 0;
}

/* Behind the image, where every loader puts modules: a kernel maps at least itself. */
static int place_initrd(struct load *ld, struct boot_claims *c)
{
	struct boot_error e = *ld->im.err;
	uint64_t from = ld->im.high < HIGH_RAM ? HIGH_RAM : ld->im.high;

	e.name = ld->params->initrd;
	if (!e.name)
		return 0;
	if (file_read(e.name, &ld->initrd, &e))
		return -1;
	ld->initrd_at = claim_find(c, ld->gm, ld->initrd.len, from, BOOT_MEM_END);
	if (!ld->initrd_at)
		return boot_fail(
			&e,
			"has %zu bytes, too many for the RAM after the kernel at 0x%" PRIx64
			"; raise --memory",
			ld->initrd.len, from);
	claim(c, ld->initrd_at, ld->initrd.len);
	return 0;
}

static uint64_t build_info(struct load *ld, const char *name)
{
	const char *initrd = ld->params->initrd;
	struct boot_facts f = {
		.gm = ld->gm,
		.name = file_base(name),
		.append = ld->params->append ? ld->params->append : "",
		.module = initrd ? file_base(initrd) : NULL,
		.module_start = ld->initrd_at,
		.module_size = ld->initrd.len,
	};

	memmap_build(&f.map, ld->gm);
	return ld->im.protocol == BOOT_PVH ? pvh_info(&ld->info, &f)
					   : multiboot_info(&ld->info, &f);
}

static int write_segment(struct gmem *gm, const struct boot_image *im,
			 const struct boot_segment *s)
{
	if (s->filesz && gmem_write(gm, GPA(s->paddr), im->bytes + s->offset, s->filesz))
		return -1;
	if (s->memsz == s->filesz)
		return 0;
	return gmem_fill(gm, GPA(s->paddr + s->filesz), 0, s->memsz - s->filesz);
}

static int commit(struct load *ld)
{
	unsigned i;

	for (i = 0; i < ld->im.segments; i++)
		if (write_segment(ld->gm, &ld->im, &ld->im.seg[i]))
			return -1;
	if (ld->initrd.len &&
	    gmem_write(ld->gm, GPA(ld->initrd_at), ld->initrd.bytes, ld->initrd.len))
		return -1;
	if (gmem_write(ld->gm, GPA(ld->info.base), ld->info.bytes, ld->info.used))
		return -1;
	return mptable_write(ld->gm, ld->params->cpus);
}

static int run(struct load *ld, const char *name, struct boot_result *out)
{
	struct boot_claims claims = {0};
	uint64_t info;

	if (check_params(ld->params, ld->im.err) || identify(&ld->im) ||
	    image_check(&ld->im, ld->gm))
		return -1;
	claim_image(&ld->im, &claims);
	if (place_info(ld, &claims) || place_initrd(ld, &claims))
		return -1;
	info = build_info(ld, name);
	if (commit(ld))
		return boot_fail(ld->im.err,
				 "can't be written to guest memory; raise --memory");
	*out = (struct boot_result){
		.protocol = ld->im.protocol,
		.entry = GPA(ld->im.entry),
		.info = GPA(info),
		.image_low = ld->im.low,
		.image_high = ld->im.high,
	};
	return 0;
}

int boot_load_image(struct gmem *gm, const void *img, size_t len, const char *name,
		    const struct boot_params *params, struct boot_result *out, char *msg,
		    size_t msg_len)
{
	struct boot_error e = {.msg = msg, .len = msg_len, .name = name};
	struct load *ld = calloc(1, sizeof(*ld)); /* some 15 KiB: not for the stack */
	int ret;

	if (!ld)
		return boot_fail(&e, "no memory to load it; free some on the host");
	ld->gm = gm;
	ld->params = params;
	ld->im.bytes = img;
	ld->im.len = len;
	ld->im.err = &e;
	ret = run(ld, name, out);
	file_free(&ld->initrd);
	free(ld);
	return ret;
}

int boot_load(struct gmem *gm, const struct boot_params *params, struct boot_result *out,
	      char *msg, size_t msg_len)
{
	struct boot_error e = {.msg = msg, .len = msg_len, .name = params->kernel};
	struct boot_file f;
	int ret;

	if (file_read(params->kernel, &f, &e))
		return -1;
	ret = boot_load_image(gm, f.bytes, f.len, params->kernel, params, out, msg, msg_len);
	file_free(&f);
	return ret;
}
