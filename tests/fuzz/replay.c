/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a fuzzer's entry point on files, without a fuzzing engine: one line of TAP per file, each
 * in a process of its own, so that a crash or a sanitizer's report costs one line.
 *
 *   boot_replay [FILE | FOLDER]...     without arguments: its own corpus
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FILES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *files[MAX_FILES];
static unsigned n_files;

static void fail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_file(const char *path)
{
	if (n_files == MAX_FILES)
		fail("too many files");
	files[n_files] = strdup(path);
	if (!files[n_files++])
		fail("no memory");
}

static void add(const char *path)
{
	char name[4096];
	struct dirent *e;
	DIR *d = opendir(path);

	if (!d) {
		add_file(path);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
			add_file(name);
		}
	closedir(d);
}

/* In a copy that ends where the file does, so that a sanitizer sees reads past it. */
static int run(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t n;

	if (!f || fstat(fileno(f), &st)) {
		perror(path);
		return 1;
	}
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	n = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	if (!data || n != (size_t)st.st_size)
		return 1;
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int report(unsigned number, const char *path)
{
	const char *slash = strrchr(path, '/');
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		exit(run(path));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("fork");
	if (WIFSIGNALED(status))
		printf("# signal %d\n", WTERMSIG(status));
	printf("%s %u - %s\n", status ? "not ok" : "ok", number, slash ? slash + 1 : path);
	return status != 0;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char corpus[4096];
	int failed = 0;

	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/" CORPUS, srcdir ? srcdir : ".");
	for (int i = 1; i < argc; i++)
		add(argv[i]);
	if (argc < 2)
		add(corpus);
	if (!n_files)
		fail("no files");
	qsort(files, n_files, sizeof(files[0]), by_name);
	printf("1..%u\n", n_files);
	for (unsigned i = 0; i < n_files; i++)
		failed |= report(i + 1, files[i]);
	for (unsigned i = 0; i < n_files; i++)
		free(files[i]);
	return failed;
}
