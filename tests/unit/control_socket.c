/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of the control socket: the socket file, its place and its owner; starting and stopping.
 */
#define _GNU_SOURCE 1 /* pthread_tryjoin_np */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/control_rig.h"

static struct rig rig;
static struct peer a;

/* Starts a second server at path; 0, or -1 with rig.msg set. */
static int start_at(const char *path, struct control **out)
{
	return control_start(path, false, &machine_ops, &rig.m, out, rig.msg, sizeof(rig.msg));
}

static unsigned mode_of(const char *path)
{
	struct stat st;
	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

/* A socket file as a machine that was killed leaves it. */
static void leave_dead_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

static void test_mode(void)
{
	mode_t old = umask(0);
	rig_start(&rig);
	umask(old);
	CU_ASSERT_EQUAL(mode_of(rig.path), 0600);
	rig_stop(&rig);
}

static void test_in_use(void)
{
	struct control *second = NULL;
	rig_start(&rig);
	CU_ASSERT_EQUAL(start_at(rig.path, &second), -1);
	CU_ASSERT_PTR_NULL(second);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.msg, "running machine"));
	/* The first one is none the worse. */
	peer_connect(&a, rig.path);
	peer_negotiate(&a);
	peer_close(&a);
	rig_stop(&rig);
}

static void test_dead_replaced(void)
{
	struct control *second = NULL;
	char path[80];
	rig_start(&rig);
	snprintf(path, sizeof(path), "%s/dead", rig.dir);
	leave_dead_socket(path);
	CU_ASSERT_EQUAL_FATAL(start_at(path, &second), 0);
	peer_connect(&a, path);
	peer_close(&a);
	CU_ASSERT_EQUAL(mode_of(path), 0600);
	control_stop(second);
	CU_ASSERT_EQUAL(mode_of(path), 0);
	rig_stop(&rig);
}

static void test_not_a_socket(void)
{
	struct control *second = NULL;
	char path[80];
	rig_start(&rig);
	snprintf(path, sizeof(path), "%s/file", rig.dir);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	CU_ASSERT_EQUAL(start_at(path, &second), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.msg, "not a socket"));
	CU_ASSERT_EQUAL(mode_of(path), 0644);
	unlink(path);
	/* Nor is what a symbolic link points at replaced. */
	CU_ASSERT_EQUAL(symlink(rig.path, path), 0);
	CU_ASSERT_EQUAL(start_at(path, &second), -1);
	unlink(path);
	rig_stop(&rig);
}

static void test_bad_paths(void)
{
	struct control *second = NULL;
	char path[200];
	rig_start(&rig);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = 0;
	memcpy(path, "/tmp/", 5);
	CU_ASSERT_EQUAL(start_at(path, &second), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.msg, "longer than 107"));
	CU_ASSERT_EQUAL(start_at("", &second), -1);
	CU_ASSERT_EQUAL(start_at("/tmp/", &second), -1);
	CU_ASSERT_EQUAL(start_at("/nonexistent/s", &second), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.msg, "/nonexistent"));
	rig_stop(&rig);
}

/* The file now at the path is another machine's: it stays. */
static void test_replaced_file_kept(void)
{
	rig_start(&rig);
	unlink(rig.path);
	leave_dead_socket(rig.path);
	control_stop(rig.m.control);
	CU_ASSERT_EQUAL(access(rig.path, F_OK), 0);
	unlink(rig.path);
	CU_ASSERT_EQUAL(rmdir(rig.dir), 0);
}

static void test_default_path(void)
{
	char path[200], long_name[150];
	setenv("XDG_RUNTIME_DIR", "/run/u", 1);
	CU_ASSERT_EQUAL(control_default_path("m", path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/run/u/umbra/m.sock");
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	CU_ASSERT_EQUAL(control_default_path("m", path, sizeof(path)), 0);
	CU_ASSERT_EQUAL(strncmp(path, "/tmp/umbra-", 11), 0);
	CU_ASSERT_EQUAL(control_default_path("", path, sizeof(path)), -EINVAL);
	CU_ASSERT_EQUAL(control_default_path("a/b", path, sizeof(path)), -EINVAL);
	CU_ASSERT_EQUAL(control_default_path("..", path, sizeof(path)), -EINVAL);
	memset(long_name, 'n', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = 0;
	CU_ASSERT_EQUAL(control_default_path(long_name, path, sizeof(path)), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(control_default_path("m", path, 5), -ENAMETOOLONG);
	unsetenv("XDG_RUNTIME_DIR");
}

/* A relative path stays the same file when the process changes its directory. */
static void test_relative_path(void)
{
	struct control *second = NULL;
	rig_start(&rig);
	CU_ASSERT_EQUAL(chdir(rig.dir), 0);
	CU_ASSERT_EQUAL_FATAL(start_at("relative", &second), 0);
	CU_ASSERT_EQUAL(mode_of("relative"), 0600);
	CU_ASSERT_EQUAL(chdir("/"), 0);
	control_stop(second);
	rig_stop(&rig);
}

struct listed {
	unsigned all, running, dead;
	char names[64];
};

static void note(void *ctx, const char *name, const char *path, const char *status)
{
	struct listed *l = ctx;
	l->all++;
	l->running += status && !strcmp(status, "running");
	l->dead += status == NULL;
	strncat(l->names, name, sizeof(l->names) - strlen(l->names) - 1);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
}

/* The default directory is made 0700, and refused if others may write to it. */
static void test_default_dir_and_list(void)
{
	struct listed l = {0};
	struct control *second = NULL;
	char path[108], dir[64];
	rig_start(&rig);
	setenv("XDG_RUNTIME_DIR", rig.dir, 1);
	CU_ASSERT_EQUAL(control_list(note, &l), 0);
	snprintf(dir, sizeof(dir), "%s/umbra", rig.dir);
	CU_ASSERT_EQUAL(control_default_path("b", path, sizeof(path)), 0);
	CU_ASSERT_EQUAL_FATAL(start_at(path, &second), 0);
	CU_ASSERT_EQUAL(mode_of(dir), 0700);
	CU_ASSERT_EQUAL(control_default_path("a", path, sizeof(path)), 0);
	leave_dead_socket(path);
	CU_ASSERT_EQUAL(control_list(note, &l), 1);
	CU_ASSERT_EQUAL(l.all, 2);
	CU_ASSERT_EQUAL(l.running, 1);
	CU_ASSERT_EQUAL(l.dead, 1);
	CU_ASSERT_STRING_EQUAL(l.names, "ab");
	control_stop(second);
	unlink(path);
	chmod(dir, 0777);
	CU_ASSERT_EQUAL(start_at(path, &second), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.msg, "only you"));
	CU_ASSERT_EQUAL(rmdir(dir), 0);
	unsetenv("XDG_RUNTIME_DIR");
	rig_stop(&rig);
}

static void *start_and_wait(void *path)
{
	static struct machine m;
	char msg[128];
	m.name = "w";
	int ret = control_start(path, true, &machine_ops, &m, &m.control, msg, sizeof(msg));
	return ret ? NULL : m.control;
}

static void test_wait(void)
{
	char path[80];
	pthread_t t;
	void *c = NULL;
	rig_start(&rig);
	snprintf(path, sizeof(path), "%s/w", rig.dir);
	pthread_create(&t, NULL, start_and_wait, path);
	while (access(path, F_OK))
		usleep(1000);
	usleep(50000);
	peer_connect(&a, path);
	CU_ASSERT_EQUAL(pthread_tryjoin_np(t, &c), EBUSY);
	peer_negotiate(&a);
	pthread_join(t, &c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	control_stop(c);
	peer_close(&a);
	rig_stop(&rig);
}

/* Of many machines started at once with one name, one gets it. */
static void *start_racing(void *path)
{
	struct control *c = NULL;
	char msg[128];
	control_start(path, false, &machine_ops, &rig.m, &c, msg, sizeof(msg));
	return c;
}

static void test_race_for_name(void)
{
	enum { RACERS = 8 };
	char path[80];
	pthread_t t[RACERS];
	void *won[RACERS];
	unsigned winners = 0;
	rig_start(&rig);
	snprintf(path, sizeof(path), "%s/race", rig.dir);
	leave_dead_socket(path);
	for (int i = 0; i < RACERS; i++)
		pthread_create(&t[i], NULL, start_racing, path);
	for (int i = 0; i < RACERS; i++)
		pthread_join(t[i], &won[i]);
	for (int i = 0; i < RACERS; i++)
		winners += won[i] != NULL;
	CU_ASSERT_EQUAL(winners, 1);
	peer_connect(&a, path);
	peer_close(&a);
	for (int i = 0; i < RACERS; i++)
		if (won[i])
			control_stop(won[i]);
	rig_stop(&rig);
}

/* Out of descriptors, the server waits for better times and is not kept busy by it. */
static void test_no_descriptors(void)
{
	struct rlimit old, none;
	struct timespec t0, t1;
	rig_start(&rig);
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){3, old.rlim_max};
	a.len = 0;
	a.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setrlimit(RLIMIT_NOFILE, &none);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", rig.path);
	CU_ASSERT_EQUAL(connect(a.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	usleep(300000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	CU_ASSERT_FALSE(peer_hears(&a, 0));
	int64_t used = (t1.tv_sec - t0.tv_sec) * CTL_NSEC + t1.tv_nsec - t0.tv_nsec;
	CU_ASSERT_TRUE(used < CTL_NSEC / 10);
	setrlimit(RLIMIT_NOFILE, &old);
	json_object_put(peer_receive(&a));
	peer_negotiate(&a);
	peer_close(&a);
	rig_stop(&rig);
}

static void test_stop_with_clients(void)
{
	static struct peer p[10];
	rig_start(&rig);
	for (int i = 0; i < 10; i++) {
		peer_connect(&p[i], rig.path);
		if (i % 2)
			peer_negotiate(&p[i]);
	}
	control_event(rig.m.control, "SHUTDOWN", NULL);
	control_stop(rig.m.control);
	for (int i = 0; i < 10; i++) {
		if (i % 2)
			expect_event(&p[i], "SHUTDOWN");
		CU_ASSERT_PTR_NULL(peer_receive(&p[i]));
		peer_close(&p[i]);
	}
	CU_ASSERT_EQUAL(rig_open_fds(), rig.fds);
	CU_ASSERT_EQUAL(rmdir(rig.dir), 0);
}

const struct tap_case control_socket_tests[] = {
	{"mode", test_mode},
	{"in_use", test_in_use},
	{"dead_replaced", test_dead_replaced},
	{"not_a_socket", test_not_a_socket},
	{"bad_paths", test_bad_paths},
	{"replaced_file_kept", test_replaced_file_kept},
	{"relative_path", test_relative_path},
	{"default_path", test_default_path},
	{"default_dir_and_list", test_default_dir_and_list},
	{"wait", test_wait},
	{"race_for_name", test_race_for_name},
	{"no_descriptors", test_no_descriptors},
	{"stop_with_clients", test_stop_with_clients},
	TAP_NO_CASE,
};
