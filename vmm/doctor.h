/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra doctor: one table of facts, from which the measuring, the text and the JSON are made.
 *
 * Read first: kvm/measure.h. Read next: doctor_facts.c, doctor.c, doctor_verdict.c,
 * doctor_print.c.
 */
#ifndef UMBRA_DOCTOR_H
#define UMBRA_DOCTOR_H

#include "vmm/kvm/measure.h"

enum doctor_section {
	DOC_HOST, /* the only one without KVM */
	DOC_KVM,
	DOC_TABLES,
	DOC_COSTS,
	DOC_INSTRUCTIONS,
	DOC_ADDRESSES,
	DOC_VERDICT,
	DOC_SECTIONS
};

struct doctor;
typedef void verdict_fn(const struct doctor *d, struct measured *v);

struct doctor_fact {
	enum doctor_section section;
	const char *key;   /* in JSON */
	const char *title; /* in text */
	const char *unit;  /* "" for none */
	measure_fn *measure;
	const void *arg;
	verdict_fn *conclude; /* instead of measure: from the rows above */
	const char *means;    /* for the monitor; NULL where it says itself */
	bool always;	      /* holds without KVM too */
};

extern const struct doctor_fact doctor_facts[];
extern const unsigned doctor_fact_count;

struct doctor {
	struct measure *m; /* NULL without KVM; then reason */
	char reason[200];
	struct measured *value; /* of each fact */
};

/* The value of a fact above, by key; never NULL. */
const struct measured *doctor_value(const struct doctor *d, const char *key);
bool doctor_has(const struct doctor *d, const struct doctor_fact *f);

void doctor_print_text(const struct doctor *d);
void doctor_print_json(const struct doctor *d);

/* doctor_verdict.c */
verdict_fn doctor_kind, doctor_engine, doctor_exact, doctor_inexact, doctor_hidden_fault,
	doctor_guest_fault;

#endif
