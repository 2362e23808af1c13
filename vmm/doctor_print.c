/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The facts as text and as JSON. Read first: doctor.h.
 *
 * Text: a line for each fact, with what it means for the monitor behind it. JSON: an object for
 * each section with a member for each fact; what could not be measured is null.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "vmm/doctor.h"

static const struct {
	const char *key, *title;
} sections[DOC_SECTIONS] = {
	[DOC_HOST] = {"host", "Host"},
	[DOC_KVM] = {"kvm", "KVM"},
	[DOC_TABLES] = {"tables", "Changes of page tables"},
	[DOC_COSTS] = {"costs", "Costs (median; least)"},
	[DOC_INSTRUCTIONS] = {"instructions", "Instructions at CPL 3"},
	[DOC_ADDRESSES] = {"addresses", "Addresses"},
	[DOC_VERDICT] = {"conclusions", "So"},
};

/* ---- text ---- */

/* ns as people read it. */
static int put_ns(char *s, size_t n, double ns)
{
	return ns < 1000 ? snprintf(s, n, ns < 10 ? "%.2f ns" : "%.0f ns", ns)
			 : snprintf(s, n, "%.1f us", ns / 1000);
}

static void put_number(char *s, size_t n, double x, const char *unit)
{
	if (!strcmp(unit, "ns"))
		put_ns(s, n, x);
	else
		snprintf(s, n, "%.*f%s%s", x == (double)(long long)x ? 0 : 1, x,
			 *unit ? " " : "", unit);
}

static void put_list(char *s, size_t n, const struct measured *v)
{
	size_t len = 0;

	snprintf(s, n, "none");
	for (unsigned i = 0; i < v->count && len < n; i++)
		len += (size_t)snprintf(s + len, n - len, "%s%u", i ? ", " : "", v->list[i]);
}

static void put_value(char *s, size_t n, const struct doctor_fact *f, const struct measured *v)
{
	char median[48], least[48];

	switch (v->kind) {
	case MEASURED_NOT:
		snprintf(s, n, "not known: %s", v->text);
		break;
	case MEASURED_BOOL:
		snprintf(s, n, "%s", v->yes ? "yes" : "no");
		break;
	case MEASURED_NUMBER:
		put_number(s, n, v->number, f->unit);
		break;
	case MEASURED_TIMES:
		put_number(median, sizeof(median), v->number, f->unit);
		put_number(least, sizeof(least), v->min, f->unit);
		snprintf(s, n, "%s; %s", median, least);
		break;
	case MEASURED_TEXT:
	case MEASURED_INSN:
		snprintf(s, n, "%s", v->text);
		break;
	case MEASURED_LIST:
		put_list(s, n, v);
		break;
	}
}

void doctor_print_text(const struct doctor *d)
{
	unsigned last = DOC_SECTIONS;
	char value[256];

	for (unsigned i = 0; i < doctor_fact_count; i++) {
		const struct doctor_fact *f = &doctor_facts[i];

		if (!doctor_has(d, f))
			continue;
		if (f->section != last)
			printf("%s%s\n", i ? "\n" : "", sections[f->section].title);
		last = f->section;
		put_value(value, sizeof(value), f, &d->value[i]);
		if (f->means)
			printf("  %-30s %-36s %s\n", f->title, value, f->means);
		else
			printf("  %-30s %s\n", f->title, value);
	}
	if (!d->m)
		printf("\nKVM: %s\n", d->reason);
}

/* ---- JSON ---- */

static struct json_object *text(const char *s)
{
	return json_object_new_string(s);
}

/* Three decimals are more than was measured. */
static struct json_object *number(double x)
{
	char s[48];

	if (x == (double)(long long)x)
		return json_object_new_int64((long long)x);
	snprintf(s, sizeof(s), "%.3f", x);
	return json_object_new_double_s(x, s);
}

static struct json_object *insn(const struct measured *v)
{
	static const char *const how[] = {
		[INSN_EXECUTES] = "executes",
		[INSN_TRAPS] = "traps",
		[INSN_ENTERS_GATE] = "enters-gate",
		[INSN_EXITS] = "exits",
		[INSN_HANGS] = "hangs",
	};
	struct json_object *o = json_object_new_object();
	char hex[24];

	json_object_object_add(o, "outcome", text(how[v->how]));
	if (v->how == INSN_TRAPS) {
		json_object_object_add(o, "vector", json_object_new_int((int)v->vector));
		json_object_object_add(o, "error", json_object_new_int64(v->error));
	} else if (v->how == INSN_EXECUTES && v->yes) {
		snprintf(hex, sizeof(hex), "%#llx", (unsigned long long)v->value);
		json_object_object_add(o, "rax", text(hex));
	}
	json_object_object_add(o, "text", text(v->text));
	return o;
}

static struct json_object *times(const struct doctor_fact *f, const struct measured *v)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "unit", text(f->unit));
	json_object_object_add(o, "median", number(v->number));
	json_object_object_add(o, "min", number(v->min));
	return o;
}

static struct json_object *json_list(const struct measured *v)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; i < v->count; i++)
		json_object_array_add(a, json_object_new_int(v->list[i]));
	return a;
}

static struct json_object *json_value(const struct doctor_fact *f, const struct measured *v)
{
	switch (v->kind) {
	case MEASURED_NOT:
		return NULL;
	case MEASURED_BOOL:
		return json_object_new_boolean(v->yes);
	case MEASURED_NUMBER:
		return number(v->number);
	case MEASURED_TIMES:
		return times(f, v);
	case MEASURED_TEXT:
		return text(v->text);
	case MEASURED_LIST:
		return json_list(v);
	case MEASURED_INSN:
		return insn(v);
	}
	return NULL;
}

static struct json_object *section(const struct doctor *d, enum doctor_section s)
{
	struct json_object *o = NULL;

	for (unsigned i = 0; i < doctor_fact_count; i++) {
		if (doctor_facts[i].section != s || !doctor_has(d, &doctor_facts[i]))
			continue;
		if (!o)
			o = json_object_new_object();
		json_object_object_add(o, doctor_facts[i].key,
				       json_value(&doctor_facts[i], &d->value[i]));
	}
	return o;
}

void doctor_print_json(const struct doctor *d)
{
	struct json_object *o = json_object_new_object();

	for (unsigned s = 0; s < DOC_SECTIONS; s++)
		json_object_object_add(o, sections[s].key, section(d, s));
	if (!d->m)
		json_object_object_add(o, "reason", text(d->reason));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_SPACED |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
