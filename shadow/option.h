/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Techniques, each with a switch, so that a failure can be bisected and a gain measured. With all
 * of them off the guest must see the same. Read first: nothing.
 */
#ifndef UMBRA_SHADOW_OPTION_H
#define UMBRA_SHADOW_OPTION_H

#include <stdbool.h>

enum sh_option {
	SH_OPT_PREFETCH,  /* fill neighbours of a hidden fault */
	SH_OPT_PREFILL,	  /* fill an entry when the guest writes it */
	SH_OPT_INPLACE,	  /* update a shadow entry from a tracked write, not only drop it */
	SH_OPT_FLOOD,	  /* stop shadowing a table that is written and not used */
	SH_OPT_ROOTCACHE, /* keep the trees of address spaces that no CR3 names */
	SH_OPT_UNSYNC,	  /* let the guest write last-level tables, resync at its flushes */
	SH_OPT_LARGE,	  /* map large pages by large shadow entries */
	SH_OPT_DMAP,	  /* run guests without paging on one linear map */
	SH_OPT_COLLAPSE,  /* make large pages of the direct map again */
	SH_OPTIONS
};

struct sh_options {
	bool on[SH_OPTIONS];
};

struct sh_option_info {
	const char *name;
	const char *help;
	bool def;
};
extern const struct sh_option_info sh_option_table[SH_OPTIONS];

void sh_options_default(struct sh_options *o);
/* False if there is no such technique. */
bool sh_options_set(struct sh_options *o, const char *name, bool on);

#endif
