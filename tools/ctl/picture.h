/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The picture: one self-contained HTML page about a machine, made from a model in JSON. It knows nothing
 * of the socket; who calls it has collected the model.
 *
 * The model. What can be left out has a question mark. Addresses are strings "0x" and 16 hexadecimal
 * digits, sizes and counts are integers. Strings may come from a server that lies: they are any text.
 *
 *     name      the machine's
 *     time      when it was looked at: seconds since 1970
 *     status    "running", "paused", ...
 *     format?   of the guest's tables: "4-level", "5-level", "PAE", "32-bit", "none"
 *     views     {guest: [REGION], kernel?: [REGION], kernel-ac?: [REGION], user?: [REGION]}
 *     complete  {guest: bool, kernel?: bool, ...}: false where not all of the view is there, or where
 *               entries changed between its pieces
 *     roots     [ROOT]     as query-shadow-roots has them
 *     tables?   [TABLE]    the shadow tables that roots lead to, upper ones first
 *     diff      {kernel?: [DIFFERENCE], kernel-ac?: ..., user?: ...}
 *     counts?   {kernel?: {same: int, lazy: int, tracked: int, held: int, unsync: int, wrong: int}, ...}
 *     stats     {NAME: int}
 *     shootdowns?, rcu?   the replies of query-shadow-shootdowns and query-rcu
 *     trace     [EVENT], oldest first; empty where nothing was traced
 *
 *     REGION      {gva, size, gpa?, page-size, level, entry, flags, access}: as shadow-dump with merge
 *                 has them, by rising gva, never overlapping. gpa is missing for what leads to no RAM.
 *     ROOT        {gfn, mfn, pins, role: {level, format, view, direct, ...}, vcpus: [int]}
 *     TABLE       {table, gfn, role, present, tracked, unsync, entries: [{index, entry}]}: as
 *                 query-shadow-page has them; a last-level table's entries may be left out
 *     DIFFERENCE  {gva, size, level, kind, guest, shadow, text}
 *     EVENT       {ns: int, vcpu: int (-1: no vCPU), event: string, took?: int, ...}: took are the
 *                 nanoseconds up to ns that it took; further members are the event's own
 *
 * Read first: nothing. Locks: none.
 */
#ifndef UMBRA_CTL_PICTURE_H
#define UMBRA_CTL_PICTURE_H

#include <stdio.h>

struct json_object;

/* Writes the page. The model stays the caller's. 0; -EINVAL if what is no question mark above is missing
 * or of another type; -EIO if out can't be written. */
int picture_write(FILE *out, struct json_object *model);

#endif
