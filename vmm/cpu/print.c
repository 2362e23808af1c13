/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the text form of a CPU's state, for crash reports and info registers.
 *
 * Read after: state.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/cpu/state.h"

struct out {
	char *buf;
	size_t size, used; /* used < size, or size is 0 */
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (o->used + 1 >= o->size)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(o->buf + o->used, o->size - o->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->used += (size_t)n;
	if (o->used >= o->size)
		o->used = o->size - 1;
}

static void put_gprs(struct out *o, const struct cpu_state *s)
{
	static const char *const names[CPU_GPRS] = {
		"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
		"R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15",
	};

	for (int i = 0; i < CPU_GPRS; i++)
		put(o, "%s=%016" PRIx64 "%c", names[i], s->gpr[i], i % 4 == 3 ? '\n' : ' ');
}

static void put_segment(struct out *o, const char *name, const struct cpu_segment *g)
{
	put(o, "%s=%04x %016" PRIx64 " %08x %04x\n", name, g->selector, g->base, g->limit,
	    g->attr);
}

static void put_segments(struct out *o, const struct cpu_state *s)
{
	static const char *const names[CPU_SEGS] = {"ES", "CS", "SS", "DS", "FS", "GS"};

	for (int i = 0; i < CPU_SEGS; i++)
		put_segment(o, names[i], &s->seg[i]);
	put_segment(o, "LD", &s->ldtr);
	put_segment(o, "TR", &s->tr);
	put(o, "GDT=%016" PRIx64 " %04x IDT=%016" PRIx64 " %04x\n", s->gdtr.base, s->gdtr.limit,
	    s->idtr.base, s->idtr.limit);
}

static const char *activity_name(enum cpu_activity a)
{
	static const char *const names[] = {
		[CPU_RUNNING] = "running",
		[CPU_HALTED] = "halted",
		[CPU_WAIT_SIPI] = "waiting for SIPI",
		[CPU_SHUTDOWN] = "shutdown",
	};

	return names[a];
}

void cpu_print(const struct cpu_state *s, char *buf, size_t n)
{
	struct out o = {.buf = buf, .size = n};

	if (n)
		buf[0] = '\0';
	put(&o, "CPU %u %s CPL=%u%s\n", s->index, activity_name(s->activity), cpu_cpl(s),
	    s->int_shadow ? " interrupt shadow" : "");
	put_gprs(&o, s);
	put(&o, "RIP=%016" PRIx64 " RFLAGS=%08" PRIx64 "\n", s->rip, s->rflags);
	put_segments(&o, s);
	put(&o, "CR0=%08" PRIx64 " CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08" PRIx64,
	    s->cr0, s->cr2, s->cr3, s->cr4);
	put(&o, " CR8=%" PRIx64 " EFER=%04" PRIx64 " XCR0=%" PRIx64 "\n", s->cr8, s->efer,
	    s->xcr0);
	put(&o, "DR0=%016" PRIx64 " DR1=%016" PRIx64 " DR2=%016" PRIx64 " DR3=%016" PRIx64,
	    s->dr[0], s->dr[1], s->dr[2], s->dr[3]);
	put(&o, " DR6=%08" PRIx64 " DR7=%08" PRIx64 "\n", s->dr[6], s->dr[7]);
}
