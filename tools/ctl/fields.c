/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading replies. They may come from a server that isn't ours: a value that is missing or of another
 * type reads as nothing, and a loop over a list never runs past what came.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#include <inttypes.h>
#include <stdlib.h>

static struct json_object *get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, type))
		return NULL;
	return v;
}

const char *f_str(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key, json_type_string);

	return v ? json_object_get_string(v) : "";
}

uint64_t f_hex(struct json_object *o, const char *key)
{
	return strtoull(f_str(o, key), NULL, 16);
}

int64_t f_int(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key, json_type_int));
}

bool f_bool(struct json_object *o, const char *key)
{
	return json_object_get_boolean(get(o, key, json_type_boolean));
}

bool f_has(struct json_object *o, const char *key)
{
	return json_object_is_type(o, json_type_object) &&
	       json_object_object_get_ex(o, key, NULL);
}

struct json_object *f_object(struct json_object *o, const char *key)
{
	return get(o, key, json_type_object);
}

struct json_object *f_array(struct json_object *o, const char *key)
{
	return get(o, key, json_type_array);
}

size_t f_length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

const char *size_text(uint64_t bytes, char *buf)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned unit = 0;

	while (bytes && !(bytes & 1023) && unit < 6) {
		bytes >>= 10;
		unit++;
	}
	/* What is no round number of a large unit: about. */
	if (bytes > 99999 && unit < 6) {
		double d = (double)bytes;

		for (; d >= 1024 && unit < 6; unit++)
			d /= 1024;
		snprintf(buf, 32, "%.1f %s", d, units[unit]);
		return buf;
	}
	snprintf(buf, 32, "%" PRIu64 " %s", bytes, units[unit]);
	return buf;
}

void say_consistent(struct json_object *reply)
{
	if (f_has(reply, "consistent"))
		say("generation %" PRId64 ": %s\n", f_int(reply, "generation"),
		    f_bool(reply, "consistent")
			    ? "all at one time"
			    : "entries changed during the look; ask again, or pause first");
}
