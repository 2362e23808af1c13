/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sizes and numbers as people type them.
 *
 * Read first: nothing.
 */
#ifndef UMBRA_SIZES_H
#define UMBRA_SIZES_H

#include <stdint.h>

/* "512K", "896M", "1G" (either case); a bare number is MiB. Decimal digits only, no sign, no
 * space, nothing behind the suffix. 0 with *bytes set; -EINVAL: not a size; -ERANGE: more than
 * 64 bits. */
int size_parse(const char *text, uint64_t *bytes);

/* Decimal, or hexadecimal behind 0x; no sign, no space, nothing behind it. 0, -EINVAL, -ERANGE.
 */
int number_parse(const char *text, uint64_t *value);

#endif
