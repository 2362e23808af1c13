/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Images and modules as files.
 */
#include "tests/unit/boot_test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_refused(const char *path, const char *text)
{
	struct machine m;
	char line[300];

	machine_open(&m, 2 * MIB);
	m.params.kernel = path;
	snprintf(line, sizeof(line), "%s: %s", path, text);
	CU_ASSERT_EQUAL(boot_load(m.gm, &m.params, &m.r, m.msg, sizeof(m.msg)), -1);
	CU_ASSERT_STRING_EQUAL(m.msg, line);
	machine_close(&m);
}

static void a_good_file(void)
{
	struct machine m;
	struct image im;
	char *path;

	machine_open(&m, 2 * MIB);
	image_multiboot(&im);
	path = temp_file(im.bytes, im.len);
	m.params.kernel = path;
	CU_ASSERT_EQUAL(boot_load(m.gm, &m.params, &m.r, m.msg, sizeof(m.msg)), 0);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x10000c);
	CU_ASSERT_STRING_EQUAL(peek_string(&m, peek32(&m, m.r.info.v + 16)), path + 5);
	unlink(path);
	free(path);
	machine_close(&m);
}

static void missing(void)
{
	expect_refused("/nonexistent/k",
		       "can't be opened (No such file or directory); check the path "
		       "and its permissions");
}

static void not_a_file(void)
{
	char path[] = "/tmp/umbra-fifo-XXXXXX";

	expect_refused("/tmp", "is a directory; name the image file inside it");
	expect_refused("/dev/null", "is not a regular file; copy the image to a file first");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
	rmdir(path);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	expect_refused(path, "is not a regular file; copy the image to a file first");
	unlink(path);
}

static void empty_and_huge(void)
{
	char *path = temp_file("", 0);

	expect_refused(path, "is empty; build or download the image again");
	CU_ASSERT_EQUAL(truncate(path, (3l << 30)), 0);
	expect_refused(path, "is larger than 2 GiB; strip its debug information");
	unlink(path);
	free(path);
}

static void initrds(void)
{
	struct machine m;
	struct image im;
	char *path = temp_file("x", 1), line[300];

	machine_open(&m, 2 * MIB);
	image_multiboot(&im);
	m.params.initrd = path;
	CU_ASSERT_EQUAL(truncate(path, 0xff000), 0); /* exactly what is left behind 0x101000 */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	gmem_fill(m.gm, GPA(0), 0, 2 * MIB);
	CU_ASSERT_EQUAL(truncate(path, 0xff001), 0);
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	snprintf(line, sizeof(line),
		 "%s: has 1044481 bytes, too many for the RAM after the kernel at "
		 "0x101000; raise --memory",
		 path);
	CU_ASSERT_STRING_EQUAL(m.msg, line);
	CU_ASSERT(all_zero(&m, 0, 2 * MIB));
	m.params.initrd = "/nonexistent/i";
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	CU_ASSERT_EQUAL(strncmp(m.msg, "/nonexistent/i: can't be opened", 31), 0);
	unlink(path);
	free(path);
	machine_close(&m);
}

const struct tap_case file_tests[] = {
	{"a good file", a_good_file},
	{"a missing file", missing},
	{"directory, device, FIFO", not_a_file},
	{"empty and huge files", empty_and_huge},
	{"initrds", initrds},
	TAP_NO_CASE,
};
