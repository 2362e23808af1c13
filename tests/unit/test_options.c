/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line of `umbra run`: defaults, every spelling, the last of several, every
 * refusal.
 */
#include "tests/unit/tap.h"
#include "vmm/options.h"

#include <stdio.h>
#include <string.h>

static const char *const techniques[] = {"unsync", "prefetch", NULL};
static struct umbra_options o;
static char msg[256];

/* Parses a line of words between single spaces. */
static int parse(const char *line)
{
	static char buf[512], verb[] = "run";
	char *argv[32] = {verb}, *save = NULL;
	int argc = 1;

	snprintf(buf, sizeof(buf), "%s", line);
	for (char *w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	msg[0] = '\0';
	return options_parse(argc, argv, techniques, &o, msg, sizeof(msg));
}

static void test_defaults(void)
{
	CU_ASSERT_EQUAL(parse(""), 0);
	CU_ASSERT_EQUAL(o.memory, 256ull << 20);
	CU_ASSERT_EQUAL(o.lowmem, 896ull << 20);
	CU_ASSERT_EQUAL(o.cpus, 1);
	CU_ASSERT_EQUAL(o.engine, ENGINE_AUTO);
	CU_ASSERT_EQUAL(o.serial, SERIAL_STDIO);
	CU_ASSERT_EQUAL(o.mmu_option[0], SWITCH_UNSET);
	CU_ASSERT_STRING_EQUAL(o.guest, "amd64");
	CU_ASSERT_PTR_NULL(o.kernel);
	CU_ASSERT_EQUAL(strncmp(o.name, "umbra-", 6), 0);
}

static void test_soft(void)
{
	CU_ASSERT_EQUAL(parse("--cpu kvm"), 0);
	CU_ASSERT_EQUAL(o.tlb, TLB_KIND_PLAIN);
	CU_ASSERT_EQUAL(o.soft_threads, THREADS_AUTO);
	CU_ASSERT_FALSE(o.seed_given);
	CU_ASSERT_EQUAL(o.seed, 1);
	CU_ASSERT_EQUAL(parse("--cpu soft --tlb adversarial --soft-threads on --seed 0"), 0);
	CU_ASSERT_EQUAL(o.engine, ENGINE_SOFT);
	CU_ASSERT_EQUAL(o.tlb, TLB_KIND_ADVERSARIAL);
	CU_ASSERT_EQUAL(o.soft_threads, THREADS_ON);
	CU_ASSERT_TRUE(o.seed_given);
	CU_ASSERT_EQUAL(o.seed, 0);
}

static void test_qemu_spellings(void)
{
	CU_ASSERT_EQUAL(parse("-m 512 -smp 4 -kernel k -append a=b -initrd i -S -serial none "
			      "-name vm1 -qmp unix:/run/x,wait=on"),
			0);
	CU_ASSERT_EQUAL(o.memory, 512ull << 20);
	CU_ASSERT_EQUAL(o.cpus, 4);
	CU_ASSERT_STRING_EQUAL(o.kernel, "k");
	CU_ASSERT_STRING_EQUAL(o.append, "a=b");
	CU_ASSERT_STRING_EQUAL(o.initrd, "i");
	CU_ASSERT_TRUE(o.start_paused);
	CU_ASSERT_EQUAL(o.serial, SERIAL_NONE);
	CU_ASSERT_STRING_EQUAL(o.name, "vm1");
	CU_ASSERT_STRING_EQUAL(o.qmp_path, "/run/x");
	CU_ASSERT_TRUE(o.qmp_wait);
}

static void test_long_spellings(void)
{
	CU_ASSERT_EQUAL(
		parse("image --memory=1G -c8 --cpu kvm --exact off --pt-update gated "
		      "--lowmem 0 --shadow-limit 64M --timeout 5 --seed 0xff --exit raw "
		      "--hybrid-budget 77 --scenario a,b-c --serial file:/x --stats-file s "
		      "--result r"),
		0);
	CU_ASSERT_STRING_EQUAL(o.kernel, "image");
	CU_ASSERT_EQUAL(o.memory, 1ull << 30);
	CU_ASSERT_EQUAL(o.cpus, 8);
	CU_ASSERT_EQUAL(o.engine, ENGINE_KVM);
	CU_ASSERT_EQUAL(o.exact, EXACT_OFF);
	CU_ASSERT_EQUAL(o.pt_update, PT_UPDATE_GATED);
	CU_ASSERT_EQUAL(o.lowmem, 0);
	CU_ASSERT_EQUAL(o.shadow_limit, 64ull << 20);
	CU_ASSERT_EQUAL(o.timeout, 5);
	CU_ASSERT_EQUAL(o.seed, 255);
	CU_ASSERT_EQUAL(o.hybrid_budget, 77);
	CU_ASSERT_EQUAL(o.exit_style, EXIT_STYLE_RAW);
	CU_ASSERT_STRING_EQUAL(o.scenario, "a,b-c");
	CU_ASSERT_STRING_EQUAL(o.serial_file, "/x");
}

static void test_last_wins(void)
{
	CU_ASSERT_EQUAL(parse("-m 1G --memory 64M --serial file:/x --serial stdio -kernel a "
			      "-kernel b --hybrid-budget 5 --hybrid-budget forever "
			      "--mmu-option unsync=off --mmu-option unsync=on "
			      "--mmu-option prefetch=off --qmp unix:/a,wait=on --qmp unix:/b"),
			0);
	CU_ASSERT_EQUAL(o.memory, 64ull << 20);
	CU_ASSERT_EQUAL(o.serial, SERIAL_STDIO);
	CU_ASSERT_PTR_NULL(o.serial_file);
	CU_ASSERT_STRING_EQUAL(o.kernel, "b");
	CU_ASSERT_EQUAL(o.hybrid_budget, HYBRID_FOREVER);
	CU_ASSERT_EQUAL(o.mmu_option[0], SWITCH_ON);
	CU_ASSERT_EQUAL(o.mmu_option[1], SWITCH_OFF);
	CU_ASSERT_STRING_EQUAL(o.qmp_path, "/b");
	CU_ASSERT_FALSE(o.qmp_wait);
}

static const char *const refused[] = {
	"--memory -5",
	"--memory 12x",
	"--memory 0",
	"--memory 1K",
	"--memory 99999999999G",
	"--memory 2049K",
	"--lowmem 5K",
	"--shadow-limit 0",
	"--cpus 0",
	"--cpus 65",
	"--cpus 1x",
	"-smp 4,sockets=2",
	"--hybrid-budget never",
	"--hybrid-budget -1",
	"--hybrid-budget 4294967295",
	"--cpu host",
	"--exact maybe",
	"--mmu native",
	"--mmu-option x=on",
	"--mmu-option unsync",
	"--mmu-option unsync=maybe",
	"--mmu-option uns=on",
	"--pt-update never",
	"--qmp tcp:1",
	"--qmp unix:",
	"--qmp unix:/a,server",
	"--name ../x",
	"--name .x",
	"--timeout 0",
	"--timeout -1",
	"--seed 18446744073709551616",
	"--exit none",
	"--serial file:",
	"--serial tty",
	"--scenario a,,b",
	"--scenario ,",
	"--guest a/b",
	"--kernel= ",
	"a b",
	"-kernel a b",
	"--bogus",
	"-z",
	"--se 1",
	"--memory",
	"--help=1",
	"--tracing",
	"-s",
};

/* One line that says what is wrong and, behind a semicolon, what to do. */
static void test_refused(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int err = parse(refused[i]);
		bool ok = err == -1 && strstr(msg, "; ") && !strchr(msg, '\n');

		if (!ok)
			printf("# '%s': %d, \"%s\"\n", refused[i], err, msg);
		CU_ASSERT(ok);
	}
}

static void test_long_socket_path(void)
{
	char line[200] = "--qmp unix:";

	memset(line + strlen(line), 'x', UMBRA_SOCKET_MAX - 1);
	CU_ASSERT_EQUAL(parse(line), 0);
	CU_ASSERT_EQUAL(strlen(o.qmp_path), UMBRA_SOCKET_MAX - 1);
	strcat(line, "x");
	CU_ASSERT_EQUAL(parse(line), -1);
}

static const struct tap_case cases[] = {
	{"defaults", test_defaults},
	{"QEMU's spellings", test_qemu_spellings},
	{"the software engine's", test_soft},
	{"long spellings", test_long_spellings},
	{"the last one wins", test_last_wins},
	{"refused, each with a line", test_refused},
	{"a socket path that is too long", test_long_socket_path},
	{NULL, NULL},
};
static const struct tap_suite suites[] = {
	{.name = "options", .cases = cases},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
