/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sizes and numbers as people type them: see sizes.h.
 *
 * strtoull() alone won't do: it takes signs ("-1" is 2^64-1) and leading space.
 */
#include "vmm/sizes.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct suffix {
	char letter;
	unsigned shift;
};

/* The first is what a bare number means. */
static const struct suffix suffixes[] = {{'\0', 20}, {'k', 10}, {'m', 20}, {'g', 30}};

/* The number at text in base; *end is behind it. strtoull() itself skips one 0x in base 16. */
static int digits(const char *text, int base, uint64_t *value, const char **end)
{
	bool good =
		base == 16 ? isxdigit((unsigned char)text[2]) : isdigit((unsigned char)*text);
	char *stop;

	if (!good)
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &stop, base);
	*end = stop;
	return errno == ERANGE ? -ERANGE : 0;
}

static int scale(uint64_t number, unsigned shift, uint64_t *bytes)
{
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = number << shift;
	return 0;
}

int size_parse(const char *text, uint64_t *bytes)
{
	const char *end = text;
	uint64_t number = 0;
	int err = digits(text, 10, &number, &end);

	if (err == -EINVAL || (*end && end[1]))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (tolower((unsigned char)*end) == suffixes[i].letter)
			return err ? err : scale(number, suffixes[i].shift, bytes);
	return -EINVAL;
}

int number_parse(const char *text, uint64_t *value)
{
	bool hex = text[0] == '0' && tolower((unsigned char)text[1]) == 'x';
	const char *end = text;
	uint64_t number = 0;
	int err = digits(text, hex ? 16 : 10, &number, &end);

	if (err == -EINVAL || *end)
		return -EINVAL;
	if (!err)
		*value = number;
	return err;
}
