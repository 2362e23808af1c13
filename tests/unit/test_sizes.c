/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sizes and numbers: every suffix, every way to be wrong, both sides of each overflow.
 */
#include "tests/unit/tap.h"
#include "vmm/sizes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

struct row {
	const char *text;
	int err;
	uint64_t value;
};

static const struct row sizes[] = {
	{"1", 0, 1ull << 20},
	{"0", 0, 0},
	{"512K", 0, 512ull << 10},
	{"512k", 0, 512ull << 10},
	{"896M", 0, 896ull << 20},
	{"1G", 0, 1ull << 30},
	{"1g", 0, 1ull << 30},
	{"17592186044415", 0, 17592186044415ull << 20},
	{"17592186044416", -ERANGE, 0},
	{"17179869183G", 0, 17179869183ull << 30},
	{"17179869184G", -ERANGE, 0},
	{"99999999999999999999", -ERANGE, 0},
	{"99999999999999999999G", -ERANGE, 0},
	{"99999999999999999999x", -EINVAL, 0},
	{"", -EINVAL, 0},
	{"M", -EINVAL, 0},
	{"-1M", -EINVAL, 0},
	{"+1M", -EINVAL, 0},
	{" 1M", -EINVAL, 0},
	{"1M ", -EINVAL, 0},
	{"1MB", -EINVAL, 0},
	{"1T", -EINVAL, 0},
	{"1.5G", -EINVAL, 0},
	{"0x10", -EINVAL, 0},
};

static const struct row numbers[] = {
	{"0", 0, 0},
	{"42", 0, 42},
	{"010", 0, 10},
	{"0x10", 0, 16},
	{"0XfF", 0, 255},
	{"18446744073709551615", 0, UINT64_MAX},
	{"18446744073709551616", -ERANGE, 0},
	{"0xffffffffffffffff", 0, UINT64_MAX},
	{"0x10000000000000000", -ERANGE, 0},
	{"", -EINVAL, 0},
	{"0x", -EINVAL, 0},
	{"0x-1", -EINVAL, 0},
	{"0x0x1", -EINVAL, 0},
	{"-1", -EINVAL, 0},
	{" 1", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"1K", -EINVAL, 0},
	{"ten", -EINVAL, 0},
};

static void check(const struct row *rows, size_t n, int (*parse)(const char *, uint64_t *))
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 12345;
		int err = parse(rows[i].text, &value);
		bool ok = err == rows[i].err && value == (err ? 12345 : rows[i].value);

		if (!ok)
			printf("# '%s': %d, %llu\n", rows[i].text, err,
			       (unsigned long long)value);
		CU_ASSERT(ok);
	}
}

static void test_sizes(void)
{
	check(sizes, sizeof(sizes) / sizeof(sizes[0]), size_parse);
}

static void test_numbers(void)
{
	check(numbers, sizeof(numbers) / sizeof(numbers[0]), number_parse);
}

static const struct tap_case cases[] = {
	{"sizes", test_sizes},
	{"numbers", test_numbers},
	{NULL, NULL},
};
static const struct tap_suite suites[] = {
	{.name = "sizes", .cases = cases},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
