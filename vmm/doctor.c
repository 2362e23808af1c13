/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra doctor: what this host's KVM, if any, is and can do, measured now. Read first: doctor.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/commands.h"
#include "vmm/doctor.h"

bool doctor_has(const struct doctor *d, const struct doctor_fact *f)
{
	return d->m || f->section == DOC_HOST || f->always;
}

const struct measured *doctor_value(const struct doctor *d, const char *key)
{
	static const struct measured none;

	for (unsigned i = 0; i < doctor_fact_count; i++)
		if (!strcmp(doctor_facts[i].key, key))
			return &d->value[i];
	return &none;
}

static void measure_all(struct doctor *d)
{
	for (unsigned i = 0; i < doctor_fact_count; i++) {
		const struct doctor_fact *f = &doctor_facts[i];

		if (!doctor_has(d, f))
			continue;
		if (f->conclude)
			f->conclude(d, &d->value[i]);
		else
			f->measure(d->m, f->arg, &d->value[i]);
	}
}

int cmd_doctor(bool json)
{
	struct doctor d = {.value = calloc(doctor_fact_count, sizeof(*d.value))};

	if (!d.value)
		return complain(UMBRA_HOST, "out of memory");
	d.m = measure_open(d.reason, sizeof(d.reason));
	measure_all(&d);
	if (json)
		doctor_print_json(&d);
	else
		doctor_print_text(&d);
	measure_close(d.m);
	free(d.value);
	return UMBRA_PASS; /* there always is an engine */
}
