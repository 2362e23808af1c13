/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes that shadowing takes per mapped 4-KByte page, one view: computed from what the MMU says it
 * uses, and measured as the process's own memory (guest RAM is not in it). Read first: bench.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shadow/page.h"
#include "tests/bench/bench.h"

static uint64_t own_bytes(void)
{
	char line[128];
	uint64_t kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "RssAnon:", 8))
			kb = strtoull(line + 8, NULL, 10);
	if (f)
		fclose(f);
	return kb << 10;
}

static void map_all(uint64_t gib)
{
	uint64_t pages = gib << 18, before = own_bytes();
	struct bench_config cfg = {.lowmem = 1 << 30, .pages = pages};
	struct sh_stats st;
	char group[32];
	double t, tables, rmap, desc, page;
	struct bench b;

	snprintf(group, sizeof(group), "memory_%lu_gib", (unsigned long)gib);
	bench_create(&b, &cfg);
	t = bench_cpu();
	for (uint64_t i = 0; i < pages; i++)
		bench_fault(&b, 0, i);
	t = bench_cpu() - t;
	sh_mmu_stats(b.mmu, &st);
	tables = (double)st.tables_used * SH_PAGE_SIZE / (double)pages;
	page = (double)st.tables_used * sizeof(struct sh_page) / (double)pages;
	rmap = sizeof(sh_set_t);
	desc = (double)st.rmap_descs * 64 / (double)pages;
	bench_print(group, "fault", t / (double)pages, "ns");
	bench_print(group, "tables", tables, "bytes/page");
	bench_print(group, "reverse_map", rmap, "bytes/page");
	bench_print(group, "descriptors", desc, "bytes/page");
	bench_print(group, "page_structures", page, "bytes/page");
	bench_print(group, "sum", tables + page + rmap + desc, "bytes/page");
	bench_print(group, "measured", (double)(own_bytes() - before) / (double)pages,
		    "bytes/page");
	bench_destroy(&b);
}

void bench_memory(void)
{
	map_all(1);
	map_all(8);
	map_all(64);
}
