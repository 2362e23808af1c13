/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Prints the manual page umbra-qmp(7), from the table of commands: a program of its own that the build
 * runs, so that the page can't say anything else than what the server does.
 *
 * Read after: table.c.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

static const char head[] =
	".\\\" SPDX-License-Identifier: BSD-2-Clause\n"
	".\\\" Made from vmm/control/table.c by vmm/control/man.c.\n"
	".Dd November 21, 2026\n"
	".Dt UMBRA-QMP 7\n"
	".Os\n"
	".Sh NAME\n"
	".Nm umbra-qmp\n"
	".Nd commands and events of a running machine's control socket\n"
	".Sh DESCRIPTION\n"
	"A machine started by\n"
	".Xr umbra 1\n"
	"listens on a UNIX socket and speaks QMP, the protocol of QEMU's monitor: a client "
	"sends\n"
	"JSON objects, each with a command's name as\n"
	".Ql execute\n"
	"and, if wanted,\n"
	".Ql arguments\n"
	"and\n"
	".Ql id ,\n"
	"and gets one line for each, with\n"
	".Ql return\n"
	"or\n"
	".Ql error .\n"
	"The first command must be\n"
	".Ic qmp_capabilities .\n"
	"Commands with names of QEMU's mean what they mean there.\n"
	".Ss Types\n"
	"Types are written here as follows.\n"
	".Bl -tag -width address\n"
	".It Cm hex\n"
	"A string such as\n"
	".Qq 0xffff888000001000 ;\n"
	"addresses are strings because many clients lose bits of 64-bit numbers.\n"
	".It Cm address\n"
	"The same, or a number.\n"
	".It Cm size , index\n"
	"A number from 0; an index is less than 2147483648.\n"
	".It Cm str , int , num , bool , any\n"
	"As in JSON.\n"
	".It Cm <a|b>\n"
	"One of these strings.\n"
	".It Cm [T]\n"
	"A list.\n"
	".It Cm {name: T, name?: T}\n"
	"An object; a member with a question mark may be missing.\n"
	".It Cm @Name\n"
	"One of the types below.\n"
	".El\n";

static const struct {
	unsigned flag;
	const char *text;
} flag_texts[] = {
	{CTL_CMD_UNNEGOTIATED, "It runs in negotiation mode, and only there."},
	{CTL_CMD_OOB, "It may be sent as exec-oob."},
	{CTL_CMD_PAUSES, "All vCPUs are at rest while it runs."},
};

static const char *const class_names[] = {
	[CTL_COMMAND_NOT_FOUND] = "CommandNotFound",
	[CTL_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
	[CTL_DEVICE_NOT_FOUND] = "DeviceNotFound",
	[CTL_KVM_MISSING_CAP] = "KVMMissingCap",
};

/* Text of the table's on lines of its own. No line may begin with a dot. */
static void text(const char *s)
{
	if (*s == '.' || *s == '\'')
		printf("\\&");
	for (; *s; s++)
		if (*s == '\\')
			printf("\\e");
		else if (*s == '-')
			printf("\\-");
		else
			putchar(*s);
}

static void sentence(const char *s, const char *end)
{
	if (*s >= 'a' && *s <= 'z' && strncmp(s, "qmp", 3) != 0) {
		putchar(*s - 'a' + 'A');
		s++;
	}
	text(s);
	printf("%s\n", end);
}

static void arguments(const struct ctl_command *cmd)
{
	if (!cmd->args[0].name)
		return;
	printf("Arguments:\n.Bl -tag -width indent -compact\n");
	for (const struct ctl_arg *a = cmd->args; a->name; a++) {
		printf(".It Fa ");
		text(a->name);
		printf("%s : ", a->optional ? "?" : "");
		text(a->type);
		printf("\n");
		text(a->help);
		printf("\n");
	}
	printf(".El\n");
}

static void errors(const struct ctl_command *cmd)
{
	const char *before = "Errors besides GenericError: ";
	for (unsigned c = 0; c < sizeof(class_names) / sizeof(*class_names); c++) {
		if (!(cmd->errors >> c & 1))
			continue;
		printf("%s%s", before, class_names[c]);
		before = ", ";
	}
	if (*before == ',')
		printf(".\n");
}

static void command(const struct ctl_command *cmd)
{
	printf(".It Ic ");
	text(cmd->name);
	printf("\n");
	sentence(cmd->help, ".");
	for (size_t i = 0; i < sizeof(flag_texts) / sizeof(*flag_texts); i++)
		if (cmd->flags & flag_texts[i].flag)
			printf("%s\n", flag_texts[i].text);
	arguments(cmd);
	printf("Returns: ");
	text(cmd->returns);
	printf(".\n.br\n");
	text(cmd->type);
	printf("\n.br\n");
	errors(cmd);
}

static void event(const struct ctl_event_kind *k)
{
	printf(".It Cm %s\n", k->name);
	sentence(k->help, ".");
	if (k->limited)
		printf("At most once a second.\n");
	if (strcmp(k->type, "{}") != 0) {
		printf("Data: ");
		text(k->type);
		printf("\n");
	}
}

int main(void)
{
	fputs(head, stdout);
	printf(".Bl -tag -width indent\n");
	for (const struct ctl_named *n = ctl_types; n->name; n++) {
		printf(".It Cm @%s\n", n->name);
		text(n->text);
		printf("\n");
	}
	printf(".El\n.Sh COMMANDS\n.Bl -tag -width indent\n");
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		command(c);
	printf(".El\n.Sh EVENTS\n.Bl -tag -width indent\n");
	for (const struct ctl_event_kind *k = ctl_event_kinds; k->name; k++)
		event(k);
	printf(".El\n.Sh SEE ALSO\n.Xr umbra 1\n");
	return fflush(stdout) || ferror(stdout);
}
