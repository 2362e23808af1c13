/* SPDX-License-Identifier: BSD-2-Clause
 *
 * x, xp and gva2gpa: guest memory in QEMU's columns, and the small language of their addresses.
 *
 * Memory is read as a debugger reads it: whatever the guest's tables map, whoever may use it; nothing is
 * marked accessed. Read after: monitor.c.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/control/internal.h"
#include "vmm/cpu/state.h"

#define COUNT_MAX 65536u

bool ctl_translate(const struct ctl_subject *s, gva_t gva, gpa_t *gpa)
{
	const struct sh_format *f = &sh_formats[s->mode.format];
	struct sh_walk w;
	enum sh_walk_result r = sh_walk(sh_mmu_gmem(s->mmu), &s->mode, &s->regs, gva,
					SH_PEEK | SH_IMPLICIT, &w);
	if (r == SH_WALK_NOT_CANON ||
	    (r == SH_WALK_FAULT && (!(w.error & SH_PF_P) || w.error & SH_PF_RSVD)))
		return false;
	*gpa = w.level ? GPA(sh_entry_addr(f, w.level, w.level > 1, w.gpte[w.level]).v |
			     (w.gva.v & (sh_span(f, w.level) - 1)))
		       : GPA(w.gva.v);
	return true;
}

/* ---- addresses: numbers and registers, with + and - between them ---- */

static bool reg(const struct cpu_state *s, const char *name, size_t n, uint64_t *v)
{
	static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
					    "rsi", "rdi", "r8",	 "r9",	"r10", "r11",
					    "r12", "r13", "r14", "r15"};
	for (unsigned i = 0; i < CPU_GPRS; i++) {
		bool same = strlen(names[i]) == n && !strncmp(names[i], name, n);
		bool old = i < CPU_R8 && n == 3 && name[0] == 'e' &&
			   !strncmp(names[i] + 1, name + 1, 2);
		if (same || old) {
			*v = old ? (uint32_t)s->gpr[i] : s->gpr[i];
			return true;
		}
	}
	*v = s->rip;
	return n == 3 && (!strncmp(name, "rip", 3) || !strncmp(name, "eip", 3));
}

/* One number or register; false with the complaint printed. */
static bool term(struct ctl_hmp *h, const char **p, uint64_t *v)
{
	const char *s = *p + strspn(*p, " \t");
	char *end;
	if (*s == '$') {
		size_t n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
		*p = s + 1 + n;
		if (h->cpu && reg(h->cpu, s + 1, n, v))
			return true;
		ctl_print(h, "unknown register\n");
		return false;
	}
	*v = strtoull(s, &end, 0);
	if (end == s) {
		ctl_print(h,
			  *s ? "invalid char '%c' in expression\n"
			     : "unexpected end of expression\n",
			  *s);
		return false;
	}
	*p = end + strspn(end, " \t");
	return true;
}

static bool address(struct ctl_hmp *h, const char *command, uint64_t *v)
{
	const char *p = h->args;
	bool ok = term(h, &p, v);
	while (ok && (*p == '+' || *p == '-')) {
		char op = *p++;
		uint64_t more = 0;
		ok = term(h, &p, &more);
		*v = op == '+' ? *v + more : *v - more;
	}
	if (ok && *p) {
		ctl_print(h, "%s: extraneous characters at the end of line\n", command);
		return false;
	}
	if (!ok)
		ctl_print(h, "Try \"help %s\" for more information\n", command);
	return ok;
}

/* ---- dumps ---- */

struct dump {
	unsigned count, size;
	char format;
	bool physical;
};

/* /COUNT FORMAT SIZE, all optional. False with the complaint printed. */
static bool parse_format(struct ctl_hmp *h, struct dump *d)
{
	const char *p = h->args;
	if (*p != '/')
		return true;
	p++;
	if (*p >= '0' && *p <= '9') {
		char *end;
		unsigned long n = strtoul(p, &end, 10);
		d->count = n > COUNT_MAX ? COUNT_MAX : (unsigned)n;
		p = end;
	}
	for (; *p && *p != ' ' && *p != '\t'; p++) {
		if (strchr("oduxc", *p))
			d->format = *p;
		else if (strchr("bhwg", *p))
			d->size = 1u << (strchr("bhwg", *p) - "bhwg");
		else if (*p == 'i') {
			ctl_print(h, "no disassembler is built in\n");
			return false;
		} else {
			ctl_print(h, "invalid char in format: '%c'\n", *p);
			return false;
		}
	}
	h->args = p + strspn(p, " \t");
	if (d->format == 'c')
		d->size = 1;
	return true;
}

static bool read_bytes(struct ctl_hmp *h, const struct dump *d, uint64_t at, uint8_t *buf,
		       size_t n)
{
	struct gmem *gm = sh_mmu_gmem(h->who.mmu);
	while (n) {
		size_t room = SH_PAGE_SIZE - (at & (SH_PAGE_SIZE - 1)), k = n < room ? n : room;
		gpa_t gpa = GPA(at);
		if ((!d->physical && !ctl_translate(&h->who, GVA(at), &gpa)) ||
		    gmem_read(gm, gpa, buf, k))
			return false;
		buf += k;
		at += k;
		n -= k;
	}
	return true;
}

static void print_char(struct ctl_hmp *h, uint8_t c)
{
	if (c == '\'' || c == '\\')
		ctl_print(h, " '\\%c'", c);
	else if (c == '\n' || c == '\r')
		ctl_print(h, " '\\%c'", c == '\n' ? 'n' : 'r');
	else if (c >= 32 && c < 127)
		ctl_print(h, " '%c'", c);
	else
		ctl_print(h, " '\\x%02x'", c);
}

/* As wide as the widest of its size. */
static void print_value(struct ctl_hmp *h, const struct dump *d, uint64_t v)
{
	unsigned long long x = v;
	int bits = (int)d->size * 8;
	switch (d->format) {
	case 'o':
		ctl_print(h, " %#*llo", (bits + 2) / 3, x);
		break;
	case 'd':
		ctl_print(h, " %*lld", (bits * 10 + 32) / 33, (long long)x);
		break;
	case 'u':
		ctl_print(h, " %*llu", (bits * 10 + 32) / 33, x);
		break;
	case 'c':
		print_char(h, (uint8_t)v);
		break;
	default:
		ctl_print(h, " 0x%0*llx", bits / 4, x);
	}
}

static void memory(struct ctl_hmp *h, bool physical)
{
	struct dump d = {.count = 1, .size = 4, .format = 'x', .physical = physical};
	unsigned per_line;
	uint64_t at;
	if (!parse_format(h, &d) || !address(h, physical ? "xp" : "x", &at))
		return;
	per_line = d.size == 1 ? 8 : 16 / d.size;
	for (unsigned i = 0; i < d.count && !ctl_print_full(h); i++, at += d.size) {
		uint8_t buf[8] = {0};
		uint64_t v;
		if (i % per_line == 0)
			ctl_print(h, "%s%016llx:", i ? "\n" : "", (unsigned long long)at);
		if (!read_bytes(h, &d, at, buf, d.size)) {
			ctl_print(h, " Cannot access memory");
			break;
		}
		memcpy(&v, buf, sizeof(v));
		print_value(h, &d, v);
	}
	if (d.count)
		ctl_print(h, "\n");
}

void ctl_hmp_x(struct ctl_hmp *h)
{
	memory(h, false);
}

void ctl_hmp_xp(struct ctl_hmp *h)
{
	memory(h, true);
}

void ctl_hmp_gva2gpa(struct ctl_hmp *h)
{
	uint64_t at;
	gpa_t gpa;
	if (!address(h, "gva2gpa", &at))
		return;
	if (ctl_translate(&h->who, GVA(at), &gpa))
		ctl_print(h, "gpa: %#llx\n", (unsigned long long)gpa.v);
	else
		ctl_print(h, "Unmapped\n");
}
