/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump's lines. text: a line for each range. ptdump: the same with holes and with what is writable and
 * executable at once. qemu: a line for each leaf, as "info tlb" of QEMU's monitor has it; of an entry's
 * address QEMU shows what a mask per level leaves.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#include <inttypes.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned va_bits;
	bool sign;	  /* addresses have two halves */
	uint64_t mask[4]; /* by level */
} formats[] = {
	{"4-level", 48, true, {0, 0x3fffffffff000, 0x3ffffffe00000, 0x3ffffc0000000}},
	{"5-level", 57, true, {0, 0x3fffffffff000, 0x3ffffffe00000, 0x3ffffc0000000}},
	{"PAE", 32, false, {0, ~0xfffull, ~0xfffffull, ~0xfffffull}},
	{"32-bit", 32, false, {0, ~0xfffull, ~0x1fffffull, ~0x1fffffull}},
};
#define FORMATS (sizeof(formats) / sizeof(*formats))

static unsigned format_index(const char *name)
{
	for (unsigned i = 0; i < FORMATS; i++)
		if (!strcmp(formats[i].name, name))
			return i;
	return 0;
}

static void qemu_line(const struct dump_out *d, struct json_object *r)
{
	static const struct {
		unsigned bit;
		char letter;
	} bits[] = {{63, 'X'}, {8, 'G'}, {7, 'P'}, {6, 'D'}, {5, 'A'},
		    {4, 'C'},  {3, 'T'}, {2, 'U'}, {1, 'W'}};
	int64_t level = f_int(r, "level");
	uint64_t e = f_hex(r, "entry");
	char letters[10] = "---------";

	if (level < 1 || level > 3)
		return;
	if (level == 1) /* there it is PAT */
		e &= ~(1ull << 7);
	for (unsigned i = 0; i < 9; i++)
		if (e >> bits[i].bit & 1)
			letters[i] = bits[i].letter;
	say("%016" PRIx64 ": %016" PRIx64 " %s\n", f_hex(r, "gva"),
	    e & formats[format_index(d->table_format)].mask[level], letters);
}

static void text_line(struct json_object *r)
{
	uint64_t gva = f_hex(r, "gva"), size = (uint64_t)f_int(r, "size");
	char all[32], page[32], gpa[24] = "no RAM";

	if (f_has(r, "gpa"))
		snprintf(gpa, sizeof(gpa), "%016" PRIx64, f_hex(r, "gpa"));
	say("%016" PRIx64 "-%016" PRIx64 " %9s  %-16s  %-6s %-4s  %s\n", gva, gva + size - 1,
	    size_text(size, all), gpa, size_text((uint64_t)f_int(r, "page-size"), page),
	    f_str(r, "access"), f_str(r, "flags"));
}

static void hole_line(uint64_t first, uint64_t last, const char *what)
{
	char size[32];

	say("0x%016" PRIx64 "-0x%016" PRIx64 " %9s  (%s)\n", first, last,
	    size_text(last - first + 1, size), what);
}

/* What lies between two ranges; the addresses that are none are told apart. */
static void hole(const struct dump_out *d, uint64_t first, uint64_t last)
{
	unsigned f = format_index(d->table_format);
	uint64_t low_end = 1ull << (formats[f].va_bits - (formats[f].sign ? 1 : 0));
	uint64_t high = formats[f].sign ? -low_end : 0;

	if (first < low_end)
		hole_line(first, last < low_end ? last : low_end - 1, "hole");
	if (last < low_end)
		return;
	if (first < high && last >= high)
		hole_line(first < low_end ? low_end : first, high - 1, "not canonical");
	if (high && last >= high)
		hole_line(first < high ? high : first, last, "hole");
}

static void ptdump_line(struct dump_out *d, struct json_object *r)
{
	static const char *const leaf[] = {"?", "pte", "pmd", "pud", "p4d", "pgd"};
	uint64_t gva = f_hex(r, "gva"), size = (uint64_t)f_int(r, "size");
	uint64_t e = f_hex(r, "entry");
	const char *a = f_str(r, "access");
	int64_t level = f_int(r, "level");
	bool wx = strchr(a, 'w') && strchr(a, 'x');
	char all[32];

	if (gva > d->next)
		hole(d, d->next, gva - 1);
	say("0x%016" PRIx64 "-0x%016" PRIx64 " %9s  %s %s %s %s %s %s %s pa %012" PRIx64 "%s\n",
	    gva, gva + size - 1, size_text(size, all), strchr(a, 'u') ? "USR" : "   ",
	    strchr(a, 'w') ? "RW" : "ro", e >> 3 & 1 ? "PWT" : "   ",
	    e >> 4 & 1 ? "PCD" : "   ", e >> 8 & 1 ? "GLB" : "   ",
	    strchr(a, 'x') ? "x " : "NX", leaf[level >= 1 && level <= 5 ? level : 0],
	    f_hex(r, "gpa"), wx ? " W+X" : "");
	d->next = gva + size;
	d->wx += wx;
	d->wx_bytes += wx ? size : 0;
}

void dump_begin(struct dump_out *d, bool heading)
{
	if (d->format == DUMP_PTDUMP)
		say("---[ %s, %s ]---\n", d->view, d->table_format);
	else if (heading)
		say("# %s, %s\n", d->view, d->table_format);
}

void dump_region(struct dump_out *d, struct json_object *r)
{
	d->any = true;
	if (d->format == DUMP_QEMU)
		qemu_line(d, r);
	else if (d->format == DUMP_PTDUMP)
		ptdump_line(d, r);
	else
		text_line(r);
	d->lines++;
	d->bytes += (uint64_t)f_int(r, "size");
}

void dump_end(struct dump_out *d)
{
	uint64_t last = format_index(d->table_format) > 1 ? UINT32_MAX : UINT64_MAX;
	char size[32];

	if (d->format == DUMP_TEXT)
		say("%" PRIu64 " ranges, %s\n", d->lines, size_text(d->bytes, size));
	if (d->format != DUMP_PTDUMP)
		return;
	if (last > d->last)
		last = d->last;
	/* After the very last page next is 0 again. */
	if (d->next <= last && (d->next || !d->any))
		hole(d, d->next, last);
	if (d->wx)
		say("warning: W+X: %" PRIu64
		    " ranges, %s, are writable and executable at once\n",
		    d->wx, size_text(d->wx_bytes, size));
	else
		say("no range is writable and executable at once\n");
}
