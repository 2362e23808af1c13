/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the stub listens: a TCP port, of the loopback addresses unless a host is named, for who connects
 * owns the machine; or a UNIX socket, made as the control socket is.
 *
 * Read first: gdb.h. Read next: server.c.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/gdb/place.h"

#define BACKLOG 4

/* [HOST]:PORT; a host with colons stands in brackets. */
static int parse_tcp(const char *text, struct gdb_place *p, char *msg, size_t n)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t len = colon ? (size_t)(colon - text) : 0;
	char *end;
	unsigned long port;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		goto bad;
	errno = 0;
	port = strtoul(colon + 1, &end, 10);
	if (*end || errno || port > 65535)
		goto bad;
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len >= sizeof(p->host))
		goto bad;
	snprintf(p->host, sizeof(p->host), "%.*s", (int)len, host);
	p->port = (unsigned)port;
	return 0;
bad:
	snprintf(msg, n, "'tcp:%s' is no place to listen at; write tcp::PORT or tcp:HOST:PORT",
		 text);
	return -1;
}

int gdb_place_parse(const char *text, struct gdb_place *p, char *msg, size_t n)
{
	*p = (struct gdb_place){.port = 0};
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text + 4, p, msg, n);
	if (strncmp(text, "unix:", 5)) {
		snprintf(msg, n, "'%s' is no place to listen at; write tcp::PORT or unix:PATH",
			 text);
		return -1;
	}
	if (!text[5] || strlen(text + 5) >= sizeof(p->path)) {
		snprintf(msg, n, "the path has %zu bytes; write one of 1 to %zu",
			 strlen(text + 5), sizeof(p->path) - 1);
		return -1;
	}
	snprintf(p->path, sizeof(p->path), "%s", text + 5);
	return 0;
}

/* ---- listening ---- */

static int open_tcp(const struct addrinfo *a)
{
	int one = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

static int listen_tcp(const struct gdb_place *p, char *msg, size_t n)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	const char *host = p->host[0] ? p->host : "127.0.0.1";
	struct addrinfo *list;
	char port[8];
	int err, fd = -1;

	snprintf(port, sizeof(port), "%u", p->port);
	err = getaddrinfo(host, port, &hints, &list);
	if (err) {
		snprintf(msg, n, "--gdb: %s: %s", host, gai_strerror(err));
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = open_tcp(a);
	if (fd < 0)
		snprintf(msg, n, "--gdb: can't listen at %s port %u: %s; give another", host,
			 p->port, strerror(errno));
	freeaddrinfo(list);
	return fd;
}

int gdb_listen(const struct gdb_place *p, struct ctl_listener *l, char *msg, size_t n)
{
	*l = (struct ctl_listener){.fd = -1, .dir = -1};
	if (p->path[0])
		return ctl_listen(p->path, l, msg, n);
	l->fd = listen_tcp(p, msg, n);
	return l->fd < 0 ? -1 : 0;
}
