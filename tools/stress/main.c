/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra-stress: scripts to a plan, the plan to runs, the runs to a report.
 *
 * Exit codes: 0 every run ended as expected; 1 one did not, or a signal came; 2 usage, or a script is
 * wrong, and nothing ran; 3 the host failed.
 *
 * Read first: stress.h, options.h.
 */
#include "config.h"

#include "tools/stress/stress.h"

#include "tools/common/keeper.h"
#include "tools/common/program.h"
#include "tools/stress/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PASS, FAIL, USAGE, HOST };

struct campaign {
	const struct stress_options *o;
	struct plan plan;
	uint64_t count;
};

static int complain(int code, const char *what, const char *more)
{
	fflush(stdout);
	fprintf(stderr, "umbra-stress: %s%s\n", what, more);
	return code;
}

/* All scripts, one behind the other. */
static struct block *read_all(const struct stress_options *o, char *msg, size_t n)
{
	struct block *first = NULL, **end = &first;

	for (unsigned i = 0; i < o->files; i++) {
		*end = script_read(o->file[i], msg, n);
		if (!*end || script_check(*end, msg, n)) {
			script_free(first);
			return NULL;
		}
		while (*end)
			end = &(*end)->next;
	}
	return first;
}

static uint64_t mine(const struct campaign *c)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < c->count; i++)
		n += plan_mine(&c->plan, i);
	return n;
}

static int list(const struct campaign *c)
{
	struct run r;

	for (uint64_t i = 0; i < c->count; i++) {
		if (!plan_mine(&c->plan, i))
			continue;
		plan_run(&c->plan, i, &r);
		run_line(&r, stdout);
		putchar('\n');
	}
	return fflush(stdout) ? complain(HOST, "can't write: ", strerror(errno)) : PASS;
}

static int open_out(struct report *r, const char *dir)
{
	char path[PATH_MAX];

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/runs.jsonl", dir);
	r->out = dir;
	r->lines = fopen(path, "we");
	return r->lines ? 0 : -errno;
}

static int work(const char *dir, void *arg)
{
	struct campaign *c = arg;
	struct report rep = {.count = mine(c),
			     .seed = c->plan.seed,
			     .start = tool_clock(),
			     .live = isatty(2)};
	struct runner r = {.plan = &c->plan,
			   .count = c->count,
			   .jobs = c->o->jobs,
			   .dir = dir,
			   .told = report_told,
			   .tick = report_tick,
			   .arg = &rep};
	int err;

	if (c->o->out && open_out(&rep, c->o->out))
		return complain(HOST, "can't write to ", c->o->out);
	if (c->o->time)
		r.until = rep.start + c->o->time;
	err = runner_go(&r);
	report_end(&rep, stdout);
	if (rep.lines && fclose(rep.lines))
		return complain(HOST, "can't write to ", c->o->out);
	if (err)
		return complain(HOST, "can't start a run: ", strerror(-err));
	if (keep_stopped())
		return complain(FAIL, "stopped by a signal", "");
	return rep.unexpected ? FAIL : PASS;
}

static int go(struct campaign *c)
{
	int code;

	c->plan.seed = c->o->seed_given ? c->o->seed : (uint64_t)time(NULL);
	c->plan.shard = c->o->shard;
	c->plan.shards = c->o->shards;
	c->count = plan_count(&c->plan);
	if (!c->count)
		return complain(USAGE,
				"the lists multiply to more runs than 10000000; shorten them",
				"");
	if (c->o->list)
		return list(c);
	code = keep(work, c);
	return code < 0 ? complain(HOST, "can't start: ", strerror(-code)) : code;
}

int main(int argc, char **argv)
{
	struct stress_options o;
	struct campaign c = {.o = &o};
	struct block *blocks;
	char msg[1024];
	int code;

	if (stress_options_parse(argc, argv, &o, msg, sizeof(msg)))
		return complain(USAGE, msg, "");
	if (o.help) {
		puts("usage: umbra-stress [options] FILE...\n\nRuns umbra as small scripts "
		     "say.");
		opt_print_help(stress_option_table, stdout);
		return PASS;
	}
	if (o.version)
		return puts("umbra-stress " PACKAGE_VERSION) < 0;
	if (!o.files)
		return complain(USAGE, "no script; give a file, see umbra-stress(5)", "");
	blocks = read_all(&o, msg, sizeof(msg));
	if (!blocks)
		return complain(USAGE, msg, "");
	c.plan.blocks = blocks;
	code = go(&c);
	script_free(blocks);
	return code;
}
