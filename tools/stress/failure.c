/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a run that did not end well leaves: the newest records of its black box as text, what the audit
 * said in words, and a folder that keeps these with the serial log, what umbra said, its result, and the
 * line that reproduces it.
 *
 * The black box is read by umbra itself, so that it is of the version that wrote it. A monitor that was
 * killed has one too, and no audit: that is said.
 *
 * Read first: stress.h. Locks: none.
 */
#include "config.h"

#include "tools/stress/stress.h"

#include "tools/common/program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORDS "2000"

static void path_to(char *path, size_t n, const char *dir, const char *name)
{
	snprintf(path, n, "%s/%s", dir, name);
}

static int create(const char *dir, const char *name)
{
	char path[PATH_MAX + 64];

	path_to(path, sizeof(path), dir, name);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* ---- the trace ---- */

static void print_blackbox(const char *box, int out)
{
	char program[PATH_MAX];
	const char *argv[] = {umbra_program(program, sizeof(program)),
			      "blackbox",
			      "--last",
			      RECORDS,
			      box,
			      NULL};

	dup2(out, 1);
	dup2(out, 2);
	execvp(argv[0], (char **)(uintptr_t)argv);
	dprintf(2, "can't run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void explain_trace(const char *dir)
{
	char box[PATH_MAX + 64];
	pid_t pid;
	int out;

	path_to(box, sizeof(box), dir, FILE_BLACKBOX);
	if (access(box, R_OK))
		return;
	out = create(dir, FILE_TRACE);
	if (out < 0)
		return;
	fflush(NULL);
	pid = fork();
	if (!pid)
		print_blackbox(box, out);
	close(out);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* ---- the audit ---- */

static void print_audit(FILE *f, struct json_object *result)
{
	struct json_object *count = NULL, *lines = NULL;
	int64_t n;

	json_object_object_get_ex(result, "audit_violations", &count);
	json_object_object_get_ex(result, "audit_report", &lines);
	n = json_object_get_int64(count);
	if (!n) {
		fputs("the audit found nothing wrong\n", f);
		return;
	}
	fprintf(f, "the audit found %" PRId64 " violations\n", n);
	if (!json_object_is_type(lines, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(lines); i++)
		fprintf(f, "%s\n", json_object_get_string(json_object_array_get_idx(lines, i)));
	if ((size_t)n > json_object_array_length(lines))
		fputs("and so on\n", f);
}

static void explain_audit(const struct outcome *o)
{
	char path[PATH_MAX + 64];
	struct json_object *result;
	int fd = create(o->dir, FILE_AUDIT);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		if (fd >= 0)
			close(fd);
		return;
	}
	path_to(path, sizeof(path), o->dir, FILE_RESULT);
	result = access(path, R_OK) ? NULL : json_object_from_file(path);
	if (result)
		print_audit(f, result);
	else
		fputs("there was no audit: umbra ended before it\n", f);
	json_object_put(result);
	fclose(f);
}

void failure_explain(const struct outcome *o)
{
	explain_trace(o->dir);
	explain_audit(o);
}

/* ---- the folder ---- */

static void copy_file(const char *from_dir, const char *to_dir, const char *name)
{
	char from[PATH_MAX + 64];
	int in, out;

	path_to(from, sizeof(from), from_dir, name);
	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return;
	out = create(to_dir, name);
	while (out >= 0 && sendfile(out, in, NULL, 1 << 20) > 0)
		continue;
	if (out >= 0)
		close(out);
	close(in);
}

void failure_keep(const char *out, const struct outcome *o)
{
	static const char *const kept[] = {FILE_SERIAL, FILE_LOG, FILE_RESULT, FILE_TRACE,
					   FILE_AUDIT};
	char dir[PATH_MAX], path[PATH_MAX + 16];
	FILE *f;

	snprintf(dir, sizeof(dir), "%s/run-%" PRIu64, out, o->run->number);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		copy_file(o->dir, dir, kept[i]);
	path_to(path, sizeof(path), dir, "command");
	f = fopen(path, "we");
	if (!f)
		return;
	run_line(o->run, f);
	fputc('\n', f);
	fclose(f);
}
