/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of the control socket: clients that send garbage, flood, do not read or hang up. In
 * each, another client must go on working.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/control_rig.h"

#define PARSE "JSON parse error"

static struct rig rig;
static struct peer bad, good;

static void start(void)
{
	rig_start(&rig);
	peer_connect(&bad, rig.path);
	peer_negotiate(&bad);
	peer_connect(&good, rig.path);
	peer_negotiate(&good);
}

static void check_works(struct peer *p)
{
	expect(p, "{\"execute\":\"query-name\",\"id\":5}",
	       "{\"return\":{\"name\":\"rig\"},\"id\":5}");
}

static void stop(void)
{
	check_works(&good);
	peer_close(&good);
	peer_close(&bad);
	rig_stop(&rig);
}

/* One error per bad line, and the next line is understood. */
static void test_malformed(void)
{
	static const char *const lines[] = {
		"hello\n",
		"\"execute\"\n",
		"12345678901234567890123\n",
		"}\n",
		"]]]]\n",
		"{]\n",
		"[}\n",
		"{\"execute\"}\n",
		"{\"execute\":}\n",
		"{\"execute\":\"stop\",}\n",
		"{\"execute\":\"stop\" \"id\":1}\n",
		"{execute:\"stop\"}\n",
		"{'execute':'stop'}\n",
		"{\"execute\":stop}\n",
		"{\"execute\":\"st\nop\"}\n",
		"{\"execute\":\"st\top\"}\n",
		"{\"execute\":\"\\q\"}\n",
		"{\"execute\":\"\\u12g4\"}\n",
		"{\"execute\":\"stop\\u0000\"}\n",
		"{\"execute\":\"stop\",\"id\":\"\\u0000\"}\n",
		"{\"execute\\u0000x\":\"stop\"}\n",
		"{\"execute\":\"stop\xc3\"}\n",
		"{\"execute\":\"stop\"/* no */}\n",
		"{\"execute\":\"stop\",\"id\":NaN}\n",
		"{\"execute\":\"stop\",\"id\":tru}\n",
		"{\"execute\":\"stop\",\"id\":-}\n",
		"{\"execute\":\"stop\",\"id\":1e}\n",
		"\xff\xfe\xef\xbb\xbf{\"execute\":\"stop\"}\n",
	};
	start();
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		expect_error(&bad, lines[i], "GenericError", PARSE);
		/* A string broken over two lines leaves the rest of it as a second bad line. */
		if (strstr(lines[i], "st\nop"))
			expect_error(&bad, "", "GenericError", PARSE);
		check_works(&bad);
	}
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	stop();
}

static void test_resync(void)
{
	start();
	expect_error(&bad, "{\"execute\":\"query-na\xff", "GenericError", "interrupted");
	check_works(&bad);
	expect_error(&bad, "{\"execute\":[{\x01", "GenericError", "interrupted");
	check_works(&bad);
	/* Skipping after an error ends at 0xFF too; between objects it means nothing. */
	expect_error(&bad, "nonsense {}\xff\xff", "GenericError", PARSE);
	check_works(&bad);
	stop();
}

static void test_nul_bytes(void)
{
	static const char zeros[70000];
	start();
	peer_send_bytes(&bad, zeros, sizeof(zeros));
	check_works(&bad);
	peer_send_bytes(&bad, "{\"execute\":\"stop\0\"}", 19);
	expect_error(&bad, "\n", "GenericError", "interrupted");
	expect_error(&bad, "", "GenericError", PARSE);
	check_works(&bad);
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	stop();
}

static void nest(char open, char close, int depth, char *text)
{
	memset(text, open, (size_t)depth);
	memset(text + depth, close, (size_t)depth);
	text[2 * depth] = 0;
}

static void test_deep(void)
{
	char *text = malloc(200001);
	start();
	nest('[', ']', 100000, text);
	expect_error(&bad, text, "GenericError", "nested too deeply");
	peer_send(&bad, "\n");
	check_works(&bad);
	nest('{', '}', 100000, text);
	expect_error(&bad, text, "GenericError", PARSE);
	peer_send(&bad, "\n");
	check_works(&bad);
	free(text);
	stop();
}

/* A million small values would cost a hundred times their size once parsed. */
static void test_wide(void)
{
	enum { VALUES = 300000 };
	char *text = malloc(3 * VALUES + 100);
	size_t n = (size_t)sprintf(text, "{\"execute\":\"query-name\",\"id\":[[]");
	start();
	for (int i = 0; i < VALUES; i++, n += 3)
		memcpy(text + n, ",[]", 3);
	strcpy(text + n, "]}\n");
	expect_error(&bad, text, "GenericError", "too many values");
	check_works(&bad);
	free(text);
	stop();
}

/* The limit itself: 64 levels are echoed, 65 are refused. */
static void test_depth_limit(void)
{
	char brackets[2 * CTL_MAX_DEPTH + 1], request[300], wanted[300];
	start();
	nest('[', ']', CTL_MAX_DEPTH - 1, brackets);
	snprintf(request, sizeof(request), "{\"execute\":\"query-name\",\"id\":%s}", brackets);
	snprintf(wanted, sizeof(wanted), "{\"return\":{\"name\":\"rig\"},\"id\":%s}", brackets);
	expect(&bad, request, wanted);
	nest('[', ']', CTL_MAX_DEPTH, brackets);
	snprintf(request, sizeof(request), "{\"execute\":\"query-name\",\"id\":%s}\n",
		 brackets);
	expect_error(&bad, request, "GenericError", "nested too deeply");
	check_works(&bad);
	stop();
}

static void test_endless_object(void)
{
	static char text[65536];
	start();
	memset(text, ' ', sizeof(text));
	peer_send(&bad, "{\"execute\":");
	for (int i = 0; i < 17; i++) {
		peer_send_bytes(&bad, text, sizeof(text));
		check_works(&good);
	}
	memset(text, 'x', sizeof(text));
	expect_error(&bad, "\n", "GenericError", "too large");
	peer_send(&bad, "{\"execute\":\"");
	for (int i = 0; i < 32; i++)
		peer_send_bytes(&bad, text, sizeof(text));
	expect_error(&bad, "\n", "GenericError", "too large");
	check_works(&bad);
	stop();
}

static void test_huge_numbers(void)
{
	char text[1100], digits[1001];
	start();
	memset(digits, '9', 1000);
	digits[1000] = 0;
	snprintf(text, sizeof(text), "{\"execute\":\"query-name\",\"id\":%s}\n", digits);
	expect_error(&bad, text, "GenericError", PARSE);
	expect_error(&bad, "{\"execute\":\"stop\",\"id\":18446744073709551616}\n",
		     "GenericError", PARSE);
	expect_error(&bad,
		     "{\"execute\":\"shadow-walk\",\"arguments\":{\"gva\":\"0x1\","
		     "\"vcpu\":18446744073709551615}}\n",
		     "GenericError", "type for 'vcpu'");
	expect(&bad, "{\"execute\":\"query-name\",\"id\":-1.7976931348623157e+9999}",
	       "{\"return\":{\"name\":\"rig\"},\"id\":-1.7976931348623157e+9999}");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	stop();
}

static void test_hang_up(void)
{
	static const char *const last[] = {"",	   "{",	   "{\"execute\":\"qu",
					   "\xff", "[[[[", STATUS};
	struct peer p;
	start();
	for (int i = 0; i < 60; i++) {
		peer_connect_silently(&p, rig.path);
		peer_send(&p, NEGOTIATE);
		peer_send(&p, last[i % 6]);
		peer_close(&p);
	}
	/* What was sent before hanging up is carried out. */
	peer_connect_silently(&p, rig.path);
	peer_send(&p, NEGOTIATE "{\"execute\":\"stop\"}{\"execute\":\"stop\"}");
	peer_close(&p);
	expect_event(&good, "STOP");
	expect_event(&good, "STOP");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 2);
	json_object_put(peer_receive(&bad));
	json_object_put(peer_receive(&bad));
	stop();
}

/* `echo ... | socat`: the sending side closes first and still gets its replies. */
static void test_half_close(void)
{
	start();
	peer_send(&bad, "{\"execute\":\"query-name\"}{\"execute\":\"query-name\"}{\"exec");
	shutdown(bad.fd, SHUT_WR);
	expect(&bad, "", "{\"return\":{\"name\":\"rig\"}}");
	expect(&bad, "", "{\"return\":{\"name\":\"rig\"}}");
	CU_ASSERT_PTR_NULL(peer_receive(&bad));
	stop();
}

/* Its commands wait once a megabyte is owed to it; they are carried out when it reads. */
static void test_never_reads(void)
{
	enum { COMMANDS = 40 };
	start();
	rig.m.stats_size = 60000;
	for (int i = 0; i < COMMANDS; i++)
		peer_send(&bad, "{\"execute\":\"query-shadow-stats\"}");
	for (int i = 0; i < 100; i++)
		check_works(&good);
	int got = 0;
	for (int i = 0; i < COMMANDS; i++) {
		struct json_object *o = peer_receive(&bad);
		got += o != NULL;
		json_object_put(o);
	}
	CU_ASSERT_EQUAL(got, COMMANDS);
	check_works(&bad);
	stop();
}

/* Events do not wait: a client that lets 4 MiB of them pile up is disconnected. */
static void test_never_reads_events(void)
{
	static char text[40001];
	struct json_object *o;
	int got = 0;
	start();
	memset(text, 'e', sizeof(text) - 1);
	for (int i = 0; i < 150; i++) {
		struct json_object *data = json_object_new_object();
		json_object_object_add(data, "text", json_object_new_string(text));
		control_event(rig.m.control, "RESET", data);
		expect_event(&good, "RESET");
	}
	while ((o = peer_receive(&bad)) != NULL) {
		json_object_put(o);
		got++;
	}
	CU_ASSERT_TRUE(got < 150);
	stop();
}

static void test_flood(void)
{
	enum { COMMANDS = 3000 };
	char *text = calloc(COMMANDS, sizeof(STATUS));
	start();
	for (int i = 0; i < COMMANDS; i++)
		memcpy(text + (size_t)i * (sizeof(STATUS) - 1), STATUS, sizeof(STATUS));
	peer_send(&bad, text);
	for (int i = 0; i < 50; i++)
		check_works(&good);
	for (int i = 0; i < COMMANDS; i++)
		json_object_put(peer_receive(&bad));
	check_works(&bad);
	free(text);
	stop();
}

/* Beyond the limit a client gets one line and is disconnected; those before it work. */
static void test_many_clients(void)
{
	enum { CLIENTS = CTL_MAX_CLIENTS + 30 };
	static struct peer p[CLIENTS];
	unsigned served = 0, refused = 0;
	start();
	for (int i = 0; i < CLIENTS; i++)
		peer_connect_silently(&p[i], rig.path);
	for (int i = 0; i < CLIENTS; i++) {
		struct json_object *o = peer_receive(&p[i]);
		bool greeted = json_object_object_get_ex(o, "QMP", NULL);
		bool full = strstr(text_at(o, "error", "desc"), "Too many clients") != NULL;
		served += greeted;
		refused += full && peer_receive(&p[i]) == NULL;
		json_object_put(o);
		if (greeted)
			peer_negotiate(&p[i]);
	}
	CU_ASSERT_EQUAL(served, CTL_MAX_CLIENTS - 2);
	CU_ASSERT_EQUAL(refused, CLIENTS - served);
	check_works(&bad);
	for (int i = 0; i < CLIENTS; i++)
		peer_close(&p[i]);
	check_works(&good);
	peer_connect(&p[0], rig.path);
	peer_close(&p[0]);
	stop();
}

const struct tap_case control_hostile_tests[] = {
	{"malformed", test_malformed},
	{"resync", test_resync},
	{"nul_bytes", test_nul_bytes},
	{"deep", test_deep},
	{"wide", test_wide},
	{"depth_limit", test_depth_limit},
	{"endless_object", test_endless_object},
	{"huge_numbers", test_huge_numbers},
	{"hang_up", test_hang_up},
	{"half_close", test_half_close},
	{"never_reads", test_never_reads},
	{"never_reads_events", test_never_reads_events},
	{"flood", test_flood},
	{"many_clients", test_many_clients},
	TAP_NO_CASE,
};
