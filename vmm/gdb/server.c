/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The stub's thread: one client at a time, and what wakes it besides: a machine that stopped, or ended.
 *
 * Output is sent before the next packet is looked at, so that a client that does not read costs one
 * reply of memory and nobody's time but its own.
 * Read after: session.c, place.c.
 */
#define _GNU_SOURCE 1 /* accept4 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "vmm/gdb/internal.h"
#include "vmm/gdb/place.h"

#define CHUNK	   4096
#define LAST_WORDS 250 /* ms for a client to take them */

struct gdb {
	const struct gdb_ops *ops;
	void *m;
	enum gdb_arch arch;
	struct ctl_listener listener;
	int wake, client;
	struct gdb_session *session;
	pthread_t thread;
	atomic_bool stopping;
	unsigned code, signal; /* once stopping */
};

static void notify(void *ctx)
{
	struct gdb *g = ctx;
	uint64_t one = 1;
	/* Fails only when the counter is full, and then it is awake already. */
	ssize_t n = write(g->wake, &one, sizeof(one));

	(void)n;
}

/* ---- the client ---- */

static void hang_up(struct gdb *g)
{
	gdb_session_destroy(g->session);
	g->session = NULL;
	close(g->client);
	g->client = -1;
}

static void greet(struct gdb *g)
{
	int one = 1, fd = accept4(g->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (g->session) {
		close(fd);
		return;
	}
	/* Of no use to a UNIX socket, and refused there. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	g->session = gdb_session_create(g->ops, g->m, g->arch);
	g->client = fd;
	if (!g->session) {
		close(fd);
		g->client = -1;
	}
}

/* Waits until the client takes more. False: it is gone, or the end has come. */
static bool wait_to_send(struct gdb *g)
{
	struct pollfd p[2] = {{.fd = g->client, .events = POLLOUT},
			      {.fd = g->wake, .events = POLLIN}};
	bool last = atomic_load(&g->stopping);

	if (last)
		return poll(p, 1, LAST_WORDS) > 0;
	while (!(p[0].revents & (POLLOUT | POLLERR | POLLHUP))) {
		if (poll(p, 2, LAST_WORDS) < 0 && errno != EINTR)
			return false;
		if (atomic_load(&g->stopping))
			return false;
	}
	return true;
}

/* False: it is gone. */
static bool flush(struct gdb *g)
{
	struct ctl_text *out = &g->session->out;

	if (out->failed)
		return false;
	for (size_t at = 0; at < out->len;) {
		ssize_t n = send(g->client, out->p + at, out->len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_to_send(g))
			return false;
	}
	ctl_text_clear(out);
	return true;
}

/* False: the client is gone, or has said so. */
static bool serve_input(struct gdb *g)
{
	char buf[CHUNK];
	ssize_t n = recv(g->client, buf, sizeof(buf), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	for (size_t at = 0; at < (size_t)n;) {
		at += gdb_session_input(g->session, buf + at, (size_t)n - at);
		if (!flush(g) || g->session->closed)
			return false;
	}
	return true;
}

/* ---- the loop ---- */

static void round_once(struct gdb *g)
{
	struct pollfd p[3] = {{.fd = g->wake, .events = POLLIN},
			      {.fd = g->listener.fd, .events = POLLIN},
			      {.fd = g->client, .events = POLLIN}}; /* -1 is passed over */
	bool good = true;
	uint64_t count;

	if (poll(p, 3, -1) < 0)
		return;
	if (p[0].revents && read(g->wake, &count, sizeof(count)) < 0)
		return;
	if (g->session) {
		gdb_session_look(g->session);
		good = flush(g);
	}
	if (good && p[2].revents)
		good = serve_input(g);
	if (g->session && !good)
		hang_up(g);
	if (p[1].revents)
		greet(g);
}

static void *serve(void *arg)
{
	struct gdb *g = arg;
	struct sh_mmu *mmu;

	/* The monitor's commands look at tables in read-side sections, and at memory through windows. */
	urcu_memb_register_thread();
	while (!atomic_load(&g->stopping))
		round_once(g);
	if (g->session) {
		gdb_session_end(g->session, g->code, g->signal);
		flush(g);
		hang_up(g);
	}
	mmu = g->ops->control->mmu(g->m);
	if (mmu)
		gmem_thread_exit(sh_mmu_gmem(mmu));
	urcu_memb_unregister_thread();
	return NULL;
}

/* ---- life ---- */

static void destroy(struct gdb *g)
{
	ctl_unlisten(&g->listener);
	if (g->wake >= 0)
		close(g->wake);
	free(g);
}

/* Signals are for the threads that expect them. 0 or an error number. */
static int start_thread(struct gdb *g)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&g->thread, NULL, serve, g);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static int start(struct gdb *g, const struct gdb_place *p, char *msg, size_t n)
{
	int err;

	if (gdb_listen(p, &g->listener, msg, n))
		return -1;
	g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->ops->listen(g->m, notify, g);
	err = g->wake < 0 ? errno : start_thread(g);
	if (!err)
		return 0;
	g->ops->listen(g->m, NULL, NULL);
	snprintf(msg, n, "--gdb: %s", strerror(err));
	return -1;
}

int gdb_start(const struct gdb_place *p, enum gdb_arch arch, const struct gdb_ops *ops, void *m,
	      struct gdb **out, char *msg, size_t n)
{
	struct gdb *g = calloc(1, sizeof(*g));

	*out = NULL;
	if (!g) {
		snprintf(msg, n, "--gdb: out of memory");
		return -1;
	}
	g->ops = ops;
	g->m = m;
	g->arch = arch;
	g->wake = g->client = -1;
	g->listener.fd = g->listener.dir = -1;
	if (start(g, p, msg, n)) {
		destroy(g);
		return -1;
	}
	*out = g;
	return 0;
}

void gdb_stop(struct gdb *g, unsigned code, unsigned signal)
{
	if (!g)
		return;
	g->code = code;
	g->signal = signal;
	atomic_store(&g->stopping, true);
	notify(g);
	pthread_join(g->thread, NULL);
	g->ops->listen(g->m, NULL, NULL);
	destroy(g);
}
