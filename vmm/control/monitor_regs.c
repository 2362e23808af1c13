/* SPDX-License-Identifier: BSD-2-Clause
 *
 * info registers, in QEMU's columns. Read after: monitor.c, vmm/cpu/state.h.
 */
#include <string.h>

#include "vmm/control/internal.h"
#include "vmm/cpu/state.h"

typedef unsigned long long word;

static void gprs(struct ctl_hmp *h, const struct cpu_state *s, bool wide)
{
	static const struct {
		const char *name;
		enum cpu_gpr at;
	} low[] = {{"AX", CPU_RAX}, {"BX", CPU_RBX}, {"CX", CPU_RCX}, {"DX", CPU_RDX},
		   {"SI", CPU_RSI}, {"DI", CPU_RDI}, {"BP", CPU_RBP}, {"SP", CPU_RSP}};
	for (unsigned i = 0; i < 8; i++)
		ctl_print(h, wide ? "R%s=%016llx%s" : "E%s=%08llx%s", low[i].name,
			  (word)(wide ? s->gpr[low[i].at] : (uint32_t)s->gpr[low[i].at]),
			  i % 4 == 3 ? "\n" : " ");
	for (unsigned i = CPU_R8; wide && i < CPU_GPRS; i++)
		ctl_print(h, "R%-2u=%016llx%s", i, (word)s->gpr[i], i % 4 == 3 ? "\n" : " ");
}

static void flags(struct ctl_hmp *h, const struct cpu_state *s, bool wide)
{
	static const struct {
		uint64_t bit;
		char letter;
	} bits[] = {{RFL_DF, 'D'}, {RFL_OF, 'O'}, {RFL_SF, 'S'}, {RFL_ZF, 'Z'},
		    {RFL_AF, 'A'}, {RFL_PF, 'P'}, {RFL_CF, 'C'}};
	char f[8] = "-------";
	for (unsigned i = 0; i < 7; i++)
		if (s->rflags & bits[i].bit)
			f[i] = bits[i].letter;
	ctl_print(h, wide ? "RIP=%016llx RFL=%08llx " : "EIP=%08llx EFL=%08llx ", (word)s->rip,
		  (word)s->rflags);
	ctl_print(h, "[%s] CPL=%u II=%d A20=1 SMM=0 HLT=%d\n", f, cpu_cpl(s), s->int_shadow,
		  s->activity == CPU_HALTED);
}

/* The middle of a descriptor, as its high word has it. */
static uint32_t descriptor(const struct cpu_segment *g)
{
	uint32_t limit = g->attr & SEG_G ? g->limit >> 12 : g->limit;
	return (g->attr & 0xffu) << 8 | (g->attr & 0xf000u) << 8 |
	       (g->attr ? limit & 0xf0000u : 0);
}

static const char *system_type(const struct cpu_segment *g, bool lma)
{
	static const char *const names[2][16] = {
		{"Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate",
		 "IntGate16", "TrapGate16", "Reserved", "TSS32-avl", "Reserved", "TSS32-busy",
		 "CallGate32", "Reserved", "IntGate32", "TrapGate32"},
		{"<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved",
		 "Reserved", "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64",
		 "Reserved", "IntGate64", "TrapGate64"}};
	return names[lma][SEG_TYPE(g->attr)];
}

static void kind(struct ctl_hmp *h, const struct cpu_state *s, const struct cpu_segment *g)
{
	unsigned type = SEG_TYPE(g->attr);
	if (!(g->attr & SEG_S)) {
		ctl_print(h, "%s", system_type(g, cpu_long_mode(s)));
		return;
	}
	if (type & 8)
		ctl_print(h, "%s [%c%c",
			  g->attr & SEG_L    ? "CS64"
			  : g->attr & SEG_DB ? "CS32"
					     : "CS16",
			  type & 4 ? 'C' : '-', type & 2 ? 'R' : '-');
	else
		ctl_print(h, "%s [%c%c", g->attr & SEG_DB || cpu_long_mode(s) ? "DS  " : "DS16",
			  type & 4 ? 'E' : '-', type & 2 ? 'W' : '-');
	ctl_print(h, "%c]", type & 1 ? 'A' : '-');
}

static void segment(struct ctl_hmp *h, const struct cpu_state *s, const char *name,
		    const struct cpu_segment *g, bool wide)
{
	ctl_print(h, wide ? "%-3s=%04x %016llx " : "%-3s=%04x %08llx ", name, g->selector,
		  (word)g->base);
	ctl_print(h, "%08x %08x", g->limit, descriptor(g));
	if (s->cr0 & CR0_PE && g->attr & SEG_P) {
		ctl_print(h, " DPL=%d ", SEG_DPL(g->attr));
		kind(h, s, g);
	}
	ctl_print(h, "\n");
}

static void segments(struct ctl_hmp *h, const struct cpu_state *s, bool wide)
{
	static const char *const names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
	for (unsigned i = 0; i < CPU_SEGS; i++)
		segment(h, s, names[i], &s->seg[i], wide);
	segment(h, s, "LDT", &s->ldtr, wide);
	segment(h, s, "TR", &s->tr, wide);
}

static void system_registers(struct ctl_hmp *h, const struct cpu_state *s)
{
	bool lma = cpu_long_mode(s);
	ctl_print(h, lma ? "GDT=     %016llx %08x\n" : "GDT=     %08llx %08x\n",
		  (word)s->gdtr.base, s->gdtr.limit);
	ctl_print(h, lma ? "IDT=     %016llx %08x\n" : "IDT=     %08llx %08x\n",
		  (word)s->idtr.base, s->idtr.limit);
	ctl_print(h,
		  lma ? "CR0=%08llx CR2=%016llx CR3=%016llx CR4=%08llx\n"
		      : "CR0=%08llx CR2=%08llx CR3=%08llx CR4=%08llx\n",
		  (word)s->cr0, (word)s->cr2, (word)s->cr3, (word)s->cr4);
	for (unsigned i = 0; i < 4; i++)
		ctl_print(h, "DR%u=%016llx ", i, (word)s->dr[i]);
	ctl_print(h, "\nDR6=%016llx DR7=%016llx\nEFER=%016llx\n", (word)s->dr[6],
		  (word)s->dr[7], (word)s->efer);
}

static uint64_t load(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static void vectors(struct ctl_hmp *h, const struct cpu_state *s, bool wide)
{
	const struct cpu_fpu *f = &s->fpu;
	unsigned top = FPU_FSW_TOP(f->fsw);
	ctl_print(h, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", f->fcw, f->fsw, top,
		  f->ftw, f->mxcsr);
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *st = f->st[(i - top) & 7];
		ctl_print(h, "FPR%u=%016llx %04llx%s", i, (word)load(st),
			  (word)(load(st + 8) & 0xffff), i % 2 ? "\n" : " ");
	}
	for (unsigned i = 0; i < (wide ? 16 : 8); i++)
		ctl_print(h, "XMM%02u=%016llx %016llx%s", i, (word)load(f->xmm[i] + 8),
			  (word)load(f->xmm[i]), i % 2 ? "\n" : " ");
}

void ctl_hmp_registers(struct ctl_hmp *h)
{
	const struct cpu_state *s = h->cpu;
	if (!s) {
		ctl_print(h, "CPU#%u has ended\n", h->who.vcpu);
		return;
	}
	bool wide = cpu_64bit(s);
	ctl_print(h, "\nCPU#%u\n", h->who.vcpu);
	gprs(h, s, wide);
	flags(h, s, wide);
	segments(h, s, wide);
	system_registers(h, s);
	vectors(h, s, wide);
}
