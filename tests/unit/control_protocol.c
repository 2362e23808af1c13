/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of the control socket: what a well-behaved client meets, and what its mistakes give.
 */
#define _GNU_SOURCE 1 /* memmem */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/control_rig.h"

static struct rig rig;
static struct peer a, b;

static void start(void)
{
	rig_start(&rig);
	peer_connect(&a, rig.path);
}

static void start_negotiated(void)
{
	start();
	peer_negotiate(&a);
}

static void stop(void)
{
	peer_close(&a);
	rig_stop(&rig);
}

static void test_negotiation(void)
{
	start();
	expect_error(&a, STATUS, "CommandNotFound", "Expecting capabilities negotiation");
	expect_error(&a, "{\"execute\":\"no-such\"}", "CommandNotFound", "Expecting");
	expect_error(&a, "{\"execute\":\"stop\"}", "CommandNotFound", "Expecting");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	expect_error(&a,
		     "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"x\"]}}",
		     "GenericError", "'x'");
	expect_error(&a, STATUS, "CommandNotFound", "Expecting");
	peer_negotiate(&a);
	expect(&a, STATUS,
	       "{\"return\":{\"running\":true,\"singlestep\":false,\"status\":\"running\"}}");
	expect_error(&a, NEGOTIATE, "CommandNotFound", "already complete");
	/* Each client negotiates for itself. */
	peer_connect(&b, rig.path);
	expect_error(&b, STATUS, "CommandNotFound", "Expecting");
	peer_close(&b);
	stop();
}

static void test_oob(void)
{
	start_negotiated();
	expect_error(&a, "{\"exec-oob\":\"query-status\"}", "GenericError",
		     "'exec-oob' is unexpected");
	peer_connect(&b, rig.path);
	expect(&b, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}",
	       "{\"return\":{}}");
	expect(&b, "{\"exec-oob\":\"query-name\",\"id\":1}",
	       "{\"return\":{\"name\":\"rig\"},\"id\":1}");
	expect_error(&b, "{\"exec-oob\":\"stop\"}", "GenericError", "does not support OOB");
	expect_error(&b, "{\"exec-oob\":\"query-name\",\"execute\":\"query-name\"}",
		     "GenericError", "clashes");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	peer_close(&b);
	stop();
}

static void test_commands(void)
{
	start_negotiated();
	expect(&a, "{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"rig\"}}");
	expect(&a, "{\"execute\":\"query-cpus-fast\"}", "{\"return\":[]}");
	expect_error(&a, "{\"execute\":\"query-shadow-roots\"}", "DeviceNotActive",
		     "no shadow MMU");
	expect_error(&a, "{\"execute\":\"shadow-audit\"}", "DeviceNotActive", "no shadow MMU");
	expect(&a, "{\"execute\":\"query-target\"}", "{\"return\":{\"arch\":\"x86_64\"}}");
	expect(&a, "{\"execute\":\"system_reset\"}", "{\"return\":{}}");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.resets), 1);
	expect(&a, "{\"execute\":\"query-shadow-stats\"}", "{\"return\":{\"text\":\"\"}}");
	expect_error(&a, "{\"execute\":\"cont\"}", "DeviceNotActive", "already running");
	peer_send(&a, "{\"execute\":\"query-version\"}");
	struct json_object *o = peer_receive(&a);
	CU_ASSERT_PTR_NOT_NULL(strstr(text_at(o, "return", "package"), "umbra"));
	json_object_put(o);
	expect(&a, "{\"execute\":\"quit\"}", "{\"return\":{}}");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.quits), 1);
	stop();
}

/* Every row of the table is listed, and runs or says which argument it lacks. */
static void test_query_commands(void)
{
	char text[128];
	struct json_object *list = NULL;
	start_negotiated();
	peer_send(&a, "{\"execute\":\"query-commands\"}");
	struct json_object *o = peer_receive(&a);
	CU_ASSERT_TRUE_FATAL(json_object_object_get_ex(o, "return", &list));
	size_t n = 0;
	while (ctl_commands[n].name)
		n++;
	CU_ASSERT_EQUAL(json_object_array_length(list), n);
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "{\"execute\":\"%s\",\"arguments\":{\"x-x\":1}}",
			 ctl_commands[i].name);
		expect_error(&a, text, "GenericError", "'x-x' is unexpected");
		CU_ASSERT_TRUE(ctl_commands[i].help && ctl_commands[i].returns);
	}
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops) + atomic_load(&rig.m.quits), 0);
	json_object_put(o);
	stop();
}

static void test_arguments(void)
{
	static const char *const bad_gva[] = {
		"1",	   "null",	"\"\"",	    "\"0x\"",
		"\"12\"",  "\"0x-1\"",	"\"0x1g\"", "\"x\"",
		"\"0 1\"", "[\"0x1\"]", "\" 0x1\"", "\"0x11112222333344445\""};
	static const char *const bad_vcpu[] = {"-1",   "1.0",	     "\"1\"",
					       "true", "4294967296", "null"};
	char text[160];
	start_negotiated();
	expect_error(&a, "{\"execute\":\"shadow-walk\"}", "GenericError", "'gva' is missing");
	expect_error(&a, "{\"execute\":\"shadow-walk\",\"arguments\":{}}", "GenericError",
		     "'gva' is missing");
	for (size_t i = 0; i < sizeof(bad_gva) / sizeof(*bad_gva); i++) {
		snprintf(text, sizeof(text),
			 "{\"execute\":\"shadow-walk\",\"arguments\":{\"gva\":%s}}",
			 bad_gva[i]);
		expect_error(&a, text, "GenericError", "type for 'gva'");
	}
	for (size_t i = 0; i < sizeof(bad_vcpu) / sizeof(*bad_vcpu); i++) {
		snprintf(text, sizeof(text),
			 "{\"execute\":\"shadow-walk\",\"arguments\":{\"gva\":\"0x0\","
			 "\"vcpu\":%s}}",
			 bad_vcpu[i]);
		expect_error(&a, text, "GenericError", "type for 'vcpu'");
	}
	expect_error(&a, "{\"execute\":\"stop\",\"arguments\":{\"now\":true}}", "GenericError",
		     "'now' is unexpected");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	stop();
}

/* A machine that has ended still says who it was, and does nothing more. */
static void test_ended(void)
{
	start_negotiated();
	atomic_store(&rig.m.ended, true);
	expect(&a, "{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"rig\"}}");
	expect_error(&a, "{\"execute\":\"stop\"}", "DeviceNotActive", "has ended");
	expect_error(&a, "{\"execute\":\"system_reset\"}", "DeviceNotActive", "has ended");
	expect_error(&a, "{\"execute\":\"shadow-set\"}", "DeviceNotActive", "has ended");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops) + atomic_load(&rig.m.resets), 0);
	CU_ASSERT_EQUAL(atomic_load(&rig.m.pauses), 0);
	stop();
}

static void test_members(void)
{
	start_negotiated();
	expect_error(&a, "{}", "GenericError", "lacks member 'execute'");
	expect_error(&a, "{\"execute\":1}", "GenericError", "must be a string");
	expect_error(&a, "{\"execute\":null}", "GenericError", "must be a string");
	expect_error(&a, "{\"execute\":\"stop\",\"arguments\":[]}", "GenericError",
		     "must be an object");
	expect_error(&a, "{\"execute\":\"stop\",\"arguments\":null}", "GenericError",
		     "must be an object");
	expect_error(&a, "{\"execute\":\"stop\",\"control\":{}}", "GenericError",
		     "'control' is unexpected");
	expect_error(&a, "[{\"execute\":\"stop\"}]", "GenericError", "must be a JSON object");
	expect_error(&a, "{\"execute\":\"\"}", "CommandNotFound", "has not been found");
	expect_error(&a, "{\"execute\":\"Stop\"}", "CommandNotFound",
		     "Stop has not been found");
	CU_ASSERT_EQUAL(atomic_load(&rig.m.stops), 0);
	stop();
}

static void test_id(void)
{
	static const char *const ids[] = {"0",
					  "-9223372036854775808",
					  "18446744073709551615",
					  "1.50",
					  "1e400",
					  "true",
					  "false",
					  "null",
					  "\"\"",
					  "\"a \\\\ \\\" b\"",
					  "[]",
					  "{}",
					  "[1,[2,{\"x\":[null]}]]",
					  "{\"id\":{\"execute\":\"stop\"}}"};
	char text[256], wanted[256];
	start_negotiated();
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		snprintf(text, sizeof(text), "{\"id\":%s,\"execute\":\"query-name\"}", ids[i]);
		snprintf(wanted, sizeof(wanted), "{\"return\":{\"name\":\"rig\"},\"id\":%s}",
			 ids[i]);
		expect(&a, text, wanted);
	}
	/* Errors carry it too, even of requests that are no commands. */
	expect(&a, "{\"execute\":\"x\",\"id\":7}",
	       "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command x has not "
	       "been found\"},\"id\":7}");
	expect(&a, "{\"x\":1,\"id\":[7]}",
	       "{\"error\":{\"class\":\"GenericError\",\"desc\":\"QMP input member 'x' is "
	       "unexpected\"},\"id\":[7]}");
	stop();
}

static void test_non_ascii(void)
{
	start_negotiated();
	/* Sent as UTF-8 and as escapes; the rig checks that what comes back is ASCII. */
	expect(&a, "{\"execute\":\"query-name\",\"id\":{\"\xc3\xa9\":\"\xe2\x82\xac\"}}",
	       "{\"return\":{\"name\":\"rig\"},\"id\":{\"\xc3\xa9\":\"\xe2\x82\xac\"}}");
	expect(&a,
	       "{\"execute\":\"query-name\",\"id\":\"\xf0\x9f\x98\x80\\ud83d\\ude00\\u00e9\"}",
	       "{\"return\":{\"name\":\"rig\"},\"id\":"
	       "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xc3\xa9\"}");
	/* What the machine says may be broken UTF-8: each bad byte becomes U+FFFD. */
	rig.m.name = "\xc3(\xff\xed\xa0\x80\xf8\xc0\xaf\xe2\x82";
	expect(&a, "{\"execute\":\"query-name\"}",
	       "{\"return\":{\"name\":\"\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
	       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}}");
	stop();
}

static void test_pipelined(void)
{
	char text[8192], wanted[64];
	size_t n = 0;
	rig_start(&rig);
	peer_connect_silently(&a, rig.path); /* and sends before it reads the greeting */
	n += (size_t)snprintf(text, sizeof(text), NEGOTIATE);
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "{\"execute\":\"query-name\",\"id\":%d}%s", i,
				      i % 3 ? "" : " \r\n\t");
	peer_send(&a, text);
	json_object_put(peer_receive(&a));
	expect(&a, "", "{\"return\":{}}");
	for (int i = 0; i < 100; i++) {
		snprintf(wanted, sizeof(wanted), "{\"return\":{\"name\":\"rig\"},\"id\":%d}",
			 i);
		expect(&a, "", wanted);
	}
	stop();
}

static void test_single_bytes(void)
{
	static const char text[] = "{\"execute\" :\n\"query-name\",\r\n\"id\":"
				   "\"\xe2\x82\xac\\u00e9\\n\" }";
	start_negotiated();
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		peer_send_bytes(&a, text + i, 1);
		usleep(500);
	}
	expect(&a, "", "{\"return\":{\"name\":\"rig\"},\"id\":\"\xe2\x82\xac\xc3\xa9\\n\"}");
	stop();
}

/* A reply longer than any limit on what may be owed arrives whole. */
static void test_large_reply(void)
{
	enum { SIZE = 6 << 20 };
	char *buf = malloc(SIZE + 1000);
	size_t n = 0;
	rig_start(&rig);
	rig.m.stats_size = SIZE;
	peer_connect(&a, rig.path);
	peer_negotiate(&a);
	peer_send(&a, "{\"execute\":\"query-shadow-stats\"}" STATUS);
	usleep(50000);
	control_event(rig.m.control, "RESET", NULL);
	while (n < SIZE + 200 && !memmem(buf, n, "running", 7)) {
		ssize_t k = read(a.fd, buf + n, SIZE + 999 - n);
		if (k <= 0)
			break;
		n += (size_t)k;
		buf[n] = 0;
		if (n > SIZE && strstr(buf + SIZE, "\"status\""))
			break;
	}
	CU_ASSERT_TRUE(n > SIZE);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf + SIZE, "RESET"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf + SIZE, "\"status\""));
	free(buf);
	stop();
}

const struct tap_case control_protocol_tests[] = {
	{"negotiation", test_negotiation},
	{"oob", test_oob},
	{"commands", test_commands},
	{"query_commands", test_query_commands},
	{"arguments", test_arguments},
	{"ended", test_ended},
	{"members", test_members},
	{"id", test_id},
	{"non_ascii", test_non_ascii},
	{"pipelined", test_pipelined},
	{"single_bytes", test_single_bytes},
	{"large_reply", test_large_reply},
	TAP_NO_CASE,
};
