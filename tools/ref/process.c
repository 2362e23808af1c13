/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra as a child process.
 *
 * Read first: ref.h. Locks: none.
 */
#include "tools/ref/ref.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE 10 /* seconds that umbra has to end itself after its own --timeout */

static void child(const struct ref_machine *m, const struct ref_job *job, const char *log)
{
	char cpus[12], memory[32], serial[PATH_MAX + 8], timeout[12], buf[PATH_MAX];
	const char *umbra = umbra_program(buf, sizeof(buf));
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	snprintf(cpus, sizeof(cpus), "%u", job->cpus);
	snprintf(memory, sizeof(memory), "%lluK", (unsigned long long)job->memory / 1024);
	snprintf(serial, sizeof(serial), "file:%s", job->serial);
	snprintf(timeout, sizeof(timeout), "%u", job->timeout);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(127);
	execlp(umbra, umbra, "run", "--cpu", m->kind, "--cpus", cpus, "--memory", memory,
	       "--serial", serial, "--timeout", timeout, "--append", job->words, job->kernel,
	       (char *)NULL);
	fprintf(stderr, "can't run %s: %s\n", umbra, strerror(errno));
	_exit(127);
}

/* The last line of what it said itself. */
static void last_line(const char *log, char *why)
{
	FILE *f = fopen(log, "r");
	char line[REF_WHY];

	snprintf(why, REF_WHY, "umbra could not run it");
	while (f && fgets(line, sizeof(line), f))
		if (*line != '\n')
			snprintf(why, REF_WHY, "%s", line);
	why[strcspn(why, "\r\n")] = '\0';
	if (f)
		fclose(f);
}

static int wait_child(pid_t pid, unsigned timeout, bool *stopped)
{
	unsigned polls = (timeout + GRACE) * 50;
	int status = 0;

	while (!waitpid(pid, &status, WNOHANG)) {
		*stopped = keep_stopped();
		if (*stopped || !polls--) {
			kill(pid, *stopped ? SIGTERM : SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(20000);
	}
	return status;
}

enum ref_end process_run(const struct ref_machine *m, const struct ref_job *job, char *why)
{
	bool stopped = false;
	char log[PATH_MAX];
	int status, code;
	pid_t pid;

	snprintf(log, sizeof(log), "%s/umbra.log", job->dir);
	fflush(NULL);
	pid = fork();
	if (!pid)
		child(m, job, log);
	if (pid < 0) {
		snprintf(why, REF_WHY, "fork: %s", strerror(errno));
		return REF_ABSENT;
	}
	status = wait_child(pid, job->timeout, &stopped);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (stopped)
		return REF_STOPPED;
	if (code == 2 || code == 3 || code == 127) {
		last_line(log, why);
		return REF_ABSENT;
	}
	return code == 124 || code == -1 ? REF_TIMEOUT : REF_ENDED;
}
