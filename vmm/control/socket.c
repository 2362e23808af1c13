/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket file: where it is, who may open it, who owns the name.
 *
 * Owns the listening socket and its file. The mode is set on the socket before it is bound, so
 * the file is never open to others, not even for a moment, and the process's umask stays alone.
 * Whether the name is free is decided under a lock on the directory, so of two machines started
 * at once with one name, one gets it.
 *
 * Read after: internal.h. Read next: server.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/control/internal.h"

#define LOCK_TRIES   100
#define LOCK_WAIT_US 10000
#define BACKLOG	     32

struct message {
	char *p;
	size_t n;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct message *msg, const char *fmt,
							...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg->p, msg->n, fmt, ap);
	va_end(ap);
	return -1;
}

int ctl_default_dir(char *buf, size_t n)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	/* The directory specification: a relative path is to be ignored. */
	int len = run && run[0] == '/' ? snprintf(buf, n, "%s/umbra", run)
				       : snprintf(buf, n, "/tmp/umbra-%u", (unsigned)geteuid());
	return len < 0 || (size_t)len >= n ? -ENAMETOOLONG : 0;
}

int control_default_path(const char *name, char *buf, size_t n)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	if (name[0] == 0 || name[0] == '.' || strchr(name, '/'))
		return -EINVAL;
	if (ctl_default_dir(dir, sizeof(dir)))
		return -ENAMETOOLONG;
	int len = snprintf(buf, n, "%s/%s.sock", dir, name);
	return len < 0 || (size_t)len >= n || (size_t)len >= sizeof(dir) ? -ENAMETOOLONG : 0;
}

static int set_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, len);
	return 0;
}

int ctl_connect(const char *path)
{
	struct sockaddr_un a;
	if (set_address(&a, path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	int err = errno;
	close(fd);
	return -err;
}

/* Splits path into a directory ("." if it names none) and a file name in it. */
static int split(const char *path, char *dir, size_t n, struct ctl_listener *l)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;
	if (len >= n || strlen(name) >= sizeof(l->name))
		return -1;
	snprintf(dir, n, "%.*s", slash ? (int)len : 1, slash ? path : ".");
	if (slash == path)
		snprintf(dir, n, "/");
	snprintf(l->name, sizeof(l->name), "%s", name);
	return 0;
}

/* The default directory is made on first use. In /tmp anyone may have made it before us. */
static int check_default_dir(const char *dir, struct message *msg)
{
	char def[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;
	if (ctl_default_dir(def, sizeof(def)) || strcmp(dir, def) != 0)
		return 0;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return refuse(msg, "%s: %s", dir, strerror(errno));
	if (lstat(dir, &st))
		return refuse(msg, "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return refuse(msg, "%s: not a directory that only you can write to", dir);
	return 0;
}

/* Anyone who can read the directory can hold this lock, so it is tried for a second only. Where
 * the file system has no such locks, two machines may race for a name. */
static int lock_dir(int dir, struct message *msg)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return 0;
		usleep(LOCK_WAIT_US);
	}
	return refuse(msg, "the control socket's directory is locked by another program");
}

static int open_dir(const char *path, struct ctl_listener *l, struct message *msg)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	if (split(path, dir, sizeof(dir), l) || check_default_dir(dir, msg))
		return -1;
	l->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir < 0)
		return refuse(msg, "%s: %s", dir, strerror(errno));
	return lock_dir(l->dir, msg);
}

/* Call with the directory locked. Removes a socket file that nobody answers at. */
static int clear_name(const char *path, struct ctl_listener *l, struct message *msg)
{
	struct stat st;
	if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : refuse(msg, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return refuse(msg, "%s: exists and is not a socket", path);
	int fd = ctl_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return refuse(msg, "%s: a running machine answers there", path);
	if (fd != -ECONNREFUSED)
		return refuse(msg, "%s: %s", path, strerror(-fd));
	if (unlinkat(l->dir, l->name, 0))
		return refuse(msg, "%s: %s", path, strerror(errno));
	return 0;
}

/* Call with the directory locked. */
static int bind_name(const char *path, struct ctl_listener *l, struct message *msg)
{
	struct sockaddr_un a;
	struct stat st;
	set_address(&a, path);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || fchmod(l->fd, 0600) || bind(l->fd, (struct sockaddr *)&a, sizeof(a)))
		return refuse(msg, "%s: %s", path, strerror(errno));
	if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW))
		return refuse(msg, "%s: %s", path, strerror(errno));
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	if (listen(l->fd, BACKLOG))
		return refuse(msg, "%s: %s", path, strerror(errno));
	return 0;
}

int ctl_listen(const char *path, struct ctl_listener *l, char *text, size_t text_len)
{
	struct message msg = {text, text_len};
	struct sockaddr_un a;
	*l = (struct ctl_listener){.fd = -1, .dir = -1};
	if (path[0] == 0 || path[strlen(path) - 1] == '/')
		return refuse(&msg, "the control socket needs a file name");
	if (set_address(&a, path))
		return refuse(&msg, "control socket path is longer than %zu bytes: %s",
			      sizeof(a.sun_path) - 1, path);
	if (open_dir(path, l, &msg) || clear_name(path, l, &msg) || bind_name(path, l, &msg)) {
		ctl_unlisten(l);
		return -1;
	}
	flock(l->dir, LOCK_UN);
	return 0;
}

/* The file is removed before the socket closes, or a client could meet a dead one. */
void ctl_unlisten(struct ctl_listener *l)
{
	struct stat st;
	bool ours = l->ino && fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_dev == l->dev && st.st_ino == l->ino;
	if (ours)
		unlinkat(l->dir, l->name, 0);
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	*l = (struct ctl_listener){.fd = -1, .dir = -1};
}
