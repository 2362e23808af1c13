/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One connection: moves bytes between a socket and a session.
 *
 * Owns the socket and the session. Nothing here blocks: a turn runs at most one command,
 * reading stops while the client does not take its replies, and a client that hangs up still
 * has what it sent before carried out, in silence.
 *
 * Read after: session.c. Read next: server.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/control/internal.h"

struct ctl_client *ctl_client_create(int fd, int epoll, const struct control_ops *ops, void *m)
{
	struct ctl_client *c = calloc(1, sizeof(*c));
	struct ctl_session *s = ctl_session_create(ops, m);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (!c || !s || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev)) {
		if (s)
			ctl_session_destroy(s);
		free(c);
		close(fd);
		return NULL;
	}
	*c = (struct ctl_client){.fd = fd, .epoll = epoll, .session = s, .interest = EPOLLIN};
	return c;
}

void ctl_client_destroy(struct ctl_client *c)
{
	close(c->fd); /* leaves the epoll set with it */
	ctl_session_destroy(c->session);
	free(c);
}

static void receive(struct ctl_client *c)
{
	char buf[CTL_INPUT_CHUNK];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
	if (n > 0)
		ctl_session_input(c->session, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->eof = true;
}

void ctl_client_ready(struct ctl_client *c, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		ctl_session_mute(c->session);
	if (events & EPOLLIN && !c->eof && ctl_session_hungry(c->session))
		receive(c);
}

void ctl_client_flush(struct ctl_client *c)
{
	const char *p;
	size_t len;
	while ((len = ctl_session_output(c->session, &p)) > 0) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			ctl_session_mute(c->session);
		else
			ctl_session_sent(c->session, (size_t)n);
	}
}

static bool owes_output(const struct ctl_client *c)
{
	const char *p;
	return ctl_session_output(c->session, &p) > 0;
}

static void set_interest(struct ctl_client *c)
{
	uint32_t want = 0;
	if (!c->eof && ctl_session_hungry(c->session))
		want |= EPOLLIN;
	if (owes_output(c))
		want |= EPOLLOUT;
	if (want == c->interest)
		return;
	struct epoll_event ev = {.events = want, .data.ptr = c};
	if (epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->fd, &ev))
		c->dead = true;
	c->interest = want;
}

void ctl_client_turn(struct ctl_client *c)
{
	ctl_session_step(c->session);
	ctl_client_flush(c);
	bool done = c->eof && !ctl_client_busy(c) && !owes_output(c);
	if (c->session->failed || done)
		c->dead = true;
	if (!c->dead)
		set_interest(c);
}

bool ctl_client_busy(const struct ctl_client *c)
{
	return !c->dead && ctl_session_runnable(c->session);
}
