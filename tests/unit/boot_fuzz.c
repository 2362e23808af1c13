/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzing the loader: any bytes as a kernel image. A refusal must have its line and must leave no
 * trace in guest memory; an accepted image must have its entry and its information in RAM.
 * make fuzz runs it with an engine, tests/fuzz/replay.c on its corpus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/boot.h"

#define RAM (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static void check_accepted(struct gmem *gm, const struct boot_result *r)
{
	struct cpu_state s = {0};

	require(r->entry.v >= r->image_low && r->entry.v < r->image_high, "entry in the image");
	require(r->image_low >= 4096 && r->image_high <= RAM, "image in RAM");
	require(gmem_valid(gm, r->info, 64) && r->info.v % 8 == 0, "information in RAM");
	boot_cpu_state(r, &s);
	require(s.rip == r->entry.v && s.gpr[CPU_RBX] == r->info.v, "registers");
}

static void check_refused(struct gmem *gm, const char *msg)
{
	uint16_t ebda = 0;

	require(msg[0] && !strchr(msg, '\n'), "one line");
	require(strstr(msg, "; ") || strstr(msg, "bzImage"), "what to do");
	gmem_read(gm, GPA(0x40e), &ebda, sizeof(ebda));
	require(!ebda, "no trace");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gmem_config cfg = {.size = RAM};
	static const struct boot_params params = {.kernel = "none", .append = "a b", .cpus = 2};
	struct boot_result r;
	struct gmem *gm;
	char msg[256] = "";

	require(!gmem_create(&cfg, &gm), "RAM");
	if (boot_load_image(gm, data, size, "fuzz", &params, &r, msg, sizeof(msg)))
		check_refused(gm, msg);
	else
		check_accepted(gm, &r);
	gmem_destroy(gm);
	return 0;
}
