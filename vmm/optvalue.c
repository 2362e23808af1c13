/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parsers that any table of options may use: see opttable.h. Each says what is wrong with
 * its argument and what to write instead.
 *
 * Read first: opttable.h, sizes.h.
 */
#include "vmm/opttable.h"
#include "vmm/sizes.h"

#include <errno.h>
#include <string.h>

static void *field(const struct option_def *d, void *target)
{
	return (char *)target + d->offset;
}

int opt_flag(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	(void)arg;
	(void)e;
	*(bool *)field(d, target) = true;
	return 0;
}

int opt_text(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	(void)e;
	*(const char **)field(d, target) = arg;
	return 0;
}

int opt_file(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	if (!*arg)
		return opt_fail(e, "--%s names no file; write --%s %s", d->name, d->name,
				d->metavar);
	return opt_text(d, arg, target, e);
}

static int in_range(const struct option_def *d, const char *arg, int err, uint64_t value,
		    struct opt_error *e)
{
	const struct opt_range *r = d->rule;

	if (err == -EINVAL)
		return opt_fail(e, "--%s: '%s' is not a %s; write %s", d->name, arg,
				d->parse == opt_size ? "size" : "number", r->text);
	if (err == -ERANGE || value < r->min || value > r->max)
		return opt_fail(e, "--%s: %s is out of range; write %s", d->name, arg, r->text);
	if (r->multiple && value % r->multiple)
		return opt_fail(e, "--%s: %s is not a multiple of 4K; write %s", d->name, arg,
				r->text);
	return 0;
}

int opt_number(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	uint64_t value = 0;
	int err = number_parse(arg, &value);

	if (in_range(d, arg, err, value, e))
		return -1;
	*(uint64_t *)field(d, target) = value;
	return 0;
}

int opt_count(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	uint64_t value = 0;
	int err = number_parse(arg, &value);

	if (in_range(d, arg, err, value, e))
		return -1;
	*(unsigned *)field(d, target) = (unsigned)value;
	return 0;
}

int opt_size(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	uint64_t value = 0;
	int err = size_parse(arg, &value);

	if (in_range(d, arg, err, value, e))
		return -1;
	*(uint64_t *)field(d, target) = value;
	return 0;
}

/* The words that are in this version, joined as in "auto, direct or gated". */
static const char *words(const struct opt_keyword *list, char *buf, size_t n)
{
	size_t used = 0, left = 0;

	for (const struct opt_keyword *k = list; k->word; k++)
		left += !k->absent;
	buf[0] = '\0';
	for (const struct opt_keyword *k = list; k->word && used < n; k++)
		if (!k->absent && left--)
			used += (size_t)snprintf(buf + used, n - used, "%s%s", k->word,
						 left > 1 ? ", "
						 : left	  ? " or "
							  : "");
	return buf;
}

int opt_keyword(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	const struct opt_keyword *k = d->rule;
	char list[80];

	while (k->word && strcmp(k->word, arg))
		k++;
	words(d->rule, list, sizeof(list));
	if (!k->word)
		return opt_fail(e, "--%s: no such choice '%s'; write %s", d->name, arg, list);
	if (k->absent)
		return opt_fail(e, "--%s %s is not built in this version; write %s", d->name,
				arg, list);
	*(int *)field(d, target) = k->value;
	return 0;
}
