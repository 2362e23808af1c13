/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs umbra, so many machines at a time. Each has a folder of its own for all that it writes, which
 * is removed when its outcome has been told; what it leaves running dies with the campaign.
 *
 * Read first: stress.h. Locks: none; one thread.
 */
#include "config.h"

#include "tools/stress/stress.h"

#include "tools/common/keeper.h"
#include "tools/common/program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_JOBS 64
#define GRACE	 15 /* seconds past --timeout, which umbra heeds itself */
#define TICK_US	 20000

const char *const run_end_words[RUN_ENDS] = {"passed",	"failed", "crashed",
					     "timeout", "host",	  "killed"};

struct job {
	pid_t pid; /* 0: free */
	struct run run;
	double start, limit;
	bool killed;
	char dir[PATH_MAX];
};

static void to_file(const char *dir, const char *name, int to)
{
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, to) < 0)
		_exit(127);
}

/* Two more words. The text must outlive w. */
static void add(struct run_words *w, const char *option, const char *value)
{
	w->argv[w->argc++] = option;
	w->argv[w->argc++] = value;
	w->argv[w->argc] = NULL;
}

/* Sockets of machines lie in the run's folder too. */
static void child(const struct job *j)
{
	const char *events = j->run.value[KEY_TRACE];
	char program[PATH_MAX], result[PATH_MAX + 16], box[2 * PATH_MAX];
	struct run_words w;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	run_words(&j->run, umbra_program(program, sizeof(program)), &w);
	snprintf(result, sizeof(result), "%s/" FILE_RESULT, j->dir);
	add(&w, "--result", result);
	snprintf(box, sizeof(box), "%s:%s/" FILE_BLACKBOX, events, j->dir);
	if (strcmp(events, "off"))
		add(&w, "--blackbox", box);
	dup2(null, 0);
	to_file(j->dir, FILE_SERIAL, 1);
	to_file(j->dir, FILE_LOG, 2);
	setenv("XDG_RUNTIME_DIR", j->dir, 1);
	signal(SIGPIPE, SIG_DFL);
	execvp(w.argv[0], (char **)(uintptr_t)w.argv);
	fprintf(stderr, "can't run %s: %s\n", w.argv[0], strerror(errno));
	_exit(127);
}

static int start(struct runner *r, struct job *j, uint64_t number)
{
	plan_run(r->plan, number, &j->run);
	snprintf(j->dir, sizeof(j->dir), "%s/%" PRIu64, r->dir, number);
	if (mkdir(j->dir, 0700))
		return -errno;
	j->start = tool_clock();
	j->limit = j->start + strtod(j->run.value[KEY_TIMEOUT], NULL) + GRACE;
	j->killed = false;
	fflush(NULL);
	j->pid = fork();
	if (!j->pid)
		child(j);
	if (j->pid < 0) {
		j->pid = 0;
		return -errno;
	}
	return 0;
}

/* Exit codes of umbra run, in its manual. */
static enum run_end end_of(int status, bool killed)
{
	static const struct {
		int code;
		enum run_end end;
	} known[] = {{0, RUN_PASSED}, {1, RUN_FAILED}, {4, RUN_CRASHED}, {124, RUN_TIMEOUT}};

	if (!WIFEXITED(status))
		return RUN_KILLED;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (WEXITSTATUS(status) == known[i].code)
			return killed ? RUN_KILLED : known[i].end;
	return RUN_HOST;
}

static bool as_expected(const struct run *r, enum run_end end)
{
	static const char *const word[RUN_ENDS] = {"pass", "fail", "crash", "timeout", "", ""};
	const char *wanted = r->value[KEY_EXPECT];

	/* A monitor that dies or hangs is never what was expected. */
	return end < RUN_HOST && (!strcmp(wanted, "any") || !strcmp(wanted, word[end]));
}

static void remove_files(const char *dir)
{
	static const char *const name[] = {FILE_SERIAL, FILE_LOG,   FILE_RESULT, FILE_BLACKBOX,
					   FILE_TRACE,	FILE_AUDIT, "umbra"};
	char path[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		remove(path);
	}
	rmdir(dir);
}

static void ended(struct runner *r, struct job *j, int status)
{
	struct outcome o = {.run = &j->run,
			    .end = end_of(status, j->killed),
			    .code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
			    .seconds = tool_clock() - j->start};

	j->pid = 0;
	o.expected = as_expected(&j->run, o.end);
	memcpy(o.dir, j->dir, sizeof(o.dir));
	if (!keep_stopped())
		r->told(r->arg, &o);
	remove_files(j->dir);
}

static unsigned look(struct runner *r, struct job *jobs)
{
	unsigned running = 0;

	for (unsigned i = 0; i < r->jobs; i++) {
		struct job *j = &jobs[i];
		int status;

		if (!j->pid)
			continue;
		if (waitpid(j->pid, &status, WNOHANG) == j->pid) {
			ended(r, j, status);
			continue;
		}
		running++;
		if (!j->killed && (keep_stopped() || tool_clock() > j->limit)) {
			j->killed = true;
			kill(j->pid, keep_stopped() ? SIGTERM : SIGKILL);
		}
	}
	return running;
}

/* The number of the next run of this part; r->count if there is none, or no time for it. */
static uint64_t next_run(const struct runner *r, uint64_t i)
{
	if (keep_stopped() || (r->until > 0 && tool_clock() > r->until))
		return r->count;
	while (i < r->count && !plan_mine(r->plan, i))
		i++;
	return i;
}

int runner_go(struct runner *r)
{
	struct job *jobs = calloc(r->jobs, sizeof(*jobs));
	uint64_t i = 0;
	unsigned running = 0;
	int err = jobs ? 0 : -ENOMEM;

	while (!err && ((i = next_run(r, i)) < r->count || running)) {
		for (unsigned k = 0; k < r->jobs && i < r->count && !err; k++)
			if (!jobs[k].pid) {
				err = start(r, &jobs[k], i);
				i = next_run(r, i + 1);
			}
		running = look(r, jobs);
		r->tick(r->arg, running);
		if (running)
			usleep(TICK_US);
	}
	free(jobs);
	return err;
}
