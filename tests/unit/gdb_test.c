/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The GDB stub's sessions, byte by byte as GDB's manual has them ("Remote Protocol"), on a machine that
 * only remembers; and the comparison of addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/gdb_rig.h"
#include "tests/unit/tap.h"

static struct gdb_rig r;
static struct gdb_session *s;

static void setup(void)
{
	gdb_rig_init(&r);
	s = gdb_session_create(&gdb_rig_ops, &r, GDB_AMD64);
}

static void teardown(void)
{
	gdb_session_destroy(s);
}

static void feed(const char *p, size_t n)
{
	for (size_t at = 0; at < n;)
		at += gdb_session_input(s, p + at, n - at);
}

/* All output since the last call. */
static const char *output(void)
{
	static char buf[65536];
	size_t n = s->out.len < sizeof(buf) - 1 ? s->out.len : sizeof(buf) - 1;

	memcpy(buf, n ? s->out.p : "", n);
	buf[n] = 0;
	ctl_text_clear(&s->out);
	return buf;
}

/* Sends data in a frame and returns what is in the frame that comes back; NULL: none came. */
static const char *ask_bytes(const char *data, size_t n)
{
	struct ctl_text frame = {0};
	static char reply[65536];
	const char *out, *end;

	gdb_frame_put(&frame, data, n);
	output();
	feed(frame.p, frame.len);
	ctl_text_free(&frame);
	out = strchr(output(), '$');
	end = out ? strrchr(out, '#') : NULL;
	if (!end)
		return NULL;
	snprintf(reply, sizeof(reply), "%.*s", (int)(end - out - 1), out + 1);
	return reply;
}

static const char *ask(const char *data)
{
	return ask_bytes(data, strlen(data));
}

static void expect(const char *data, const char *wanted)
{
	const char *got = ask(data);

	CU_ASSERT_PTR_NOT_NULL_FATAL(got);
	if (strcmp(got, wanted))
		printf("# %s: %s, not %s\n", data, got, wanted);
	CU_ASSERT_STRING_EQUAL(got, wanted);
}

/* ---- frames ---- */

static void frames(void)
{
	feed("$?#3f", 5);
	CU_ASSERT_STRING_EQUAL(output(), "+$T02thread:1;#d4");
	feed("$?#3e", 5); /* a wrong checksum */
	CU_ASSERT_STRING_EQUAL(output(), "-");
	feed("-", 1); /* asks for the last one again */
	CU_ASSERT_STRING_EQUAL(output(), "$T02thread:1;#d4");
	feed("noise+\r\n\x03$?#3f", 14);
	CU_ASSERT_STRING_EQUAL(output(), "+$T02thread:1;#d4");
	feed("$m0,1$?#3f", 10); /* given up half way */
	CU_ASSERT_STRING_EQUAL(output(), "+$T02thread:1;#d4");
	feed("$?#zz", 5);
	CU_ASSERT_STRING_EQUAL(output(), "-");
	feed("$}#7d", 5); /* nothing behind the escape */
	CU_ASSERT_STRING_EQUAL(output(), "-");
}

static void no_ack(void)
{
	feed("$QStartNoAckMode#b0", 19);
	CU_ASSERT_STRING_EQUAL(output(), "+$OK#9a");
	feed("$?#3f", 5);
	CU_ASSERT_STRING_EQUAL(output(), "$T02thread:1;#d4");
	feed("$?#00-", 6);
	CU_ASSERT_STRING_EQUAL(output(), "");
}

static void too_long(void)
{
	const size_t n = GDB_PACKET * 4;
	char *p = malloc(n);

	memset(p, 'm', n);
	p[0] = '$';
	feed(p, n);
	CU_ASSERT_EQUAL(s->frame.len, GDB_PACKET);
	CU_ASSERT_EQUAL(s->out.len, 0);
	feed("#00", 3);
	CU_ASSERT_STRING_EQUAL(output(), "-");
	free(p);
	expect("?", "T02thread:1;");
}

static void unknown(void)
{
	static const char *const none[] = {
		"",	    "!",	  "_",	   "vMustReplyEmpty",	      "qNothing",
		"QNothing", "vCont",	  "qRcmd", "qXfer:auxv:read::0,1000", "Z9,0,1",
		"b",	    "qSupportedX"};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		expect(none[i], "");
}

/* ---- registers ---- */

static void registers(void)
{
	const char *all = ask("g");

	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	CU_ASSERT_EQUAL(strncmp(all, "0077665544332211", 16), 0);
	/* 24 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 with the bases and 7 of the system's */
	CU_ASSERT_EQUAL(strlen(all),
			2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 + 2 * 8 + 7 * 8));
	expect("Hg2", "OK");
	expect("p0", "0177665544332211");
	expect("P0=8877665544332211", "OK");
	CU_ASSERT_EQUAL(r.cpu[1].gpr[CPU_RAX], 0x1122334455667788u);
	CU_ASSERT_EQUAL(r.cpu[0].gpr[CPU_RAX], 0x1122334455667700u);
	expect("p10", "f0ff000000000000"); /* RIP after RESET */
	expect("P10=0000000000008000", "E16");
	expect("P10=0080ffffffff0000", "E16"); /* not canonical */
	expect("P10=00000080ffffffff", "OK");
	CU_ASSERT_EQUAL(r.cpu[1].rip, 0xffffffff80000000u);
	expect("P11=ffffffff", "OK");
	CU_ASSERT_EQUAL(r.cpu[1].rflags & (RFL_VM | 0x8028), 0);
	CU_ASSERT(r.cpu[1].rflags & RFL_FIXED);
	expect("P12=ffff0000", "E16"); /* CS */
	expect("P12=00f00000", "OK");  /* what it is */
}

static void all_registers(void)
{
	char all[8192];

	snprintf(all, sizeof(all), "G%s", ask("g"));
	memcpy(all + 1, "ff", 2);
	expect(all, "OK");
	CU_ASSERT_EQUAL(r.cpu[0].gpr[CPU_RAX], 0x11223344556677ffu);
	memcpy(all + 1, "ee", 2);
	memcpy(all + 1 + 2 * (17 * 8 + 4), "1234", 4); /* CS */
	expect(all, "E16");
	CU_ASSERT_EQUAL(r.cpu[0].gpr[CPU_RAX], 0x11223344556677ffu);
	all[strlen(all) - 1] = 0;
	expect(all, "E16");
}

static void bad_registers(void)
{
	static const char *const bad[] = {"p",
					  "pfff",
					  "p0x",
					  "p11111111111111111",
					  "P0",
					  "P0=",
					  "P0=1",
					  "P0=zz77665544332211",
					  "P0=887766554433221100",
					  "Pffff=00",
					  "g1",
					  "G",
					  "Gzz"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i], "E16");
}

static void description(void)
{
	char part[64];
	const char *xml = ask("qXfer:features:read:target.xml:0,fffb");
	unsigned regs = 0;
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	CU_ASSERT(xml[0] == 'm' || xml[0] == 'l');
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "<architecture>i386:x86-64<"));
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "name=\"cr3\" bitsize=\"64\""));
	len = s->xml.len;
	for (const char *p = s->xml.p; p < s->xml.p + len - 5; p++)
		regs += !strncmp(p, "<reg ", 5);
	CU_ASSERT_PTR_NOT_NULL(gdb_target_reg(GDB_AMD64, regs - 1));
	CU_ASSERT_PTR_NULL(gdb_target_reg(GDB_AMD64, regs));
	snprintf(part, sizeof(part), "qXfer:features:read:target.xml:%zx,4", len - 4);
	expect(part, "lget>");
	snprintf(part, sizeof(part), "qXfer:features:read:target.xml:%zx,4", len);
	expect(part, "l");
	snprintf(part, sizeof(part), "qXfer:features:read:target.xml:%zx,4", len + 1);
	expect(part, "E16");
	expect("qXfer:features:read:target.xml:0", "E16");
	expect("qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff", "E16");
	expect("qXfer:features:read:other.xml:0,10", "E00");
}

/* ---- memory ---- */

static void memory(void)
{
	expect("m10,4", "11111111");
	expect("M10,3:a1b2c3", "OK");
	expect("m10,4", "a1b2c311");
	CU_ASSERT_STRING_EQUAL(ask_bytes("X20,4:#$}*", 10), "OK");
	CU_ASSERT_EQUAL(memcmp(r.virtual + 0x20, "#$}*", 4), 0);
	expect("X0,0:", "OK");
	expect("mffff,1", "11");
	expect("mffff,2", "E0e");
	expect("mffffffffffffffff,2", "E0e");
	expect("Mffff,2:0000", "E0e");
	expect("Hg3", "OK");
	expect("m0,1", "11");
	CU_ASSERT_EQUAL(r.memory_vcpu, 2);
	CU_ASSERT_EQUAL(strlen(ask("m0,1fe0")), 2 * GDB_DATA);
	expect("m0,1fe1", "E16");
}

static void bad_memory(void)
{
	static const char *const bad[] = {"m",
					  "m0",
					  "m0,",
					  "m,1",
					  "m0,1x",
					  "m0:1",
					  "m0,ffffffffffffffff",
					  "M0,1",
					  "M0,1:",
					  "M0,1:1",
					  "M0,1:zz",
					  "M0,1:0011",
					  "M0,2:00",
					  "X0,1",
					  "X0,2:a",
					  "X0,1:ab"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i], "E16");
}

static void physical(void)
{
	expect("qqemu.PhyMemMode", "0");
	expect("Qqemu.PhyMemMode:1", "OK");
	expect("qqemu.PhyMemMode", "1");
	expect("m10,2", "2222");
	expect("M10,1:ff", "OK");
	CU_ASSERT_EQUAL(r.physical[0x10], 0xff);
	CU_ASSERT_EQUAL(r.virtual[0x10], 0x11);
	expect("Qqemu.PhyMemMode:2", "E16");
	expect("Qqemu.PhyMemMode:", "E16");
	expect("Qqemu.PhyMemMode:0", "OK");
	expect("m10,2", "1111");
}

/* ---- points ---- */

static void points(void)
{
	expect("Z0,ffff800000001000,1", "OK");
	expect("Z1,2000,1", "OK");
	CU_ASSERT_EQUAL(r.set.points, 2);
	CU_ASSERT_EQUAL(r.set.point[0], 0xffff800000001000u);
	expect("Z2,3000,8", "OK");
	CU_ASSERT_EQUAL(r.set.watch[0].access, MEM_WRITE);
	CU_ASSERT_EQUAL(r.set.watch[0].len, 8);
	expect("z2,3000,8", "OK");
	expect("z0,ffff800000001000,1", "OK");
	CU_ASSERT_EQUAL(r.set.points + r.set.watches, 1);
	expect("Z0", "E16");
	expect("Z0,1", "E16");
	expect("Z0,1,1;X1,0", "E16");
	expect("z0,1,x", "E16");
	for (unsigned i = 1; i < CPU_DEBUG_POINTS; i++)
		ask("Z0,1,1");
	expect("Z0,1,1", "E1c");
}

static void comparison(void)
{
	static struct cpu_debug d = {.points = 1, .point = {0x1fff}, .watches = 1};

	d.watch[0] =
		(struct cpu_debug_watch){.at = UINT64_MAX - 3, .len = 4, .access = MEM_WRITE};
	CU_ASSERT(cpu_debug_point(&d, 0x1fff));
	CU_ASSERT_FALSE(cpu_debug_point(&d, 0x1ffe));
	CU_ASSERT(cpu_debug_page(&d, 0x1000));
	CU_ASSERT_FALSE(cpu_debug_page(&d, 0x2000));
	CU_ASSERT_PTR_NOT_NULL(cpu_debug_watch(&d, UINT64_MAX, 1, MEM_READ | MEM_WRITE));
	CU_ASSERT_PTR_NOT_NULL(cpu_debug_watch(&d, UINT64_MAX - 7, 5, MEM_WRITE));
	CU_ASSERT_PTR_NULL(cpu_debug_watch(&d, UINT64_MAX - 7, 4, MEM_WRITE));
	CU_ASSERT_PTR_NULL(cpu_debug_watch(&d, 0, 8, MEM_WRITE));
	CU_ASSERT_PTR_NULL(cpu_debug_watch(&d, UINT64_MAX, 1, MEM_READ));
}

/* ---- running ---- */

static void runs(const char *packet, enum debug_act a, enum debug_act b, enum debug_act c)
{
	unsigned goes = r.goes;

	CU_ASSERT_PTR_NULL(ask(packet));
	CU_ASSERT_EQUAL(r.goes, goes + 1);
	CU_ASSERT(r.act[0] == a && r.act[1] == b && r.act[2] == c);
}

static const char *stops(enum debug_why why, unsigned vcpu)
{
	r.stopped = true;
	r.event = (struct debug_event){
		.why = why, .vcpu = vcpu, .at = 0x1234, .access = MEM_READ | MEM_WRITE};
	gdb_session_look(s);
	return output();
}

static void running(void)
{
	runs("vCont;s:2;c", DEBUG_RUN, DEBUG_STEP, DEBUG_RUN);
	CU_ASSERT_STRING_EQUAL(stops(DEBUG_STEPPED, 1), "$T05thread:2;#d8");
	runs("vCont;c:1", DEBUG_RUN, DEBUG_HOLD, DEBUG_HOLD);
	CU_ASSERT_STRING_EQUAL(stops(DEBUG_POINT, 0), "$T05thread:1;#d7");
	runs("vCont;S05:-1", DEBUG_STEP, DEBUG_STEP, DEBUG_STEP);
	CU_ASSERT_PTR_NOT_NULL(strstr(stops(DEBUG_WATCH, 2), "thread:3;awatch:1234;"));
	expect("qC", "QC3");
	expect("Hc0", "OK");
	runs("s", DEBUG_HOLD, DEBUG_HOLD, DEBUG_STEP);
	stops(DEBUG_STEPPED, 2);
	runs("c8000", DEBUG_RUN, DEBUG_RUN, DEBUG_RUN);
	CU_ASSERT_EQUAL(r.cpu[2].rip, 0x8000);
	stops(DEBUG_STEPPED, 0);
	expect("Hc2", "OK");
	runs("C05;9000", DEBUG_HOLD, DEBUG_RUN, DEBUG_HOLD);
	CU_ASSERT_EQUAL(r.cpu[1].rip, 0x9000);
	stops(DEBUG_STEPPED, 0);
	ask("qSupported:xmlRegisters=i386;swbreak+;hwbreak+");
	runs("vCont;c", DEBUG_RUN, DEBUG_RUN, DEBUG_RUN);
	CU_ASSERT_PTR_NOT_NULL(strstr(stops(DEBUG_POINT, 1), "T05thread:2;swbreak:;"));
}

static void bad_running(void)
{
	static const char *const bad[] = {
		"vCont;x",  "vCont;c:9", "vCont;c:", "vCont;C",
		"vCont;c;", "vCont;cs",	 "cxyz",     "c0000800000000000",
		"C",	    "C05x",	 "s1 2",     "vCont;s:1;t"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i], "E16");
	CU_ASSERT_EQUAL(r.goes, 0);
}

static void interrupt(void)
{
	r.prelaunch = true;
	runs("c", DEBUG_RUN, DEBUG_RUN, DEBUG_RUN);
	CU_ASSERT_EQUAL(r.conts, 1);
	CU_ASSERT_PTR_NULL(ask("g")); /* no answer while it runs */
	CU_ASSERT_FALSE(r.stopped);
	gdb_session_look(s);
	CU_ASSERT_STRING_EQUAL(output(), "");
	feed("\x03", 1);
	CU_ASSERT(r.stopped);
	gdb_session_look(s);
	CU_ASSERT_STRING_EQUAL(output(), "$T02thread:1;#d4");
	gdb_session_look(s); /* once */
	CU_ASSERT_STRING_EQUAL(output(), "");
}

static void ending(void)
{
	runs("c", DEBUG_RUN, DEBUG_RUN, DEBUG_RUN);
	r.ended = true;
	r.stopped = true;
	gdb_session_look(s);
	CU_ASSERT_STRING_EQUAL(output(), "");
	gdb_session_end(s, 1, 0);
	CU_ASSERT_STRING_EQUAL(output(), "$W01#b8");
	CU_ASSERT(s->closed);
}

static void leaving(void)
{
	expect("Z0,1000,1", "OK");
	expect("D", "OK");
	CU_ASSERT(s->closed);
	gdb_session_destroy(s);
	CU_ASSERT(!r.stopped && !r.set.points && r.goes == 1);
	CU_ASSERT_EQUAL(r.quits, 0);
	setup();
	CU_ASSERT_PTR_NOT_NULL(ask("k"));
	CU_ASSERT(s->closed && r.quits == 1);
}

static void threads(void)
{
	expect("qfThreadInfo", "m1,2,3");
	expect("qsThreadInfo", "l");
	expect("T3", "OK");
	expect("T4", "E16");
	expect("T0", "E16");
	expect("Hg4", "E16");
	expect("Hx1", "E16");
	expect("H", "E16");
	expect("Hg-1", "OK");
	expect("Hg-12", "E16");
	expect("qAttached:1", "1");
	expect("qThreadExtraInfo,2", "4350552331205b776169747320666f72206120534950495d");
}

static void monitor(void)
{
	char hex[4096] = "qRcmd,";

	/* The rig has no shadow MMU; what matters here is that its words arrive. */
	feed("$qRcmd,68656c70#fc", 18);
	CU_ASSERT_PTR_NOT_NULL(strstr(output(), "$O"));
	expect("qRcmd,6", "E16");
	expect("qRcmd,zz", "E16");
	memset(hex + 6, '6', 2200);
	expect(hex, "E16");
}

static const struct tap_case session_tests[] = {
	{"frames: checksums, repeats, noise, what was given up", frames},
	{"no-ack mode", no_ack},
	{"a packet without end takes no memory", too_long},
	{"what is not known is answered by nothing", unknown},
	{"registers one by one; what the processor would refuse is refused", registers},
	{"all registers at once, or none", all_registers},
	{"malformed register packets", bad_registers},
	{"the target description, in pieces", description},
	{"memory: hex, binary, limits", memory},
	{"malformed memory packets", bad_memory},
	{"physical memory", physical},
	{"breakpoints and watchpoints", points},
	{"addresses are compared as addresses", comparison},
	{"vCont, c, s: who runs, who steps, who stays", running},
	{"malformed packets run nothing", bad_running},
	{"the interrupt byte", interrupt},
	{"the end of the machine", ending},
	{"detach and kill", leaving},
	{"threads", threads},
	{"monitor", monitor},
	TAP_NO_CASE,
};

int main(void)
{
	static const struct tap_suite suites[] = {
		{.name = "gdb",
		 .cases = session_tests,
		 .each_setup = setup,
		 .each_teardown = teardown},
		TAP_END,
	};

	return tap_run_suites(suites);
}
