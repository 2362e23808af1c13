/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The report of a guest that can't go on: why, registers, and what its tables say of the address.
 *
 * Read first: machine.h, shadow/walk.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/machine.h"

struct text {
	char *at;
	size_t left;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, t->left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->left)
		n = t->left ? (int)t->left - 1 : 0;
	t->at += n;
	t->left -= (size_t)n;
}

static void add_walk(struct text *t, struct vcpu *v, gva_t gva)
{
	struct sh_walk w;
	enum sh_walk_result r;

	vcpu_sync_regs(v);
	r = sh_walk(v->m->gm, sh_vcpu_mode(v->sh), sh_vcpu_regs(v->sh), gva,
		    SH_PEEK | SH_IMPLICIT, &w);
	add(t, "guest walk of %#llx:", (unsigned long long)gva.v);
	if (r == SH_WALK_NOT_CANON) {
		add(t, " not canonical\n");
		return;
	}
	for (unsigned level = w.top; level >= w.level && level; level--)
		add(t, " L%u[%#llx]=%#llx", level, (unsigned long long)w.entry[level].v,
		    (unsigned long long)w.gpte[level]);
	if (r == SH_WALK_OK)
		add(t, " -> gpa %#llx%s\n", (unsigned long long)w.gpa.v,
		    gmem_valid(v->m->gm, w.gpa, 1) ? "" : " (no RAM there)");
	else
		add(t, " -> page fault, error code %#x\n", w.error);
}

void machine_crash(struct vcpu *v, gva_t gva, const char *fmt, ...)
{
	char report[sizeof(v->m->why)];
	struct text t = {report, sizeof(report)};
	char regs[2048];
	va_list ap;

	va_start(ap, fmt);
	t.at += vsnprintf(report, 256, fmt, ap) < 255 ? strlen(report) : 255;
	va_end(ap);
	t.left = sizeof(report) - (size_t)(t.at - report);
	cpu_print(&v->cpu.s, regs, sizeof(regs));
	add(&t, "\nvCPU %u:\n%s", v->index, regs);
	if (t.at > report && t.at[-1] != '\n')
		add(&t, "\n");
	add_walk(&t, v, gva);
	machine_end(v->m, VERDICT_CRASH, "%s", report);
}
