/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where our own guest images lie: see guestpath.h.
 */
#include "vmm/guestpath.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX	   "umbra-guest-"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define MAX_DIRS   2

struct search {
	char dirs[MAX_DIRS][PATH_MAX];
	int n;
};

static void search_add(struct search *s, const char *parent, const char *rest)
{
	int len = snprintf(s->dirs[s->n], PATH_MAX, "%s%s", parent, rest);

	if (len > 0 && len < PATH_MAX)
		s->n++;
}

/* The folder of the running program; the build's, where libtool put the program into .libs. */
static int program_dir(char *buf, size_t n)
{
	ssize_t len = readlink("/proc/self/exe", buf, n - 1);
	char *slash;

	if (len <= 0)
		return -1;
	buf[len] = '\0';
	slash = strrchr(buf, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	slash = strrchr(buf, '/');
	if (slash && !strcmp(slash, "/.libs"))
		*slash = '\0';
	return 0;
}

static void search_build(struct search *s)
{
	const char *chosen = getenv("UMBRA_GUEST_DIR");
	char self[PATH_MAX];

	s->n = 0;
	if (chosen && *chosen) {
		search_add(s, chosen, "");
		return;
	}
	if (!program_dir(self, sizeof(self)))
		search_add(s, self, "/guest");
	search_add(s, PKGDATADIR, "/guest");
}

/* An image's file name: no dot, which leaves out the .scenarios files and editors' copies. */
static int is_image(const struct dirent *entry)
{
	return !strncmp(entry->d_name, PREFIX, PREFIX_LEN) && entry->d_name[PREFIX_LEN] &&
	       !strchr(entry->d_name, '.');
}

/* The images in the first folder that has any; *dir is that folder. The caller frees them. */
static int scan(struct search *s, struct dirent ***entries, const char **dir)
{
	search_build(s);
	for (int i = 0; i < s->n; i++) {
		int n = scandir(s->dirs[i], entries, is_image, alphasort);

		*dir = s->dirs[i];
		if (n > 0)
			return n;
		if (n == 0)
			free(*entries);
	}
	return 0;
}

int guestpath_each(void (*fn)(void *ctx, const char *name, const char *path), void *ctx)
{
	struct dirent **entries = NULL;
	char path[PATH_MAX + 256];
	const char *dir = NULL;
	struct search s;
	int n = scan(&s, &entries, &dir);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		fn(ctx, entries[i]->d_name + PREFIX_LEN, path);
		free(entries[i]);
	}
	if (n)
		free(entries);
	return n;
}

struct wanted {
	const char *name;
	char *path;
	size_t n;
	int err;
};

static void match(void *ctx, const char *name, const char *path)
{
	struct wanted *w = ctx;

	if (strcmp(name, w->name))
		return;
	w->err = snprintf(w->path, w->n, "%s", path) < (int)w->n ? 0 : -ENAMETOOLONG;
}

int guestpath_find(const char *name, char *path, size_t n)
{
	struct wanted w = {.name = name, .path = path, .n = n, .err = -ENOENT};

	guestpath_each(match, &w);
	return w.err;
}

struct joined {
	char *buf;
	size_t n, used;
};

static void join(void *ctx, const char *name, const char *path)
{
	struct joined *j = ctx;
	int len;

	(void)path;
	if (j->used >= j->n)
		return;
	len = snprintf(j->buf + j->used, j->n - j->used, "%s%s", j->used ? ", " : "", name);
	j->used += (size_t)len;
}

int guestpath_names(char *buf, size_t n)
{
	struct joined j = {.buf = buf, .n = n};
	struct search s;
	int count = guestpath_each(join, &j);

	if (count)
		return count;
	search_build(&s);
	for (int i = 0; i < s.n; i++)
		join(&j, s.dirs[i], NULL);
	return 0;
}
