/* SPDX-License-Identifier: BSD-2-Clause
 *
 * info tlb and info mem: what the guest's own tables map, in QEMU's columns.
 *
 * QEMU shows of an entry's address what a mask per level leaves, which in 32-bit formats is more than
 * the address; so do we, or else the two could not be compared line by line.
 *
 * Read after: monitor.c, shadow/inspect.h.
 */
#include "vmm/control/internal.h"

#define STEPS_MAX (1u << 24)

static const uint64_t masks[SH_FORMATS][SH_MAX_LEVEL + 1] = {
	[SH_FMT_32] = {0, ~0xfffull, ~0x1fffffull},
	[SH_FMT_PAE] = {0, ~0xfffull, ~0xfffffull},
	[SH_FMT_4LVL] = {0, 0x3fffffffff000ull, 0x3ffffffe00000ull, 0x3ffffc0000000ull},
	[SH_FMT_5LVL] = {0, 0x3fffffffff000ull, 0x3ffffffe00000ull, 0x3ffffc0000000ull},
};

static void print_leaf(struct ctl_hmp *h, const struct sh_scan *s)
{
	uint64_t e = s->level == 1 ? s->entry & ~PTE_PS : s->entry;
	ctl_print(h, "%016llx: %016llx %c%c%c%c%c%c%c%c%c\n", (unsigned long long)s->gva.v,
		  (unsigned long long)(e & masks[h->who.mode.format][s->level]),
		  e & PTE_NX ? 'X' : '-', e & PTE_G ? 'G' : '-', e & PTE_PS ? 'P' : '-',
		  e & PTE_D ? 'D' : '-', e & PTE_A ? 'A' : '-', e & PTE_PCD ? 'C' : '-',
		  e & PTE_PWT ? 'T' : '-', e & PTE_U ? 'U' : '-', e & PTE_W ? 'W' : '-');
}

static bool paging(struct ctl_hmp *h)
{
	if (h->who.mode.format != SH_FMT_NONE)
		return true;
	ctl_print(h, "PG disabled\n");
	return false;
}

static bool next(struct ctl_hmp *h, struct sh_scan *s)
{
	return !ctl_print_full(h) && sh_scan_guest(h->who.mmu, &h->who.mode, &h->who.regs, s);
}

void ctl_hmp_tlb(struct ctl_hmp *h)
{
	struct sh_scan s = {.last = GVA(UINT64_MAX), .steps = STEPS_MAX};
	if (!paging(h))
		return;
	while (next(h, &s))
		print_leaf(h, &s);
}

/* A run of addresses with one protection. */
struct run {
	uint64_t start, end;
	unsigned access;
	bool open;
};

static uint64_t canonical(const struct sh_format *f, uint64_t a)
{
	return f->canonical && a >> (f->va_bits - 1) & 1 ? a | ~0ull << f->va_bits : a;
}

static void print_run(struct ctl_hmp *h, const struct run *r)
{
	const struct sh_format *f = &sh_formats[h->who.mode.format];
	if (r->open)
		ctl_print(h, "%016llx-%016llx %016llx %cr%c\n",
			  (unsigned long long)canonical(f, r->start),
			  (unsigned long long)canonical(f, r->end),
			  (unsigned long long)canonical(f, r->end - r->start),
			  r->access & SH_ACC_U ? 'u' : '-', r->access & SH_ACC_W ? 'w' : '-');
}

void ctl_hmp_mem(struct ctl_hmp *h)
{
	struct sh_scan s = {.last = GVA(UINT64_MAX), .steps = STEPS_MAX};
	const struct sh_format *f = &sh_formats[h->who.mode.format];
	struct run r = {.open = false};
	if (!paging(h))
		return;
	while (next(h, &s)) {
		/* Without the sign's copies the two halves are neighbours, as QEMU has them. */
		uint64_t at = s.gva.v & ((1ull << f->va_bits) - 1);
		unsigned access = s.access & (SH_ACC_U | SH_ACC_W);
		if (!r.open || at != r.end || access != r.access) {
			print_run(h, &r);
			r = (struct run){.start = at, .access = access, .open = true};
		}
		r.end = at + s.size;
	}
	print_run(h, &r);
}
