/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine, the server and the client that the tests of the control socket share.
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/control_rig.h"

#define PATIENCE_MS 20000

static const char *machine_status(void *m)
{
	return atomic_load(&((struct machine *)m)->running) ? "running" : "paused";
}

static bool machine_running(void *m)
{
	return atomic_load(&((struct machine *)m)->running);
}

static const char *machine_name(void *m)
{
	return ((struct machine *)m)->name;
}

static int machine_stop(void *arg, struct control_error *e)
{
	struct machine *m = arg;
	(void)e;
	atomic_fetch_add(&m->stops, 1);
	atomic_store(&m->running, false);
	control_event(m->control, "STOP", NULL);
	return 0;
}

static int machine_cont(void *arg, struct control_error *e)
{
	struct machine *m = arg;
	if (atomic_exchange(&m->running, true)) {
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "already running");
		return -1;
	}
	control_event(m->control, "RESUME", NULL);
	return 0;
}

static void machine_quit(void *m)
{
	atomic_fetch_add(&((struct machine *)m)->quits, 1);
}

static struct json_object *machine_query(void *m, struct control_error *e)
{
	(void)m, (void)e;
	return json_object_new_array();
}

static struct json_object *machine_stats(void *arg, struct control_error *e)
{
	struct machine *m = arg;
	(void)e;
	char *text = malloc(m->stats_size + 1);
	memset(text, 'x', m->stats_size);
	struct json_object *s = json_object_new_string_len(text, (int)m->stats_size);
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "text", s);
	free(text);
	return o;
}

static struct json_object *machine_walk(void *arg, gva_t gva, unsigned vcpu,
					struct control_error *e)
{
	struct machine *m = arg;
	if (vcpu > 3) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND, "no vCPU %u", vcpu);
		return NULL;
	}
	atomic_fetch_add(&m->walks, 1);
	atomic_store(&m->gva, gva.v);
	atomic_store(&m->vcpu, vcpu);
	return json_object_new_object();
}

static struct sh_mmu *machine_mmu(void *m)
{
	(void)m;
	return NULL;
}

const struct control_ops machine_ops = {
	.status = machine_status,
	.running = machine_running,
	.name = machine_name,
	.stop = machine_stop,
	.cont = machine_cont,
	.quit = machine_quit,
	.shadow_roots = machine_query,
	.shadow_walk = machine_walk,
	.shadow_audit = machine_query,
	.shadow_stats = machine_stats,
	.cpus_fast = machine_query,
	.mmu = machine_mmu,
};

unsigned rig_open_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

void rig_start(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->fds = rig_open_fds();
	atomic_store(&r->m.running, true);
	r->m.name = "rig";
	strcpy(r->dir, "/tmp/umbra-ctl-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/s", r->dir);
	int ret = control_start(r->path, false, &machine_ops, &r->m, &r->m.control, r->msg,
				sizeof(r->msg));
	CU_ASSERT_EQUAL_FATAL(ret, 0);
}

void rig_stop(struct rig *r)
{
	control_stop(r->m.control);
	CU_ASSERT_NOT_EQUAL(access(r->path, F_OK), 0);
	CU_ASSERT_EQUAL(rig_open_fds(), r->fds);
	CU_ASSERT_EQUAL(rmdir(r->dir), 0);
}

void peer_connect_silently(struct peer *p, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	p->len = 0;
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(connect(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

void peer_connect(struct peer *p, const char *path)
{
	peer_connect_silently(p, path);
	struct json_object *version, *o = peer_receive(p), *q = NULL;
	CU_ASSERT_TRUE_FATAL(json_object_object_get_ex(o, "QMP", &q));
	CU_ASSERT_TRUE(json_object_object_get_ex(q, "version", &version));
	CU_ASSERT_TRUE(json_object_object_get_ex(version, "qemu", NULL));
	CU_ASSERT_STRING_EQUAL(text_at(o, "QMP", "capabilities"), "[\"oob\"]");
	json_object_put(o);
}

void peer_negotiate(struct peer *p)
{
	expect(p, NEGOTIATE, "{\"return\":{}}");
}

void peer_send_bytes(struct peer *p, const char *data, size_t n)
{
	while (n) {
		ssize_t k = send(p->fd, data, n, MSG_NOSIGNAL);
		if (k <= 0)
			return; /* hung up on; what is received tells */
		data += k;
		n -= (size_t)k;
	}
}

void peer_send(struct peer *p, const char *text)
{
	peer_send_bytes(p, text, strlen(text));
}

bool peer_hears(struct peer *p, int ms)
{
	struct pollfd f = {.fd = p->fd, .events = POLLIN};
	return memchr(p->buf, '\n', p->len) || poll(&f, 1, ms) > 0;
}

/* Reads until the buffer holds a line; its length with the newline, or 0 at the end. */
static size_t read_line(struct peer *p)
{
	char *end;
	while (!(end = memchr(p->buf, '\n', p->len))) {
		if (p->len == sizeof(p->buf) || !peer_hears(p, PATIENCE_MS))
			return 0;
		ssize_t n = recv(p->fd, p->buf + p->len, sizeof(p->buf) - p->len, 0);
		if (n <= 0)
			return 0;
		p->len += (size_t)n;
	}
	return (size_t)(end + 1 - p->buf);
}

struct json_object *peer_receive(struct peer *p)
{
	size_t len = read_line(p);
	if (len < 2)
		return NULL;
	bool ascii = true;
	for (size_t i = 0; i < len - 2; i++)
		ascii &= p->buf[i] >= 0x20 && p->buf[i] < 0x7f;
	CU_ASSERT_TRUE(ascii);
	CU_ASSERT_EQUAL(p->buf[len - 2], '\r');
	p->buf[len - 2] = 0;
	struct json_tokener *tok = json_tokener_new_ex(CTL_MAX_DEPTH + 4);
	struct json_object *o = json_tokener_parse_ex(tok, p->buf, (int)len - 1);
	json_tokener_free(tok);
	CU_ASSERT_PTR_NOT_NULL(o);
	p->len -= len;
	memmove(p->buf, p->buf + len, p->len);
	return o;
}

void peer_close(struct peer *p)
{
	close(p->fd);
}

const char *text_at(struct json_object *o, const char *outer, const char *inner)
{
	struct json_object *a, *b;
	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, outer, &a) ||
	    !json_object_is_type(a, json_type_object) ||
	    !json_object_object_get_ex(a, inner, &b))
		return "";
	return json_object_is_type(b, json_type_string)
		       ? json_object_get_string(b)
		       : json_object_to_json_string_ext(b, JSON_C_TO_STRING_PLAIN);
}

void expect_error(struct peer *p, const char *text, const char *class, const char *part)
{
	peer_send(p, text);
	struct json_object *o = peer_receive(p);
	CU_ASSERT_STRING_EQUAL(text_at(o, "error", "class"), class);
	CU_ASSERT_PTR_NOT_NULL(strstr(text_at(o, "error", "desc"), part));
	if (!strstr(text_at(o, "error", "desc"), part))
		printf("# %.60s: got %s\n", text, json_object_to_json_string(o));
	json_object_put(o);
}

void expect(struct peer *p, const char *text, const char *wanted)
{
	peer_send(p, text);
	struct json_object *o = peer_receive(p);
	const char *got = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	CU_ASSERT_STRING_EQUAL(got, wanted);
	if (strcmp(got, wanted) != 0)
		printf("# %.60s: got %.200s\n", text, got);
	json_object_put(o);
}

void expect_event(struct peer *p, const char *name)
{
	struct json_object *event = NULL, *o = peer_receive(p);
	CU_ASSERT_TRUE(json_object_object_get_ex(o, "event", &event));
	CU_ASSERT_STRING_EQUAL(event ? json_object_get_string(event) : "", name);
	CU_ASSERT_TRUE(strtoll(text_at(o, "timestamp", "seconds"), NULL, 10) > 1600000000);
	CU_ASSERT_STRING_NOT_EQUAL(text_at(o, "timestamp", "microseconds"), "");
	json_object_put(o);
}
