/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Requests out, replies in, one line each. A call has a deadline of its own, so that neither silence nor
 * single bytes nor events without end keep the user waiting; a line has a limit of bytes and of values,
 * which are counted before it is parsed.
 *
 * Owns the socket and the line that isn't complete yet.
 *
 * Read first: qmp.h.
 */
#include "tools/ctl/qmp.h"

#include "tools/common/program.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK 65536u

__attribute__((format(printf, 2, 3))) static enum qmp_end gone(struct qmp *q, const char *fmt,
							       ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(q->msg, sizeof(q->msg), fmt, ap);
	va_end(ap);
	qmp_close(q);
	return QMP_GONE;
}

void qmp_close(struct qmp *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	free(q->buf);
	q->buf = NULL;
	q->len = q->size = q->seen = 0;
}

/* Waits until the socket can do what is in events. 1, 0 if the time is over, -errno. */
static int ready(struct qmp *q, short events, double deadline)
{
	struct pollfd p = {.fd = q->fd, .events = events};
	double left = deadline - tool_clock();
	int n;

	if (left <= 0)
		return 0;
	n = poll(&p, 1, left > 3600 ? 3600000 : (int)(left * 1000) + 1);
	return n < 0 ? (errno == EINTR ? 0 : -errno) : n;
}

static enum qmp_end late(struct qmp *q)
{
	return gone(q, "no answer within %g s; is the machine hung? --timeout waits longer",
		    q->timeout);
}

static enum qmp_end send_all(struct qmp *q, const char *p, size_t n, double deadline)
{
	while (n) {
		ssize_t sent = send(q->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		int wait;

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return gone(q, "the machine has gone: %s", strerror(errno));
		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
			continue;
		}
		wait = ready(q, POLLOUT, deadline);
		if (wait <= 0 && tool_clock() >= deadline)
			return late(q);
		if (wait < 0)
			return gone(q, "can't wait: %s", strerror(-wait));
	}
	return QMP_OK;
}

static enum qmp_end grow(struct qmp *q)
{
	size_t size = q->size ? q->size * 2 : CHUNK;
	char *p;

	if (q->size - q->len >= CHUNK / 2)
		return QMP_OK;
	if (q->size >= QMP_MAX_LINE)
		return gone(q,
			    "what answers is no control socket: a line of more than %u bytes",
			    QMP_MAX_LINE);
	p = realloc(q->buf, size);
	if (!p)
		return gone(q, "out of memory");
	q->buf = p;
	q->size = size;
	return QMP_OK;
}

/* More bytes. QMP_REFUSED: none before the deadline. */
static enum qmp_end receive(struct qmp *q, double deadline)
{
	enum qmp_end end = grow(q);
	ssize_t n;
	int wait;

	if (end != QMP_OK)
		return end;
	wait = ready(q, POLLIN, deadline);
	if (wait < 0)
		return gone(q, "can't wait: %s", strerror(-wait));
	if (!wait)
		return tool_clock() >= deadline ? QMP_REFUSED : QMP_OK;
	n = recv(q->fd, q->buf + q->len, q->size - q->len, MSG_DONTWAIT);
	if (!n)
		return gone(q, "the machine has ended: it closed the control socket");
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return gone(q, "the machine has gone: %s", strerror(errno));
	q->len += n > 0 ? (size_t)n : 0;
	return QMP_OK;
}

static bool too_many_values(const char *p, size_t n)
{
	size_t values = 0;

	for (size_t i = 0; i < n; i++)
		values += p[i] == ',' || p[i] == '[' || p[i] == '{';
	return values > QMP_MAX_VALUES;
}

/* The first n bytes of the buffer as an object; NULL if they are none. */
static struct json_object *parse(const char *p, size_t n)
{
	struct json_tokener *t;
	struct json_object *o;

	if (too_many_values(p, n))
		return NULL;
	t = json_tokener_new_ex(QMP_MAX_DEPTH);
	o = t ? json_tokener_parse_ex(t, p, (int)n) : NULL;
	if (t && json_tokener_get_error(t) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(t);
	if (o && !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	return o;
}

/* Takes a complete line out of the buffer. *o stays NULL if there is none yet. */
static enum qmp_end take_line(struct qmp *q, struct json_object **o)
{
	char *end = q->len > q->seen ? memchr(q->buf + q->seen, '\n', q->len - q->seen) : NULL;
	size_t n;

	if (!end) {
		q->seen = q->len;
		return QMP_OK;
	}
	n = (size_t)(end + 1 - q->buf);
	*o = parse(q->buf, n);
	if (!*o)
		return gone(q, "what answers is no control socket: it sent a line that is no "
			       "object of JSON");
	memmove(q->buf, end + 1, q->len - n);
	q->len -= n;
	q->seen = 0;
	return QMP_OK;
}

/* The next object. QMP_REFUSED: none before the deadline. */
static enum qmp_end next_object(struct qmp *q, double deadline, struct json_object **o)
{
	enum qmp_end end;

	*o = NULL;
	if (q->fd < 0)
		return gone(q, "not connected");
	for (;;) {
		end = take_line(q, o);
		if (end != QMP_OK || *o)
			return end;
		end = receive(q, deadline);
		if (end != QMP_OK)
			return end;
	}
}

/* The next object that is no event. */
static enum qmp_end next_reply(struct qmp *q, double deadline, struct json_object **o)
{
	for (;;) {
		enum qmp_end end = next_object(q, deadline, o);

		if (end == QMP_REFUSED)
			return late(q);
		if (end != QMP_OK || !json_object_object_get_ex(*o, "event", NULL))
			return end;
		if (q->event)
			q->event(q->arg, *o);
		json_object_put(*o);
		*o = NULL;
		if (tool_clock() >= deadline)
			return late(q);
	}
}

static enum qmp_end refused(struct qmp *q, struct json_object *error)
{
	struct json_object *class = NULL, *desc = NULL;

	json_object_object_get_ex(error, "class", &class);
	json_object_object_get_ex(error, "desc", &desc);
	snprintf(q->error_class, sizeof(q->error_class), "%s",
		 class ? json_object_get_string(class) : "GenericError");
	snprintf(q->msg, sizeof(q->msg), "%s",
		 desc ? json_object_get_string(desc) : "the machine refuses it");
	return QMP_REFUSED;
}

/* What a reply says, if it is the one to request id. QMP_GONE without a message: it is not. */
static enum qmp_end read_reply(struct qmp *q, struct json_object *reply, int id,
			       struct json_object **ret)
{
	struct json_object *o = NULL;

	if (json_object_object_get_ex(reply, "error", &o) &&
	    json_object_is_type(o, json_type_object))
		return refused(q, o);
	if (!json_object_object_get_ex(reply, "id", &o) ||
	    !json_object_is_type(o, json_type_int) || json_object_get_int(o) != id ||
	    !json_object_object_get_ex(reply, "return", ret))
		return gone(
			q,
			"what answers is no control socket: it sent what is no reply to '%d'",
			id);
	json_object_get(*ret);
	return QMP_OK;
}

enum qmp_end qmp_call(struct qmp *q, const char *command, struct json_object *args,
		      struct json_object **ret)
{
	double deadline = tool_clock() + q->timeout;
	struct json_object *request = json_object_new_object(), *reply = NULL;
	int id = ++q->next_id;
	const char *text;
	enum qmp_end end;
	size_t n;

	*ret = NULL;
	json_object_object_add(request, "execute", json_object_new_string(command));
	if (args)
		json_object_object_add(request, "arguments", args);
	json_object_object_add(request, "id", json_object_new_int(id));
	text = json_object_to_json_string_length(
		request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	end = q->fd < 0 ? QMP_GONE : send_all(q, text, n, deadline);
	json_object_put(request);
	if (end == QMP_OK)
		end = next_reply(q, deadline, &reply);
	if (end == QMP_OK)
		end = read_reply(q, reply, id, ret);
	json_object_put(reply);
	return end;
}

enum qmp_end qmp_raw(struct qmp *q, const char *request, struct json_object **reply)
{
	double deadline = tool_clock() + q->timeout;
	enum qmp_end end;

	*reply = NULL;
	if (q->fd < 0)
		return QMP_GONE;
	end = send_all(q, request, strlen(request), deadline);
	if (end == QMP_OK)
		end = send_all(q, "\r\n", 2, deadline);
	return end == QMP_OK ? next_reply(q, deadline, reply) : end;
}

enum qmp_end qmp_wait(struct qmp *q, double seconds)
{
	double deadline = tool_clock() + seconds;
	struct json_object *o;

	do {
		enum qmp_end end = next_object(q, deadline, &o);

		if (end != QMP_OK)
			return end == QMP_REFUSED ? QMP_OK : end;
		if (q->event && json_object_object_get_ex(o, "event", NULL))
			q->event(q->arg, o);
		json_object_put(o);
	} while (tool_clock() < deadline);
	return QMP_OK;
}

static enum qmp_end connect_to(struct qmp *q, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = (time_t)q->timeout + 1};

	if (strlen(path) >= sizeof(a.sun_path))
		return gone(q, "%.200s...: a socket's path is 107 bytes long at most", path);
	strcpy(a.sun_path, path);
	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return gone(q, "no socket: %s", strerror(errno));
	/* A server that accepts nobody: connect() waits while its queue is full. */
	setsockopt(q->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(q->fd, (struct sockaddr *)&a, sizeof(a)))
		return QMP_OK;
	if (errno == ECONNREFUSED)
		return gone(q, "%s: the machine has gone, only its socket is left", path);
	if (errno == ENOENT)
		return gone(q, "%s: no such machine; 'umbra list' shows those that run", path);
	if (errno == EAGAIN)
		return late(q);
	return gone(q, "%s: %s", path, strerror(errno));
}

enum qmp_end qmp_open(struct qmp *q, const char *path, double timeout)
{
	struct json_object *o = NULL;
	enum qmp_end end;

	*q = (struct qmp){.fd = -1, .timeout = timeout};
	end = connect_to(q, path);
	if (end == QMP_OK)
		end = next_reply(q, tool_clock() + timeout, &o);
	if (end == QMP_OK && !json_object_object_get_ex(o, "QMP", NULL)) {
		struct json_object *error = NULL;

		end = json_object_object_get_ex(o, "error", &error) ? refused(q, error)
								    : QMP_GONE;
		end = gone(q, "%.200s: %.500s", path,
			   end == QMP_REFUSED ? q->msg : "no greeting of a control socket");
	}
	json_object_put(o);
	if (end == QMP_OK)
		end = qmp_call(q, "qmp_capabilities", NULL, &o);
	else
		return end;
	json_object_put(end == QMP_OK ? o : NULL);
	return end;
}
