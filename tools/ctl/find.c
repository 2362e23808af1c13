/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which machine is meant. Sockets lie in $XDG_RUNTIME_DIR/umbra, or in /tmp/umbra-UID where the variable
 * isn't set. A socket counts as a machine if somebody accepts connections at it.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX	".sock"
#define MAX_DIR 200

struct found {
	unsigned count;
	char path[256];	 /* of the first */
	char names[600]; /* of all, with commas */
};

static void default_dir(char *dir)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	/* The directory specification: a relative path is to be ignored. */
	if (run && *run == '/')
		snprintf(dir, MAX_DIR, "%s/umbra", run);
	else
		snprintf(dir, MAX_DIR, "/tmp/umbra-%u", (unsigned)geteuid());
}

/* Non-blocking: a machine whose queue is full is alive. */
static bool is_alive(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	bool alive;
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return false;
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	alive = !connect(fd, (struct sockaddr *)&a, sizeof(a)) || errno == EAGAIN;
	close(fd);
	return alive;
}

static void found_one(struct found *f, const char *dir, const char *name)
{
	size_t len = strlen(name), used = strlen(f->names);
	char path[256];

	if (len <= strlen(SUFFIX) || *name == '.' ||
	    strcmp(name + len - strlen(SUFFIX), SUFFIX))
		return;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path) ||
	    !is_alive(path))
		return;
	if (!f->count++)
		strcpy(f->path, path);
	snprintf(f->names + used, sizeof(f->names) - used, "%s%.*s", used ? ", " : "",
		 (int)(len - strlen(SUFFIX)), name);
}

static int only_machine(char *path, size_t n)
{
	struct found f = {.count = 0};
	char dir[MAX_DIR];
	struct dirent *e;
	DIR *d;

	default_dir(dir);
	d = opendir(dir);
	while (d && (e = readdir(d)))
		found_one(&f, dir, e->d_name);
	if (d)
		closedir(d);
	if (!f.count)
		return complain(CTL_HOST, "no machine runs; 'umbra run' starts one");
	if (f.count > 1)
		return complain(CTL_USAGE, "several machines run; choose one with -s: %s",
				f.names);
	snprintf(path, n, "%s", f.path);
	return CTL_PASS;
}

int find_machine(const char *text, char *path, size_t n)
{
	char dir[MAX_DIR];
	int len;

	if (!text)
		return only_machine(path, n);
	default_dir(dir);
	len = strchr(text, '/') ? snprintf(path, n, "%s", text)
				: snprintf(path, n, "%s/%s" SUFFIX, dir, text);
	if ((size_t)len >= n)
		return complain(CTL_USAGE, "-s: the path of '%.60s...' is too long", text);
	return CTL_PASS;
}
