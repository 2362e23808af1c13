/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that become others, and what they become: exec_NAME(argc, argv), found by name. */
#include "user/user.h"

#define RW (PROT_R | PROT_W)

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static ulong parse(const char *s)
{
	ulong n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (ulong)(*s++ - '0');
	return n;
}

static ulong kept = 1; /* in .data: 1 again in every new space */

/* args N A B...: it was called with N words and what it says; the old space is gone. */
static ulong exec_args(ulong argc, char *const *argv)
{
	CHECK(argc >= 4 && parse(argv[1]) == argc && !argv[argc]);
	CHECK(same(argv[0], "args") && same(argv[2], "") && same(argv[3], "two words"));
	CHECK(kept == 1);
	if (argc == 5)
		CHECK(CALL1(SYS_PTE, parse(argv[4])) == 0);
	return 0;
}

/* chain N: N more of itself, one after the other. */
static ulong exec_chain(ulong argc, char *const *argv)
{
	char number[24];
	const char *next[] = {"chain", number, 0};

	CHECK(argc == 2 && kept == 1);
	if (!parse(argv[1]))
		return 0;
	kept = 2;
	format_number(number, parse(argv[1]) - 1);
	CALL2(SYS_EXEC, "chain", next);
	return __LINE__;
}

/* cat IN OUT: descriptors; all others it has are closed. */
static ulong exec_cat(ulong argc, char *const *argv)
{
	static char buf[PIPE_ATOMIC];
	long n;

	CHECK(argc == 3);
	for (ulong fd = 0; fd < MAX_FDS; fd++)
		if (fd != parse(argv[1]) && fd != parse(argv[2]))
			CALL1(SYS_CLOSE, fd);
	while ((n = CALL3(SYS_READ, parse(argv[1]), buf, sizeof(buf))) > 0)
		CHECK(CALL3(SYS_WRITE, parse(argv[2]), buf, n) == n);
	CHECK(n == 0);
	return 0;
}

/* code N: ends with N. */
static ulong exec_code(ulong argc, char *const *argv)
{
	CHECK(argc == 2);
	return parse(argv[1]);
}

#define ROW(name) exec_##name,
static ulong (*const named[])(ulong, char *const *) = {EXEC_PROGRAMS(ROW)};

ulong exec_main(ulong program, const struct exec_block *b)
{
	return program < ARRAY_SIZE(named) ? named[program](b->argc, b->argv) : __LINE__;
}

/* Each of these leaves the caller as it was. */
static ulong refused(void)
{
	static char large[4096];
	const char *none[] = {0}, *long_one[] = {"args", large, 0}, *many[EXEC_ARGS + 2];

	for (ulong i = 0; i < sizeof(large); i++)
		large[i] = 'x';
	for (ulong i = 0; i <= EXEC_ARGS; i++)
		many[i] = "";
	many[EXEC_ARGS + 1] = 0;
	CHECK(CALL2(SYS_EXEC, "no-such-program", none) == ERR);
	CHECK(CALL2(SYS_EXEC, "arg", none) == ERR);
	CHECK(CALL2(SYS_EXEC, KBASE, none) == ERR);
	CHECK(CALL2(SYS_EXEC, 8, none) == ERR);
	CHECK(CALL2(SYS_EXEC, "args", 8) == ERR);
	CHECK(CALL2(SYS_EXEC, "args", KBASE) == ERR);
	CHECK(CALL2(SYS_EXEC, "args", long_one) == ERR);
	CHECK(CALL2(SYS_EXEC, "args", many) == ERR);
	return 0;
}

ulong prog_exec(ulong arg)
{
	volatile ulong *page = map(1, RW, 0);
	char where[24];
	const char *words[] = {"args", "5", "", "two words", where, 0};
	const char *few[] = {"args", "4", "", "two words", 0}, *chain[] = {"chain", "7", 0};

	(void)arg;
	CHECK(page);
	*page = kept = 7;
	CHECK(refused() == 0);
	CHECK(*page == 7 && kept == 7);
	format_number(where, (ulong)page);
	if (CALL0(SYS_FORK) == 0)
		exit_with((ulong)CALL2(SYS_EXEC, "args", words));
	if (CALL0(SYS_FORK) == 0)
		exit_with((ulong)CALL2(SYS_EXEC, "chain", chain));
	CHECK(wait_all_ok(2) == 0);
	CHECK(*page == 7 && kept == 7);
	CALL2(SYS_EXEC, "args", few);
	return __LINE__;
}

/* Many at a time, on all CPUs; each comes back with its own number. */
ulong prog_exec_storm(ulong total)
{
	struct exit_info info;
	char number[24];
	const char *words[] = {"code", number, 0};

	for (ulong i = 0; i < total; i += 4) {
		ulong sum = 0;

		for (ulong k = 0; k < 4; k++) {
			long pid = CALL0(SYS_FORK);

			CHECK(pid >= 0);
			format_number(number, i + k);
			if (!pid)
				exit_with((ulong)CALL2(SYS_EXEC, "code", words));
		}
		for (ulong k = 0; k < 4; k++) {
			CHECK(CALL1(SYS_WAIT, &info) > 0 && !info.killed);
			sum += info.code;
		}
		CHECK(sum == 4 * i + 6);
	}
	return 0;
}
