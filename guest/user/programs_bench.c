/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that are timed from outside. */
#include "user/user.h"

#define PAGES  400
#define ROUNDS 10

/* Touches fresh pages, each followed by so many rounds of arithmetic on it. */
ulong prog_bench_fault(ulong work)
{
	for (ulong r = 0; r < ROUNDS; r++) {
		volatile ulong *p = map(PAGES, PROT_R | PROT_W, 0);

		CHECK(p);
		for (ulong i = 0; i < PAGES; i++) {
			p[i * WORDS] = i;
			for (ulong j = 0; j < work; j++)
				p[i * WORDS + j % WORDS] += j;
		}
		CHECK(CALL2(SYS_MUNMAP, p, PAGES * PAGE) == 0);
	}
	return 0;
}
