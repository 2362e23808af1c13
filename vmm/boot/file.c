/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file into memory, and the line that says what is wrong.
 *
 * Files are read rather than mapped: one that shrinks while it is loaded must not kill the VMM.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LIMIT (2ull << 30)

/* A file name may hold anything; the message is one line for a terminal. */
static void tame(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

int boot_fail(const struct boot_error *e, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!e->len)
		return -1;
	n = snprintf(e->msg, e->len, "%s: ", e->name);
	if (n >= 0 && (size_t)n < e->len) {
		va_start(ap, fmt);
		vsnprintf(e->msg + n, e->len - (size_t)n, fmt, ap);
		va_end(ap);
	}
	tame(e->msg);
	return -1;
}

const char *file_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void file_free(struct boot_file *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

static int check_kind(const struct stat *st, const struct boot_error *e)
{
	if (S_ISDIR(st->st_mode))
		return boot_fail(e, "is a directory; name the image file inside it");
	if (!S_ISREG(st->st_mode))
		return boot_fail(e, "is not a regular file; copy the image to a file first");
	if (st->st_size == 0)
		return boot_fail(e, "is empty; build or download the image again");
	if ((uint64_t)st->st_size > FILE_LIMIT)
		return boot_fail(e, "is larger than 2 GiB; strip its debug information");
	return 0;
}

/* Reads st_size bytes; fewer if the file has shrunk. */
static int read_all(int fd, struct boot_file *f, size_t size, const struct boot_error *e)
{
	f->len = 0;
	f->bytes = malloc(size);
	if (!f->bytes)
		return boot_fail(e, "no memory to read %zu bytes; free some on the host", size);
	while (f->len < size) {
		ssize_t n = read(fd, f->bytes + f->len, size - f->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return boot_fail(e, "can't be read (%s); check the file and its disk",
					 strerror(errno));
		if (n == 0)
			break;
		f->len += (size_t)n;
	}
	return 0;
}

int file_read(const char *path, struct boot_file *out, const struct boot_error *e)
{
	/* Not blocking: open() of a FIFO would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int ret;

	*out = (struct boot_file){0};
	if (fd < 0)
		return boot_fail(e, "can't be opened (%s); check the path and its permissions",
				 strerror(errno));
	if (fstat(fd, &st) < 0)
		ret = boot_fail(e, "can't be examined (%s); check the file", strerror(errno));
	else
		ret = check_kind(&st, e);
	if (ret == 0)
		ret = read_all(fd, out, (size_t)st.st_size, e);
	if (ret < 0)
		file_free(out);
	close(fd);
	return ret;
}
