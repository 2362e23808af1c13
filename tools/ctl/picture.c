/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes the picture: the page of picture.html, with its style, its scripts and the model put in where the
 * page says so. The files are in the program (picture_page.S).
 *
 * The model is any text as far as the page is concerned. It goes into a script element that is data, where
 * nothing but "</script" or "<!--" could mean something to a browser: so no "<" goes out. In JSON one can
 * only stand in a string, where \u003c says the same. The page itself never makes markup of strings.
 *
 * Read first: picture.h. Locks: none.
 */
#include "config.h"

#include "tools/ctl/picture.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#define FILE_IN_PROGRAM(name) extern const char name[], name##_end[]
FILE_IN_PROGRAM(picture_html);
FILE_IN_PROGRAM(picture_css);
FILE_IN_PROGRAM(picture_model_js);
FILE_IN_PROGRAM(picture_map_js);
FILE_IN_PROGRAM(picture_parts_js);

/* What stands in the page in the place of MARK. */
struct insert {
	const char *mark, *text, *end;
};
static const struct insert inserts[] = {
	{"/*CSS*/\n", picture_css, picture_css_end},
	{"/*MODEL*/\n", NULL, NULL},
	{"/*SCRIPT-MODEL*/\n", picture_model_js, picture_model_js_end},
	{"/*SCRIPT-MAP*/\n", picture_map_js, picture_map_js_end},
	{"/*SCRIPT-PARTS*/\n", picture_parts_js, picture_parts_js_end},
};

static const struct {
	const char *name;
	enum json_type type;
} members[] = {
	{"name", json_type_string},	{"time", json_type_int},
	{"status", json_type_string},	{"views", json_type_object},
	{"complete", json_type_object}, {"roots", json_type_array},
	{"diff", json_type_object},	{"stats", json_type_object},
	{"trace", json_type_array},
};

static int complete(struct json_object *model)
{
	struct json_object *o;

	if (!json_object_is_type(model, json_type_object))
		return 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (!json_object_object_get_ex(model, members[i].name, &o) ||
		    !json_object_is_type(o, members[i].type))
			return 0;
	json_object_object_get_ex(model, "views", &o);
	return json_object_object_get_ex(o, "guest", &o) &&
	       json_object_is_type(o, json_type_array);
}

static void write_model(FILE *out, struct json_object *model)
{
	const char *s, *lt;

	s = json_object_to_json_string_ext(model, JSON_C_TO_STRING_PLAIN |
							  JSON_C_TO_STRING_NOSLASHESCAPE);
	for (; (lt = strchr(s, '<')); s = lt + 1) {
		fwrite(s, 1, (size_t)(lt - s), out);
		fputs("\\u003c", out);
	}
	fputs(s, out);
	fputc('\n', out);
}

int picture_write(FILE *out, struct json_object *model)
{
	const char *at = picture_html, *mark;

	if (!complete(model))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(inserts) / sizeof(inserts[0]); i++) {
		const struct insert *in = &inserts[i];

		mark = memmem(at, (size_t)(picture_html_end - at), in->mark, strlen(in->mark));
		if (!mark)
			return -EINVAL;
		fwrite(at, 1, (size_t)(mark - at), out);
		if (in->text)
			fwrite(in->text, 1, (size_t)(in->end - in->text), out);
		else
			write_model(out, model);
		at = mark + strlen(in->mark);
	}
	fwrite(at, 1, (size_t)(picture_html_end - at), out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
