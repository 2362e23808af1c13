/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra list: the machines that have a control socket in the default place.
 *
 * Read first: commands.h, control/control.h.
 */
#include "vmm/commands.h"
#include "vmm/control/control.h"

static void print_machine(void *ctx, const char *name, const char *path, const char *status)
{
	bool *any = ctx;

	*any = true;
	printf("%-20s %-14s %s\n", name, status ? status : "not answering", path);
}

int verb_list(const struct umbra_command *c, int argc, char **argv)
{
	struct plain_options o;
	bool any = false;
	int code;

	if (!plain_parse(c, argc, argv, &o, &code))
		return code;
	control_list(print_machine, &any);
	if (!any)
		puts("no running machines");
	return UMBRA_PASS;
}
