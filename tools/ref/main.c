/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra-ref: for each image and number of processors, one run on each machine, then the table.
 *
 * Exit codes: 0 every machine that is here passes every scenario; 1 one failed, or they differ; 2
 * usage; 3 no machine is here, or the host failed.
 *
 * Read first: ref.h, options.h.
 */
#include "config.h"

#include "tools/ref/options.h"
#include "vmm/guestpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASS, FAIL, USAGE, HOST };

struct work {
	const struct ref_options *o;
	const char *dir;
	FILE *json;
	unsigned runs; /* that took place */
	bool bad;
};

static int complain(int code, const char *what, const char *more)
{
	fflush(stdout);
	fprintf(stderr, "umbra-ref: %s%s\n", what, more);
	return code;
}

/* The guest's command line. */
static void words_of(const struct ref_options *o, unsigned cpus, char *buf, size_t n)
{
	char seed[32] = "";

	if (o->seed_given)
		snprintf(seed, sizeof(seed), " seed=%llu", (unsigned long long)o->seed);
	snprintf(buf, n, "cpus=%u%s%s%s%s%s", cpus, seed, o->scenario ? " scenario=" : "",
		 o->scenario ? o->scenario : "", o->append ? " " : "",
		 o->append ? o->append : "");
}

/* Where the serial line goes: kept, or of the run only. */
static int serial_path(const struct work *w, const struct ref_job *job,
		       const struct ref_machine *m, char *buf, size_t n)
{
	char folder[PATH_MAX];
	int fd;

	if (!realpath(w->o->keep ? w->o->keep : w->dir, folder))
		return -errno;
	snprintf(buf, n, "%s/%s-%u-%s.serial", folder, job->guest, job->cpus, m->name);
	fd = open(buf, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : close(fd);
}

static void run_one(struct work *w, struct ref_job *job, struct ref_column *c)
{
	char serial[PATH_MAX * 2];
	double start = tool_clock();
	int err = serial_path(w, job, c->machine, serial, sizeof(serial));

	c->end = REF_ABSENT;
	c->tap = (struct tap){.planned = -1};
	if (err) {
		snprintf(c->why, sizeof(c->why), "serial file: %s", strerror(-err));
		return;
	}
	job->serial = serial;
	fprintf(stderr, "umbra-ref: %s, %u cpus, %s ...", job->guest, job->cpus,
		c->machine->name);
	c->end = c->machine->run(c->machine, job, c->why);
	c->seconds = tool_clock() - start;
	if (c->end != REF_ABSENT)
		tap_read(serial, &c->tap);
	fprintf(stderr, c->end == REF_ABSENT ? " not here\n" : " %.1f s\n", c->seconds);
	if (!w->o->keep)
		unlink(serial);
}

static void show(struct work *w, const struct ref_job *job, const struct ref_column *c)
{
	struct ref_verdict v;

	printf("\n%s, %u cpus, %llu MiB: %s\n", job->guest, job->cpus,
	       (unsigned long long)job->memory >> 20, job->words);
	v = table_compare(c, w->o->machines, stdout);
	printf("%u scenarios, %u failed, %u different\n", v.scenarios, v.failed, v.different);
	if (w->json)
		table_json(job, c, w->o->machines, w->json);
	w->runs += w->o->machines - v.absent;
	w->bad |= v.failed || v.different || !v.scenarios;
}

static int run_job(struct work *w, const char *guest, unsigned cpus)
{
	struct ref_column *c = calloc(w->o->machines, sizeof(*c));
	char kernel[PATH_MAX], words[1024];
	struct ref_job job = {.guest = guest,
			      .kernel = kernel,
			      .cpus = cpus,
			      .memory = w->o->memory,
			      .words = words,
			      .timeout = w->o->timeout,
			      .dir = w->dir};
	char real[PATH_MAX];

	if (!c)
		return complain(HOST, "no memory", "");
	if (guestpath_find(guest, kernel, sizeof(kernel)) || !realpath(kernel, real)) {
		free(c);
		return complain(HOST,
				"no such guest image; `umbra guests` lists them: ", guest);
	}
	job.kernel = real;
	words_of(w->o, cpus, words, sizeof(words));
	for (unsigned i = 0; i < w->o->machines && !keep_stopped(); i++) {
		c[i].machine = w->o->machine[i];
		run_one(w, &job, &c[i]);
	}
	if (!keep_stopped())
		show(w, &job, c);
	free(c);
	return PASS;
}

static int work(const char *dir, void *arg)
{
	struct work w = {.o = arg, .dir = dir};
	int code = PASS;

	if (w.o->keep && mkdir(w.o->keep, 0700) && errno != EEXIST)
		return complain(HOST, "can't make the folder: ", w.o->keep);
	if (w.o->json && !(w.json = fopen(w.o->json, "we")))
		return complain(HOST, "can't write: ", w.o->json);
	for (unsigned g = 0; g < w.o->guests && !code && !keep_stopped(); g++)
		for (unsigned n = 0; n < w.o->cpu_counts && !code && !keep_stopped(); n++)
			code = run_job(&w, w.o->guest[g], w.o->cpus[n]);
	if (w.json && fclose(w.json))
		return complain(HOST, "can't write: ", w.o->json);
	if (keep_stopped())
		return complain(FAIL, "stopped by a signal", "");
	if (!code && !w.runs)
		return complain(HOST, "none of the machines is here", "");
	return code ? code : w.bad ? FAIL : PASS;
}

static int help(void)
{
	puts("usage: umbra-ref [options]\n\n"
	     "Runs our guest's scenarios on several machines and compares the results.");
	opt_print_help(ref_option_table, stdout);
	puts("\nMachines:");
	for (const struct ref_machine *m = ref_machines; m->name; m++)
		printf("  %-14s %s\n", m->name, m->help);
	return PASS;
}

int main(int argc, char **argv)
{
	struct ref_options o;
	char msg[256];
	int code;

	if (ref_options_parse(argc, argv, &o, msg, sizeof(msg)))
		return complain(USAGE, msg, "");
	if (o.help)
		return help();
	if (o.version)
		return puts("umbra-ref " PACKAGE_VERSION) < 0;
	code = keep(work, &o);
	return code < 0 ? complain(HOST, "can't start: ", strerror(-code)) : code;
}
