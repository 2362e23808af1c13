/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where our own guest images lie.
 *
 * An image is a file umbra-guest-NAME; beside it lies umbra-guest-NAME.scenarios, one line
 * "name<TAB>help" per scenario. The folder is $UMBRA_GUEST_DIR if that is set, and else the
 * first of these that has an image: guest/ beside the running program, as in a build; the
 * installed place.
 *
 * Read first: nothing.
 */
#ifndef UMBRA_GUESTPATH_H
#define UMBRA_GUESTPATH_H

#include <stddef.h>

/* Path of the image NAME. 0; -ENOENT if there is none, -ENAMETOOLONG. */
int guestpath_find(const char *name, char *path, size_t n);

/* Calls fn for each image, in alphabetical order. Returns their number. */
int guestpath_each(void (*fn)(void *ctx, const char *name, const char *path), void *ctx);

/* The images' names, joined by ", ", and their number. If there are none: 0, and in buf the
 * folders that were searched. */
int guestpath_names(char *buf, size_t n);

#endif
