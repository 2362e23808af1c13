/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Leaves nothing behind, whatever happens. The process that was started only waits for a worker: it
 * is the reaper of all that the worker's machines leave without a parent (libvirt makes QEMU a
 * daemon), and when the worker has ended, in whatever way, it ends them and removes the folder. If the
 * keeper itself is killed, the worker is told by a signal and cleans up before it ends.
 *
 * Owns the folder and the flag that a signal came. Locks: none.
 *
 * Read first: keeper.h.
 */
#include "config.h"

#include "tools/common/keeper.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* libvirt's longest socket below the folder, of 108 bytes. */
#define SHORT_ENOUGH 40

static volatile sig_atomic_t signal_came;
static volatile sig_atomic_t worker;

bool keep_stopped(void)
{
	return signal_came;
}

static void on_signal(int sig)
{
	signal_came = sig;
	if (worker > 0)
		kill(worker, SIGTERM);
}

static void catch_signals(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction sa = {.sa_handler = on_signal};

	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		sigaction(caught[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int make_dir(char *dir, size_t n)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, n, "%s/uref-XXXXXX",
		 tmp && *tmp == '/' && strlen(tmp) < SHORT_ENOUGH ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -errno;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void remove_dir(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The parent of pid; 0 if it has gone. */
static pid_t parent_of(const char *pid)
{
	char path[64], line[512], *end = NULL;
	pid_t parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "r");
	if (f && fgets(line, sizeof(line), f))
		end = strrchr(line, ')');
	if (end)
		sscanf(end, ") %*c %d", &parent);
	if (f)
		fclose(f);
	return parent;
}

static int kill_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *pid = path + ftw->base;

	(void)st;
	if (type == FTW_D && ftw->level == 1 && *pid >= '0' && *pid <= '9' &&
	    parent_of(pid) == getpid())
		kill((pid_t)strtol(pid, NULL, 10), SIGKILL);
	return ftw->level ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
}

/* All that became our children when theirs ended. Theirs come to us in turn. */
static void end_orphans(void)
{
	for (;;) {
		nftw("/proc", kill_one, 16, FTW_PHYS | FTW_ACTIONRETVAL);
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
	}
}

static _Noreturn void be_worker(int (*work)(const char *, void *), const char *dir, void *arg)
{
	pid_t keeper = getppid();
	int code;

	worker = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	code = work(dir, arg);
	fflush(NULL);
	if (getppid() != keeper)
		remove_dir(dir);
	_exit(code);
}

/* Reaps orphans meanwhile: libvirt takes a QEMU for ended when its process id has gone. */
static int wait_worker(pid_t pid)
{
	int status = 0;
	pid_t ended;

	do
		ended = waitpid(-1, &status, 0);
	while (ended != pid && (ended > 0 || errno == EINTR));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int keep(int (*work)(const char *dir, void *arg), void *arg)
{
	char dir[64];
	int err = make_dir(dir, sizeof(dir)), code;
	pid_t pid;

	if (err)
		return err;
	catch_signals();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(NULL);
	pid = fork();
	if (!pid)
		be_worker(work, dir, arg);
	if (pid < 0) {
		err = -errno;
		remove_dir(dir);
		return err;
	}
	worker = pid;
	if (signal_came)
		kill(pid, SIGTERM);
	code = wait_worker(pid);
	worker = 0;
	end_orphans();
	remove_dir(dir);
	return code;
}
