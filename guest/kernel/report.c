/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program measured, for the scenario that started it. One program reports at a time. */
#include "kernel/kernel.h"

struct report report;

slong report_round(u64 cycles, ulong count)
{
	if (report.rounds == MAX_ROUNDS || !count)
		return ERR;
	report.cycles[report.rounds++] = cycles;
	report.count = count;
	return 0;
}
