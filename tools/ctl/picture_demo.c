/* SPDX-License-Identifier: BSD-2-Clause
 *
 * picture-demo <MODEL.json >PAGE.html: the picture without a machine, for tests and for docs/pictures.
 * Exit code 1 if the model is none.
 */
#include "tools/ctl/picture.h"

#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	struct json_object *model = json_object_from_fd_ex(STDIN_FILENO, 64);
	int err;

	if (!model) {
		fprintf(stderr, "picture-demo: %s\n", json_util_get_last_err());
		return 1;
	}
	err = picture_write(stdout, model);
	json_object_put(model);
	if (err)
		fprintf(stderr, "picture-demo: %s\n", strerror(-err));
	return err != 0;
}
