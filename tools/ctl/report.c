/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All about a machine in one model, which picture.h makes a page from. What the machine hasn't got, or
 * not now, is left out.
 *
 * Owns the file until it is whole: it is written beside its place and then renamed.
 *
 * Read first: ctl.h, picture.h.
 */
#include "tools/ctl/ctl.h"

#include "tools/ctl/picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The member of a reply, or all of it, as a member of the model. */
static int add_reply(struct ctl *c, struct json_object *model, const char *name,
		     const char *command, const char *member)
{
	struct json_object *ret, *v;
	int code = ask_maybe(c, command, NULL, &ret);

	if (code || !ret)
		return code;
	v = ret;
	if (!member || json_object_object_get_ex(ret, member, &v))
		json_object_object_add(model, name, json_object_get(v));
	json_object_put(ret);
	return CTL_PASS;
}

struct parts {
	struct json_object *views, *complete, *diff, *counts;
};

static int add_view(struct ctl *c, struct json_object *model, const struct parts *to,
		    const char *view)
{
	struct pages p = {
		.command = "shadow-dump", .list = "regions", .view = view, .merge = true};
	struct json_object *all;
	int code = pages_collect(c, &p, &all);

	if (!code && !p.absent) {
		json_object_object_add(to->views, view, json_object_get(all));
		json_object_object_add(to->complete, view, json_object_new_boolean(!p.torn));
		if (!strcmp(view, "guest"))
			json_object_object_add(
				model, "format",
				json_object_new_string(f_str(p.first, "format")));
	}
	json_object_put(all);
	pages_put(&p);
	return code;
}

static int add_diff(struct ctl *c, const struct parts *to, const char *view)
{
	struct pages p = {.command = "shadow-diff", .list = "differences", .view = view};
	struct json_object *all;
	int code = pages_collect(c, &p, &all);

	if (!code && !p.absent) {
		json_object_object_add(to->diff, view, json_object_get(all));
		json_object_object_add(to->counts, view, json_object_get(p.counts));
	}
	json_object_put(all);
	pages_put(&p);
	return code;
}

static int add_views(struct ctl *c, struct json_object *model, unsigned views)
{
	struct parts to = {.views = json_object_new_object(),
			   .complete = json_object_new_object(),
			   .diff = json_object_new_object(),
			   .counts = json_object_new_object()};
	int code = CTL_PASS;

	json_object_object_add(model, "views", to.views);
	json_object_object_add(model, "complete", to.complete);
	json_object_object_add(model, "diff", to.diff);
	json_object_object_add(model, "counts", to.counts);
	FOR_EACH_VIEW(bit, views)
	{
		if (!code)
			code = add_view(c, model, &to, view_name(bit));
		if (!code && bit != VIEW_GUEST)
			code = add_diff(c, &to, view_name(bit));
	}
	return code;
}

static int collect(struct ctl *c, struct json_object *model, unsigned views)
{
	static const char *const parts[][3] = {
		{"name", "query-name", "name"},
		{"status", "query-status", "status"},
		{"roots", "query-shadow-roots", "roots"},
		{"stats", "query-shadow-stats", NULL},
		{"shootdowns", "query-shadow-shootdowns", NULL},
		{"rcu", "query-rcu", NULL},
	};
	struct json_object *trace = json_object_new_array(), *tables = json_object_new_array();
	int code = CTL_PASS;

	/* What has to be there, even when the machine has ended and says no more. */
	json_object_object_add(model, "name", json_object_new_string(""));
	json_object_object_add(model, "status", json_object_new_string(""));
	json_object_object_add(model, "time", json_object_new_int64(time(NULL)));
	json_object_object_add(model, "roots", json_object_new_array());
	json_object_object_add(model, "stats", json_object_new_object());
	json_object_object_add(model, "trace", trace);
	json_object_object_add(model, "tables", tables);
	for (size_t i = 0; !code && i < sizeof(parts) / sizeof(*parts); i++)
		code = add_reply(c, model, parts[i][0], parts[i][1], parts[i][2]);
	if (!code)
		code = collect_tables(c, f_array(model, "roots"), tables);
	if (!code)
		code = collect_trace(c, trace);
	return code ? code : add_views(c, model, views);
}

int report_to(struct ctl *c, FILE *out, unsigned views)
{
	struct json_object *model = json_object_new_object();
	int code = collect(c, model, views), err;

	if (!code && c->o->json)
		print_json(model);
	else if (!code && (err = picture_write(out, model)))
		code = complain(CTL_HOST, "can't write the page: %s", strerror(-err));
	json_object_put(model);
	return code;
}

/* With the mode that the umask allows, as any file: mkstemp() has made it for the owner only. */
static int put_in_place(FILE *f, const char *temporary, const char *path)
{
	mode_t mask = umask(0);
	bool failed;

	umask(mask);
	failed = fchmod(fileno(f), 0666 & ~mask) != 0;
	failed |= fclose(f) != 0;
	return failed || rename(temporary, path) ? -errno : 0;
}

int cmd_report(struct ctl *c)
{
	const char *path = operand(c, 0);
	char temporary[4096];
	int fd, code, err;
	FILE *f;

	if (c->o->json)
		return report_to(c, NULL, VIEW_BOTH);
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >=
	    sizeof(temporary))
		return complain(CTL_USAGE, "report: the file's name is too long");
	fd = mkstemp(temporary);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return complain(CTL_HOST, "can't write %s: %s", path, strerror(errno));
	code = report_to(c, f, VIEW_BOTH);
	err = code ? fclose(f), 0 : put_in_place(f, temporary, path);
	if (err)
		code = complain(CTL_HOST, "can't write %s: %s", path, strerror(-err));
	if (code)
		unlink(temporary);
	return code;
}
