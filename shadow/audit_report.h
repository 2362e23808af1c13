/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Collects what an audit finds: a count, and a line of text for the first few. Internal.
 */
#ifndef UMBRA_SHADOW_AUDIT_REPORT_H
#define UMBRA_SHADOW_AUDIT_REPORT_H

#include <stddef.h>
#include <stdint.h>

struct sh_report {
	char *buf; /* may be NULL */
	size_t size, used;
	unsigned count;
};

/* One violation: what, at which slot, and a value that goes with it. */
void sh_report(struct sh_report *r, const char *what, uint32_t slot, uint64_t value);

#endif
