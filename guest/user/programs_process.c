/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about processes on one CPU or many: fork trees and storms, preemption, scheduling.
 */
#include "user/user.h"

#define RW (PROT_R | PROT_W)

/* Every node counts itself on a shared page; some wait for their children, the others orphan
 * them. */
static void tree_node(volatile ulong *count, ulong depth)
{
	for (int i = 0; depth && i < 2; i++)
		if (CALL0(SYS_FORK) == 0) {
			tree_node(count, depth - 1);
			exit_with(0);
		}
	if (CALL0(SYS_RANDOM) & 1)
		wait_all_ok(depth ? 2 : 0);
	__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

ulong prog_fork_tree(ulong depth)
{
	volatile ulong *count = map(1, RW, MAP_SHARED);

	CHECK(count);
	tree_node(count, depth);
	while (*count != (2UL << depth) - 1)
		CALL0(SYS_YIELD);
	return 0;
}

ulong prog_fork_storm(ulong total)
{
	struct exit_info info;

	for (ulong i = 0; i < total; i += 4) {
		ulong seen = 0;

		for (ulong k = 0; k < 4; k++) {
			long pid = CALL0(SYS_FORK);

			CHECK(pid >= 0);
			if (!pid)
				exit_with(i + k);
		}
		for (ulong k = 0; k < 4; k++) {
			CHECK(CALL1(SYS_WAIT, &info) > 0);
			CHECK(!info.killed && info.code >= i && info.code < i + 4);
			seen |= 1UL << (info.code - i);
		}
		CHECK(seen == 15);
	}
	return 0;
}

/* Never enters the kernel by itself: it ends only if the other one got its turns, too. */
static void spinner(volatile ulong *count, volatile ulong *seen, ulong me)
{
	ulong last = count[1 - me];

	while (seen[0] < 3 || seen[1] < 3) {
		count[me]++;
		if (count[1 - me] != last) {
			last = count[1 - me];
			seen[me]++;
		}
	}
}

ulong prog_preempt(ulong arg)
{
	volatile ulong *page = map(1, RW, MAP_SHARED);

	(void)arg;
	CHECK(page);
	CHECK(CALL1(SYS_PIN, 1) == 0);
	for (ulong i = 0; i < 2; i++)
		if (CALL0(SYS_FORK) == 0) {
			spinner(page, page + 64, i);
			exit_with(0);
		}
	CHECK(wait_all_ok(2) == 0);
	CHECK(page[64] >= 3 && page[65] >= 3);
	return 0;
}

ulong prog_sched_many(ulong children)
{
	volatile ulong *turns = map(1, RW, MAP_SHARED);

	CHECK(turns);
	for (ulong i = 0; i < children; i++)
		if (CALL0(SYS_FORK) == 0) {
			for (ulong k = 0; k < 10; k++) {
				turns[i]++;
				CALL0(SYS_YIELD);
			}
			exit_with(0);
		}
	CHECK(wait_all_ok((int)children) == 0);
	for (ulong i = 0; i < children; i++)
		CHECK(turns[i] == 10);
	return 0;
}
