/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The target description: which registers there are, under which names and in which order, for a
 * debugger of 64-bit and one of 32-bit code.
 *
 * The names of the first features are fixed by GDB's manual ("i386 Features"); those of the last one
 * are QEMU's, so that scripts which walk page tables by $cr3 find it here.
 * Read first: internal.h. Read next: regs.c.
 */
#include <string.h>

#include "vmm/gdb/internal.h"

#define FEATURE(name)               \
	{                           \
		NULL, name, 0, 0, 0 \
	}
#define END                         \
	{                           \
		NULL, NULL, 0, 0, 0 \
	}

#define SELECTORS                                                                           \
	{"cs", "int32", 4, GDB_SELECTOR, CPU_CS}, {"ss", "int32", 4, GDB_SELECTOR, CPU_SS}, \
		{"ds", "int32", 4, GDB_SELECTOR, CPU_DS},                                   \
		{"es", "int32", 4, GDB_SELECTOR, CPU_ES},                                   \
		{"fs", "int32", 4, GDB_SELECTOR, CPU_FS},                                   \
	{                                                                                   \
		"gs", "int32", 4, GDB_SELECTOR, CPU_GS                                      \
	}

#define ST(n)                                      \
	{                                          \
		"st" #n, "i387_ext", 10, GDB_ST, n \
	}
#define X87(name, index)                       \
	{                                      \
		name, "int", 4, GDB_X87, index \
	}
#define X87S                                                                               \
	ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7), X87("fctrl", GDB_FCTRL),   \
		X87("fstat", GDB_FSTAT), X87("ftag", GDB_FTAG), X87("fiseg", GDB_FISEG),   \
		X87("fioff", GDB_FIOFF), X87("foseg", GDB_FOSEG), X87("fooff", GDB_FOOFF), \
		X87("fop", GDB_FOP)

#define XMM(n)                                     \
	{                                          \
		"xmm" #n, "vec128", 16, GDB_XMM, n \
	}
#define MXCSR                                          \
	{                                              \
		"mxcsr", "i386_mxcsr", 4, GDB_MXCSR, 0 \
	}

#define SYSTEM(type, bytes)                                                            \
	{"k_gs_base", type, bytes, GDB_KERNEL_GS, 0}, {"cr0", type, bytes, GDB_CR, 0}, \
		{"cr2", type, bytes, GDB_CR, 2}, {"cr3", type, bytes, GDB_CR, 3},      \
		{"cr4", type, bytes, GDB_CR, 4}, {"cr8", type, bytes, GDB_CR, 8},      \
	{                                                                              \
		"efer", type, bytes, GDB_EFER, 0                                       \
	}

#define R64(name, type, index)                \
	{                                     \
		name, type, 8, GDB_GPR, index \
	}
#define R32(name, type, index)                \
	{                                     \
		name, type, 4, GDB_GPR, index \
	}

/* clang-format off */
static const struct gdb_reg amd64[] = {
	FEATURE("org.gnu.gdb.i386.core"),
	R64("rax", "int64", CPU_RAX), R64("rbx", "int64", CPU_RBX),
	R64("rcx", "int64", CPU_RCX), R64("rdx", "int64", CPU_RDX),
	R64("rsi", "int64", CPU_RSI), R64("rdi", "int64", CPU_RDI),
	R64("rbp", "data_ptr", CPU_RBP), R64("rsp", "data_ptr", CPU_RSP),
	R64("r8", "int64", CPU_R8), R64("r9", "int64", CPU_R9),
	R64("r10", "int64", CPU_R10), R64("r11", "int64", CPU_R11),
	R64("r12", "int64", CPU_R12), R64("r13", "int64", CPU_R13),
	R64("r14", "int64", CPU_R14), R64("r15", "int64", CPU_R15),
	{"rip", "code_ptr", 8, GDB_RIP, 0}, {"eflags", "i386_eflags", 4, GDB_EFLAGS, 0},
	SELECTORS, X87S,
	FEATURE("org.gnu.gdb.i386.sse"),
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7),
	XMM(8), XMM(9), XMM(10), XMM(11), XMM(12), XMM(13), XMM(14), XMM(15), MXCSR,
	FEATURE("org.gnu.gdb.i386.segments"),
	{"fs_base", "int", 8, GDB_BASE, CPU_FS}, {"gs_base", "int", 8, GDB_BASE, CPU_GS},
	FEATURE("org.umbra.system"),
	SYSTEM("int64", 8),
	END
};

static const struct gdb_reg i386[] = {
	FEATURE("org.gnu.gdb.i386.core"),
	R32("eax", "int32", CPU_RAX), R32("ecx", "int32", CPU_RCX),
	R32("edx", "int32", CPU_RDX), R32("ebx", "int32", CPU_RBX),
	R32("esp", "data_ptr", CPU_RSP), R32("ebp", "data_ptr", CPU_RBP),
	R32("esi", "int32", CPU_RSI), R32("edi", "int32", CPU_RDI),
	{"eip", "code_ptr", 4, GDB_RIP, 0}, {"eflags", "i386_eflags", 4, GDB_EFLAGS, 0},
	SELECTORS, X87S,
	FEATURE("org.gnu.gdb.i386.sse"),
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), MXCSR,
	FEATURE("org.umbra.system"),
	{"fs_base", "int32", 4, GDB_BASE, CPU_FS}, {"gs_base", "int32", 4, GDB_BASE, CPU_GS},
	SYSTEM("int32", 4),
	END
};
/* clang-format on */

const struct gdb_reg *const gdb_targets[] = {[GDB_AMD64] = amd64, [GDB_I386] = i386};

const struct gdb_reg *gdb_target_reg(enum gdb_arch arch, uint64_t n)
{
	for (const struct gdb_reg *r = gdb_targets[arch]; r->type; r++)
		if (r->name && n-- == 0)
			return r;
	return NULL;
}

/* ---- the description ---- */

static void put(struct ctl_text *out, const char *text)
{
	ctl_text_put(out, text, strlen(text));
}

struct field {
	const char *name;
	unsigned bit;
};

static void put_flags(struct ctl_text *out, const char *id, const struct field *f)
{
	gdb_print(out, "<flags id=\"%s\" size=\"4\">", id);
	for (; f->name; f++)
		gdb_print(out, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", f->name, f->bit,
			  f->bit);
	put(out, "</flags>");
}

static const struct field eflags_fields[] = {
	{"CF", 0},  {"", 1},	{"PF", 2},   {"AF", 4},	  {"ZF", 6},  {"SF", 7},
	{"TF", 8},  {"IF", 9},	{"DF", 10},  {"OF", 11},  {"NT", 14}, {"RF", 16},
	{"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21}, {NULL, 0}};

static const struct field mxcsr_fields[] = {{"IE", 0},	{"DE", 1},  {"ZE", 2},	{"OE", 3},
					    {"UE", 4},	{"PE", 5},  {"DAZ", 6}, {"IM", 7},
					    {"DM", 8},	{"ZM", 9},  {"OM", 10}, {"UM", 11},
					    {"PM", 12}, {"FZ", 15}, {NULL, 0}};

static void put_core_types(struct ctl_text *out)
{
	put_flags(out, "i386_eflags", eflags_fields);
}

/* A vector register as each of what may be in it; GDB's users know the names. */
static void put_sse_types(struct ctl_text *out)
{
	static const struct {
		const char *name, *type;
		unsigned count;
	} views[] = {{"v4_float", "ieee_single", 4}, {"v2_double", "ieee_double", 2},
		     {"v16_int8", "int8", 16},	     {"v8_int16", "int16", 8},
		     {"v4_int32", "int32", 4},	     {"v2_int64", "int64", 2}};

	for (unsigned i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		gdb_print(out, "<vector id=\"%s_t\" type=\"%s\" count=\"%u\"/>", views[i].name,
			  views[i].type, views[i].count);
	put(out, "<union id=\"vec128\">");
	for (unsigned i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		gdb_print(out, "<field name=\"%s\" type=\"%s_t\"/>", views[i].name,
			  views[i].name);
	put(out, "<field name=\"uint128\" type=\"uint128\"/></union>");
	put_flags(out, "i386_mxcsr", mxcsr_fields);
}

static void put_feature(struct ctl_text *out, const char *name)
{
	gdb_print(out, "<feature name=\"%s\">", name);
	if (!strcmp(name, "org.gnu.gdb.i386.core"))
		put_core_types(out);
	if (!strcmp(name, "org.gnu.gdb.i386.sse"))
		put_sse_types(out);
}

void gdb_target_xml(enum gdb_arch arch, struct ctl_text *out)
{
	unsigned n = 0;

	put(out, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>");
	gdb_print(out, "<architecture>%s</architecture>",
		  arch == GDB_AMD64 ? "i386:x86-64" : "i386");
	for (const struct gdb_reg *r = gdb_targets[arch]; r->type; r++) {
		if (!r->name) {
			put(out, n ? "</feature>" : "");
			put_feature(out, r->type);
			continue;
		}
		gdb_print(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>",
			  r->name, r->bytes * 8u, r->type, n++);
	}
	put(out, "</feature></target>");
}
