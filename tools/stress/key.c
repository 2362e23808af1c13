/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The words of a script: what each may be, and which option of `umbra run` it becomes. A further key
 * is a row here and in enum key.
 *
 * What can be told without a machine is told here; whether a guest has a scenario, and whether umbra
 * knows a technique, is asked in check.c before anything runs.
 *
 * Read first: stress.h. Locks: none.
 */
#include "tools/stress/stress.h"

#include "vmm/sizes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool one_of(const char *value, const char *const *words)
{
	while (*words && strcmp(*words, value))
		words++;
	return *words;
}

static bool engine(const char *v)
{
	return one_of(v, (const char *const[]){"auto", "kvm", "hybrid", "soft", NULL});
}

static bool tlb(const char *v)
{
	return one_of(v, (const char *const[]){"plain", "adversarial", NULL});
}

static bool expect(const char *v)
{
	return one_of(v,
		      (const char *const[]){"pass", "fail", "crash", "timeout", "any", NULL});
}

static bool number_from(const char *v, uint64_t min, uint64_t max)
{
	uint64_t n;

	return !number_parse(v, &n) && n >= min && n <= max;
}

static bool cpus(const char *v)
{
	return number_from(v, 1, 64);
}

static bool repeat(const char *v)
{
	return number_from(v, 1, 1000000);
}

static bool timeout(const char *v)
{
	return number_from(v, 1, 86400);
}

static bool size(const char *v)
{
	uint64_t n;

	return !size_parse(v, &n);
}

/* Words joined by '+'. */
static bool words(const char *v)
{
	if (!*v || *v == '+' || v[strlen(v) - 1] == '+' || strstr(v, "++"))
		return false;
	return v[strspn(v,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+")] ==
	       0;
}

static bool word(const char *v)
{
	return words(v) && !strchr(v, '+') && strlen(v) <= STRESS_NAME;
}

/* "default", or NAME=on|off joined by '+'. */
static bool mmu(const char *v)
{
	char name[STRESS_NAME + 1];
	int end;

	if (!strcmp(v, "default"))
		return true;
	for (;; v++) {
		if (sscanf(v, "%32[a-z0-9-]=%n", name, &end) != 1)
			return false;
		v += end;
		if (!strncmp(v, "on", 2))
			v += 2;
		else if (!strncmp(v, "off", 3))
			v += 3;
		else
			return false;
		if (*v != '+')
			return !*v;
	}
}

static bool text(const char *v)
{
	for (; *v; v++)
		if (!isprint((unsigned char)*v))
			return false;
	return true;
}

/* N, A..B, or random:COUNT. */
static bool seed(const char *v)
{
	char low[24];
	uint64_t a, b;
	int end = 0;

	if (!strncmp(v, "random:", 7))
		return number_from(v + 7, 1, 1000000);
	if (sscanf(v, "%23[0-9]..%n", low, &end) == 1 && end)
		return !number_parse(low, &a) && !number_parse(v + end, &b) && a <= b &&
		       b - a < 1000000;
	return number_from(v, 0, UINT64_MAX);
}

/* Events, which the run's black box takes; a colon would begin a file's name. */
static bool trace(const char *v)
{
	return *v && text(v) && !strchr(v, ':');
}

/* All but the walks of the guest's tables, which would fill the rings with themselves. */
#define USUAL_TRACE                                                                    \
	"*_fault,tracked_write,*_page,*_spte,split,sync_entry,dmap*,cr3,invlpg,flush," \
	"shootdown,"                                                                   \
	"grace_period"

/* clang-format off */
const struct key_def key_defs[KEY_COUNT] = {
	[KEY_GUEST] = {"guest", "--guest", "amd64", "an image's name, such as amd64", word, false},
	[KEY_ENGINE] = {"engine", "--cpu", "auto", "auto, kvm, hybrid or soft", engine, false},
	[KEY_TLB] = {"tlb", "--tlb", NULL, "plain or adversarial", tlb, false},
	[KEY_CPUS] = {"cpus", "--cpus", "2", "a number from 1 to 64", cpus, false},
	[KEY_MEMORY] = {"memory", "--memory", "256M", "a size, such as 256M", size, false},
	[KEY_LOWMEM] = {"lowmem", "--lowmem", NULL, "0 or a size, such as 64M", size, false},
	[KEY_LIMIT] = {"shadow-limit", "--shadow-limit", NULL, "a size, such as 1M", size, false},
	[KEY_MMU] = {"mmu", NULL, NULL, "default, or techniques such as unsync=off+large=off", mmu, false},
	[KEY_SCENARIO] = {"scenario", NULL, NULL, "a scenario's name, or several joined by +", words, false},
	[KEY_APPEND] = {"append", "--append", NULL, "printable text in quotes", text, false},
	[KEY_SEED] = {"seed", NULL, "random:1", "a number, A..B or random:COUNT", seed, false},
	[KEY_REPEAT] = {"repeat", NULL, "1", "a number from 1 to 1000000", repeat, true},
	[KEY_TIMEOUT] = {"timeout", "--timeout", "120", "seconds, 1 to 86400", timeout, true},
	[KEY_EXPECT] = {"expect", NULL, "pass", "pass, fail, crash, timeout or any", expect, true},
	[KEY_TRACE] = {"trace", NULL, USUAL_TRACE, "off, or events in quotes, as umbra's --trace has them", trace, true},
};
/* clang-format on */
