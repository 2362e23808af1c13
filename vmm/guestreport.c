/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of the serial port that are a guest's report of itself, as events for the control socket's
 * clients: results and bail-outs of the Test Anything Protocol, and its summary.
 *
 * Called with the serial device's lock held, which guards the line. Read first: machine.h.
 */
#include <json-c/json.h>
#include <string.h>

#include "vmm/machine.h"

static bool is_report(const char *line)
{
	static const char *const begins[] = {"ok ", "not ok ", "Bail out!", "# "};

	for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (!strncmp(line, begins[i], strlen(begins[i])))
			return true;
	return false;
}

static void end_line(struct machine *m)
{
	char *line = m->report.line;
	struct json_object *o;

	line[m->report.len] = 0;
	m->report.len = 0;
	if (!m->control || !is_report(line))
		return;
	o = json_object_new_object();
	json_object_object_add(o, "text", json_object_new_string(line));
	control_event(m->control, "GUEST_REPORT", o);
}

void guest_report_feed(struct machine *m, const uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n')
			end_line(m);
		else if (buf[i] != '\r' && m->report.len < sizeof(m->report.line) - 1)
			m->report.line[m->report.len++] = (char)buf[i];
	}
}
