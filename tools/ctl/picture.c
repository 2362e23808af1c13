/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The page in its plainest form: the model's parts as tables, under headings. See picture.h.
 *
 * Read first: picture.h.
 */
#include "tools/ctl/picture.h"

#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>

static void escaped(FILE *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '<':
			fputs("&lt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		default:
			putc(*s, out);
		}
}

static void value(FILE *out, struct json_object *v);

static void object(FILE *out, struct json_object *o)
{
	fputs("<table>", out);
	json_object_object_foreach(o, key, v)
	{
		fputs("<tr><th>", out);
		escaped(out, key);
		fputs("</th><td>", out);
		value(out, v);
		fputs("</td></tr>\n", out);
	}
	fputs("</table>", out);
}

static void row(FILE *out, struct json_object *o)
{
	fputs("<tr>", out);
	json_object_object_foreach(o, key, v)
	{
		fputs("<td title=\"", out);
		for (const char *s = key; *s; s++)
			if (*s != '"')
				putc(*s, out);
		fputs("\">", out);
		value(out, v);
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
}

static void array(FILE *out, struct json_object *a)
{
	size_t n = json_object_array_length(a);

	fputs("<table>", out);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(a, i);

		if (json_object_is_type(v, json_type_object))
			row(out, v);
		else
			value(out, v);
	}
	fputs("</table>", out);
}

static void value(FILE *out, struct json_object *v)
{
	if (json_object_is_type(v, json_type_object))
		object(out, v);
	else if (json_object_is_type(v, json_type_array))
		array(out, v);
	else if (v)
		escaped(out, json_object_get_string(v));
}

static const struct {
	const char *name;
	enum json_type type;
} needed[] = {
	{"name", json_type_string},	{"time", json_type_int},
	{"status", json_type_string},	{"views", json_type_object},
	{"complete", json_type_object}, {"roots", json_type_array},
	{"diff", json_type_object},	{"stats", json_type_object},
	{"trace", json_type_array},
};

int picture_write(FILE *out, struct json_object *model)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		struct json_object *v = NULL;

		if (!json_object_object_get_ex(model, needed[i].name, &v) ||
		    !json_object_is_type(v, needed[i].type))
			return -EINVAL;
	}
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><meta "
	      "charset=\"utf-8\"><title>Umbra</title>\n"
	      "<style>body{font-family:monospace;color-scheme:light dark}"
	      "td,th{padding:0 .8em 0 0;text-align:left;vertical-align:top}</style>\n",
	      out);
	object(out, model);
	fputs("</html>\n", out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
