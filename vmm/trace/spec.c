/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The texts of --trace and --trace-filter. Read first: trace.h.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/trace/trace.h"

static uint64_t matching(const char *pattern)
{
	uint64_t events = 0;

	for (unsigned i = 0; i < SH_TRACES; i++)
		if (!strcmp(pattern, "all") ||
		    fnmatch(pattern, sh_trace_events[i].name, 0) == 0)
			events |= 1ull << i;
	return events;
}

uint64_t trace_events(const char *list, size_t len, const char **bad, size_t *bad_len)
{
	const char *end = list + len;
	uint64_t events = 0, some;

	for (const char *s = list;; s++) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		size_t n = (size_t)((comma ? comma : end) - s);
		char word[64];

		snprintf(word, sizeof(word), "%.*s", (int)(n < 63 ? n : 63), s);
		some = n < 64 ? matching(word) : 0;
		if (!some) {
			*bad = s;
			*bad_len = n;
			return 0;
		}
		events |= some;
		s += n;
		if (s == end)
			return events;
	}
}

static bool number(const char **s, int base, uint64_t *val)
{
	char *end;

	errno = 0;
	*val = strtoull(*s, &end, base);
	if (end == *s || errno || **s == '-' || **s == '+' || **s == ' ')
		return false;
	*s = end;
	return true;
}

static bool parse_vcpu(const char **s, struct sh_trace_filter *f)
{
	uint64_t n;

	if (!strncmp(*s, "others", 6)) {
		f->others = true;
		*s += 6;
		return true;
	}
	if (!number(s, 10, &n) || n >= SH_TRACE_OTHERS)
		return false;
	f->vcpus |= 1ull << n;
	return true;
}

static bool parse_address(const char **s, struct sh_trace_filter *f)
{
	if (!number(s, 16, &f->first) || **s != '-')
		return false;
	++*s;
	return number(s, 16, &f->last) && f->first <= f->last;
}

int trace_filter_parse(const char *text, struct sh_trace_filter *f, char *msg, size_t n)
{
	bool who = false, ok;
	const char *s = text;

	*f = (struct sh_trace_filter){.events = UINT64_MAX, .last = UINT64_MAX};
	do {
		const char *word = s;

		if (!strncmp(s, "vcpu=", 5)) {
			s += 5;
			ok = who = parse_vcpu(&s, f);
		} else if (!strncmp(s, "address=", 8)) {
			s += 8;
			ok = parse_address(&s, f);
		} else {
			ok = false;
		}
		if (!ok || (*s && *s != ',')) {
			snprintf(msg, n,
				 "'%.60s' is no filter; write vcpu=N, vcpu=others or "
				 "address=FIRST-LAST in hexadecimal",
				 word);
			return -1;
		}
	} while (*s++);
	if (!who) {
		f->vcpus = UINT64_MAX;
		f->others = true;
	}
	return 0;
}
