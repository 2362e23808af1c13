/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The whole of umbra with one named bug in it: tests/guest/umbra-mutants is linked from umbra's own
 * objects, a build of shadow/ that has the bugs of shadow/mutant.h (UMBRA_MUTANTS), and this file,
 * which switches on the one that $UMBRA_MUTANT names before main() runs. Without the variable it is
 * umbra as it is; a name that is no bug's ends it with 125, so that no test passes by a slip.
 *
 * Read first: shadow/mutant.h. Read next: mutants.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shadow/mutant.h"

__attribute__((constructor)) static void switch_on(void)
{
	const char *name = getenv("UMBRA_MUTANT");

	if (!name)
		return;
	for (unsigned m = 0; m < SH_MUTANTS; m++)
		if (!strcmp(sh_mutant_names[m], name)) {
			sh_mutant_on[m] = true;
			return;
		}
	fprintf(stderr, "umbra-mutants: no bug is called '%s'\n", name);
	_exit(125);
}
