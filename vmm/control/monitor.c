/* SPDX-License-Identifier: BSD-2-Clause
 *
 * human-monitor-command: the commands of QEMU's human monitor that look at memory and registers, in
 * QEMU's words and columns, so that scripts which read those can read these.
 *
 * A row of rows[] is a command; what it prints goes into one text of bounded size. Mistakes in the
 * command line are answered in the text, as QEMU does.
 *
 * Read after: look.c. Read next: monitor_tlb.c, monitor_mem.c, monitor_regs.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

#define TEXT_MAX (16u << 20)

struct row {
	const char *name;
	void (*run)(struct ctl_hmp *h);
	bool rests; /* the vCPUs are brought to rest for it */
	const char *params, *help;
};

static void help(struct ctl_hmp *h);

static const struct row rows[] = {
	{"gva2gpa", ctl_hmp_gva2gpa, true, "addr",
	 "print the guest physical address of a guest virtual one"},
	{"help", help, false, "", "show this"},
	{"info mem", ctl_hmp_mem, false, "", "show the active virtual memory mappings"},
	{"info registers", ctl_hmp_registers, true, "", "show the processor's registers"},
	{"info tlb", ctl_hmp_tlb, false, "", "show virtual to physical memory mappings"},
	{"x", ctl_hmp_x, true, "/fmt addr", "virtual memory dump starting at 'addr'"},
	{"xp", ctl_hmp_xp, true, "/fmt addr", "physical memory dump starting at 'addr'"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

bool ctl_print_full(const struct ctl_hmp *h)
{
	return h->out.failed || h->out.len > TEXT_MAX;
}

void ctl_print(struct ctl_hmp *h, const char *fmt, ...)
{
	char line[256], *from = line, *end;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* The monitor is a terminal: its lines end with CR LF. */
	while (!ctl_print_full(h) && (end = strchr(from, '\n'))) {
		ctl_text_put(&h->out, from, (size_t)(end - from));
		ctl_text_put(&h->out, "\r\n", 2);
		from = end + 1;
	}
	ctl_text_put(&h->out, from, strlen(from));
}

static void help(struct ctl_hmp *h)
{
	for (size_t i = 0; i < ROWS; i++)
		ctl_print(h, "%s%s%s -- %s\n", rows[i].name,
			  rows[i].params[0] && rows[i].params[0] != '/' ? " " : "",
			  rows[i].params, rows[i].help);
}

/* The row whose words begin the line; its rest is the arguments. */
static const struct row *find(const char *line, const char **args)
{
	for (size_t i = 0; i < ROWS; i++) {
		size_t n = strlen(rows[i].name);
		if (strncmp(line, rows[i].name, n) || !strchr(" \t/", line[n]))
			continue; /* strchr finds the NUL, too */
		*args = line + n + strspn(line + n, " \t");
		return &rows[i];
	}
	return NULL;
}

static void run_row(const struct row *r, struct ctl_hmp *h)
{
	const struct ctl_call *c = h->call;
	if (r->rests) {
		struct control_error none;
		c->ops->pause(c->m);
		h->cpu = c->ops->cpu(c->m, h->who.vcpu);
		/* Now that it has told its registers. */
		ctl_subject_vcpu(c, "cpu-index", &h->who, &none);
	}
	r->run(h);
	if (r->rests)
		c->ops->resume(c->m);
}

struct json_object *ctl_run_monitor(const struct ctl_call *call, struct control_error *e)
{
	const char *line = ctl_arg_string(call, "command-line", "");
	struct ctl_hmp h = {.call = call};
	struct json_object *text = NULL;
	line += strspn(line, " \t");
	const struct row *r = find(line, &h.args);
	if (ctl_subject_vcpu(call, "cpu-index", &h.who, e))
		return NULL;
	if (r)
		run_row(r, &h);
	else
		ctl_print(&h, "unknown command: '%.200s'\n", line);
	if (ctl_print_full(&h))
		ctl_fail(e, CTL_GENERIC_ERROR, "the text is longer than %u MiB",
			 TEXT_MAX >> 20);
	else
		text = json_object_new_string_len(h.out.len ? h.out.p : "", (int)h.out.len);
	ctl_text_free(&h.out);
	return text;
}
