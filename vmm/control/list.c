/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which machines of this user are alive: asks at every socket in the default directory.
 *
 * A machine that does not answer within a second counts as dead, so that a hung one does not
 * hang its observer.
 *
 * Read after: socket.c.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/control/internal.h"

#define ANSWER_NS  CTL_NSEC
#define ANSWER_MAX 65536u
#define SUFFIX	   ".sock"

static const char question[] = "{\"execute\":\"qmp_capabilities\"}\r\n"
			       "{\"execute\":\"query-status\",\"id\":\"list\"}\r\n";

/* If line is the reply to the question, copies the status out of it. */
static bool read_status(const char *line, char *status, size_t n)
{
	struct json_object *id, *ret, *st, *o = json_tokener_parse(line);
	bool found = json_object_is_type(o, json_type_object) &&
		     json_object_object_get_ex(o, "id", &id) &&
		     json_object_object_get_ex(o, "return", &ret) &&
		     json_object_is_type(ret, json_type_object) &&
		     json_object_object_get_ex(ret, "status", &st) &&
		     json_object_is_type(st, json_type_string);
	if (found)
		snprintf(status, n, "%s", json_object_get_string(st));
	json_object_put(o);
	return found;
}

/* Looks at each complete line in t and drops it. */
static bool scan_lines(struct ctl_text *t, char *status, size_t n)
{
	char *end;
	bool found = false;
	while (!found && t->len && (end = memchr(t->p, '\n', t->len)) != NULL) {
		*end = 0;
		found = read_status(t->p, status, n);
		ctl_text_cut(t, (size_t)(end + 1 - t->p));
	}
	return found;
}

/* Waits for more of the answer. False: there will be none. */
static bool receive(int fd, struct ctl_text *t, int64_t deadline)
{
	char buf[4096];
	int64_t left = deadline - ctl_now();
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (left <= 0 || t->failed || t->len > ANSWER_MAX)
		return false;
	int ready = poll(&p, 1, (int)(left / 1000000) + 1);
	if (ready <= 0)
		return ready < 0 && errno == EINTR;
	ssize_t got = recv(fd, buf, sizeof(buf), 0);
	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	ctl_text_put(t, buf, (size_t)got);
	return true;
}

static bool ask(const char *path, char *status, size_t n)
{
	struct ctl_text answer = {0};
	int64_t deadline = ctl_now() + ANSWER_NS;
	int fd = ctl_connect(path);
	if (fd < 0)
		return false;
	ssize_t len = sizeof(question) - 1;
	bool found = false, more = send(fd, question, (size_t)len, MSG_NOSIGNAL) == len;
	while (more && !found) {
		more = receive(fd, &answer, deadline);
		found = scan_lines(&answer, status, n);
	}
	ctl_text_free(&answer);
	close(fd);
	return found;
}

static int is_socket_name(const struct dirent *d)
{
	size_t len = strlen(d->d_name);
	return len > strlen(SUFFIX) && !strcmp(d->d_name + len - strlen(SUFFIX), SUFFIX);
}

int control_list(void (*fn)(void *ctx, const char *name, const char *path, const char *status),
		 void *ctx)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char path[sizeof(dir) + 260], status[64];
	struct dirent **entry = NULL;
	int n = 0, live = 0;
	if (!ctl_default_dir(dir, sizeof(dir)))
		n = scandir(dir, &entry, is_socket_name, alphasort);
	for (int i = 0; i < n; i++) {
		char *name = entry[i]->d_name;
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		name[strlen(name) - strlen(SUFFIX)] = 0;
		bool answered = ask(path, status, sizeof(status));
		live += answered;
		fn(ctx, name, path, answered ? status : NULL);
		free(entry[i]);
	}
	free(entry);
	return live;
}
