/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra guests: our guest images and their scenarios, one line each.
 *
 * Read first: commands.h, guestpath.h.
 */
#include "vmm/commands.h"
#include "vmm/guestpath.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* One line "name<TAB>help" of a scenario list. */
static void print_scenario(char *line)
{
	char *help = strchr(line, '\t');

	line[strcspn(line, "\r\n")] = '\0';
	if (!*line || *line == '#')
		return;
	if (help)
		*help++ = '\0';
	printf("  %-24s %s\n", line, help ? help : "");
}

static void print_image(void *ctx, const char *name, const char *path)
{
	char list[PATH_MAX + 300], line[512];
	FILE *f;

	(void)ctx;
	printf("%-26s %s\n", name, path);
	snprintf(list, sizeof(list), "%s.scenarios", path);
	f = fopen(list, "r");
	if (!f) {
		complain(0, "can't read %s: %s; `make` writes it beside the image", list,
			 strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f))
		print_scenario(line);
	fclose(f);
}

int verb_guests(const struct umbra_command *c, int argc, char **argv)
{
	struct plain_options o;
	char searched[1024];
	int code;

	if (!plain_parse(c, argc, argv, &o, &code))
		return code;
	if (guestpath_each(print_image, NULL))
		return UMBRA_PASS;
	guestpath_names(searched, sizeof(searched));
	return complain(UMBRA_HOST,
			"no guest image in %s; build one with make, or name its "
			"folder in UMBRA_GUEST_DIR",
			searched);
}
