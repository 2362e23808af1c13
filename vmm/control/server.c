/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The server: a thread that accepts clients, gives each its turn, and passes events on.
 *
 * Owns the clients, the listening socket and the thread. Every round, each client runs at most
 * one command, so one that floods gets its share and no more.
 *
 * Lock: struct control.lock guards negotiated, for control_start to wait on. No lock is held
 * while a command runs. All else but events and stopping belongs to the server's thread.
 *
 * Read after: client.c, event.c, share.c, socket.c.
 */
#define _GNU_SOURCE 1 /* accept4 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "vmm/control/internal.h"

#define ROUND_EVENTS	32
#define DRAIN_NS	(CTL_NSEC / 4)
#define TICK_NS		(CTL_NSEC / 4)
#define ACCEPT_PAUSE_NS (CTL_NSEC / 10)

struct control {
	const struct control_ops *ops;
	void *m;
	struct ctl_listener listener;
	int epoll, wake;
	pthread_t thread;
	atomic_bool stopping;
	struct ctl_events events;
	struct ctl_client *clients;
	unsigned client_count;
	int64_t next_tick;    /* of the machine's; while there are clients */
	int64_t accept_again; /* when to look at the listening socket again; 0: it is watched */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool negotiated; /* a client has, at some time */
	struct ctl_share share;
};

static int watch(struct control *c, int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = {.events = events, .data.ptr = ptr};
	return epoll_ctl(c->epoll, op, fd, &ev);
}

/* Clients */

static void turn_away(int fd)
{
	struct control_error e;
	struct ctl_text line = {0};
	ctl_fail(&e, CTL_GENERIC_ERROR, "Too many clients, the limit is %u", CTL_MAX_CLIENTS);
	struct json_object *o = ctl_reply_error(&e);
	ctl_reply_encode(o, &line);
	json_object_put(o);
	/* The line fits any fresh socket; a client that is gone already misses nothing. */
	ssize_t n = send(fd, line.p, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)n;
	ctl_text_free(&line);
	close(fd);
}

static void add_client(struct control *c, int fd)
{
	if (c->client_count >= CTL_MAX_CLIENTS) {
		turn_away(fd);
		return;
	}
	struct ctl_client *client = ctl_client_create(fd, c->epoll, c->ops, c->m);
	if (!client)
		return;
	client->next = c->clients;
	c->clients = client;
	c->client_count++;
}

/* Out of descriptors, say: the connection stays in the backlog and epoll would report it again
 * and again, so look away for a moment. */
static void pause_accepting(struct control *c)
{
	watch(c, EPOLL_CTL_MOD, c->listener.fd, 0, &c->listener);
	c->accept_again = ctl_now() + ACCEPT_PAUSE_NS;
}

static void resume_accepting(struct control *c)
{
	if (c->accept_again == 0 || ctl_now() < c->accept_again)
		return;
	watch(c, EPOLL_CTL_MOD, c->listener.fd, EPOLLIN, &c->listener);
	c->accept_again = 0;
}

static void accept_clients(struct control *c)
{
	for (int i = 0; i < ROUND_EVENTS; i++) {
		int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			add_client(c, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			if (errno != EAGAIN)
				pause_accepting(c);
			return;
		}
	}
}

static void reap(struct control *c)
{
	struct ctl_client **link = &c->clients;
	while (*link) {
		struct ctl_client *client = *link;
		if (!client->dead) {
			link = &client->next;
			continue;
		}
		*link = client->next;
		c->client_count--;
		ctl_client_destroy(client);
	}
}

static void note_negotiated(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	c->negotiated = true;
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void give_turns(struct control *c)
{
	bool negotiated = false;
	for (struct ctl_client *client = c->clients; client; client = client->next) {
		ctl_client_turn(client);
		negotiated |= client->session->negotiated;
	}
	if (negotiated)
		note_negotiated(c);
	reap(c);
}

/* Events */

static void send_events(struct control *c, int64_t now)
{
	struct ctl_event *e;
	while ((e = ctl_events_take(&c->events, now)) != NULL) {
		struct ctl_text line = {0};
		struct json_object *o = ctl_event_object(e);
		ctl_reply_encode(o, &line);
		for (struct ctl_client *k = c->clients; k && !line.failed; k = k->next)
			ctl_session_event(k->session, &line);
		json_object_put(o);
		ctl_text_free(&line);
		ctl_event_free(e);
	}
}

/* The loop */

static int earlier(int64_t when, int64_t now, int ms)
{
	int64_t left = when <= now ? 0 : (when - now) / 1000000 + 1;
	return ms < 0 || left < ms ? (int)left : ms;
}

static int timeout_ms(struct control *c)
{
	int64_t now = ctl_now(), next = ctl_events_next(&c->events);
	int ms = -1;
	for (struct ctl_client *k = c->clients; k; k = k->next)
		if (ctl_client_busy(k))
			return 0;
	if (next >= 0)
		ms = earlier(next, now, ms);
	if (c->accept_again)
		ms = earlier(c->accept_again, now, ms);
	if (c->clients)
		ms = earlier(c->next_tick, now, ms);
	return ms;
}

static void tick(struct control *c, int64_t now)
{
	if (!c->clients || now < c->next_tick)
		return;
	c->next_tick = now + TICK_NS;
	c->ops->tick(c->m);
}

static void handle(struct control *c, const struct epoll_event *ev)
{
	uint64_t count;
	if (ev->data.ptr == &c->listener) {
		accept_clients(c);
	} else if (ev->data.ptr == &c->events) {
		ssize_t n = read(c->wake, &count, sizeof(count));
		(void)n; /* only its being readable matters */
	} else {
		ctl_client_ready(ev->data.ptr, ev->events);
	}
}

/* Clients are destroyed in give_turns only, so a pointer in ev stays good for the round. */
static void round_once(struct control *c)
{
	struct epoll_event ev[ROUND_EVENTS];
	int n = epoll_wait(c->epoll, ev, ROUND_EVENTS, timeout_ms(c));
	for (int i = 0; i < n; i++)
		handle(c, &ev[i]);
	resume_accepting(c);
	tick(c, ctl_now());
	send_events(c, ctl_now());
	give_turns(c);
}

static bool flush_all(struct control *c)
{
	bool left = false;
	const char *p;
	for (struct ctl_client *k = c->clients; k; k = k->next) {
		ctl_client_flush(k);
		left |= ctl_session_output(k->session, &p) > 0;
	}
	return left;
}

/* The last words, SHUTDOWN among them, to clients that are listening. */
static void drain(struct control *c)
{
	int64_t end = ctl_now() + DRAIN_NS;
	send_events(c, INT64_MAX);
	while (flush_all(c) && ctl_now() < end)
		usleep(1000);
}

/* The server has used up its share. An event to send, or the end, is reason to go on. */
static void rest(struct control *c)
{
	struct pollfd woken = {.fd = c->wake, .events = POLLIN};
	int64_t ns = ctl_share_rest(&c->share, c->ops->running(c->m));
	if (ns)
		poll(&woken, 1, (int)(ns / 1000000) + 1);
}

static void *serve(void *arg)
{
	struct control *c = arg;
	ctl_share_init(&c->share, c->ops->cpus(c->m));
	/* Commands look at tables in read-side sections, and at guest memory through windows. */
	urcu_memb_register_thread();
	while (!atomic_load(&c->stopping)) {
		round_once(c);
		rest(c);
	}
	drain(c);
	struct sh_mmu *mmu = c->ops->mmu(c->m);
	if (mmu)
		gmem_thread_exit(sh_mmu_gmem(mmu));
	urcu_memb_unregister_thread();
	return NULL;
}

/* Life and death */

static void destroy(struct control *c)
{
	for (struct ctl_client *k = c->clients; k; k = k->next)
		k->dead = true;
	reap(c);
	ctl_unlisten(&c->listener);
	if (c->epoll >= 0)
		close(c->epoll);
	if (c->wake >= 0)
		close(c->wake);
	ctl_events_destroy(&c->events);
	pthread_cond_destroy(&c->cond);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct control *create(const struct control_ops *ops, void *m)
{
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->ops = ops;
	c->m = m;
	c->listener.fd = c->listener.dir = -1;
	ctl_events_init(&c->events);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->cond, NULL);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c;
}

/* Signals are for the threads that expect them. 0 or an error number. */
static int start_thread(struct control *c)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int err = pthread_create(&c->thread, NULL, serve, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static int start(struct control *c, const char *path, char *msg, size_t msg_len)
{
	if (ctl_listen(path, &c->listener, msg, msg_len))
		return -1;
	int err = c->epoll < 0 || c->wake < 0 ||
				  watch(c, EPOLL_CTL_ADD, c->wake, EPOLLIN, &c->events) ||
				  watch(c, EPOLL_CTL_ADD, c->listener.fd, EPOLLIN, &c->listener)
			  ? errno
			  : start_thread(c);
	if (err)
		snprintf(msg, msg_len, "control socket: %s", strerror(err));
	return err ? -1 : 0;
}

int control_start(const char *path, bool wait, const struct control_ops *ops, void *m,
		  struct control **out, char *msg, size_t msg_len)
{
	struct control *c = create(ops, m);
	if (!c) {
		snprintf(msg, msg_len, "control socket: out of memory");
		return -1;
	}
	*out = c; /* before the thread starts: a command may post an event at once */
	if (start(c, path, msg, msg_len)) {
		*out = NULL;
		destroy(c);
		return -1;
	}
	pthread_mutex_lock(&c->lock);
	while (wait && !c->negotiated)
		pthread_cond_wait(&c->cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static void wake_up(struct control *c)
{
	uint64_t one = 1;
	/* Fails only when the counter is full, and then the server is awake already. */
	ssize_t n = write(c->wake, &one, sizeof(one));
	(void)n;
}

void control_stop(struct control *c)
{
	atomic_store(&c->stopping, true);
	wake_up(c);
	pthread_join(c->thread, NULL);
	destroy(c);
}

void control_event(struct control *c, const char *name, struct json_object *data)
{
	if (ctl_events_post(&c->events, name, data, ctl_now()))
		wake_up(c);
}
