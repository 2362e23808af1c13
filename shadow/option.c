/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of techniques. Read first: option.h.
 */
#include <string.h>

#include "shadow/option.h"

const struct sh_option_info sh_option_table[SH_OPTIONS] = {
	[SH_OPT_PREFETCH] = {"prefetch", "fill the neighbours of a hidden fault", true},
	[SH_OPT_PREFILL] = {"prefill", "fill a shadow entry when the guest writes its own",
			    true},
	[SH_OPT_INPLACE] = {"inplace", "update shadow entries on tracked writes", true},
	[SH_OPT_FLOOD] = {"flood", "stop shadowing tables that are written and not used", true},
	[SH_OPT_ROOTCACHE] = {"rootcache", "keep shadow trees across MOV CR3", true},
	[SH_OPT_UNSYNC] = {"unsync", "leave written last-level tables writable until a flush",
			   true},
	[SH_OPT_LARGE] = {"large", "map large pages by large shadow entries", true},
	[SH_OPT_DMAP] = {"dmap", "run guests without paging on one linear map", true},
	[SH_OPT_COLLAPSE] = {"collapse", "make large pages of the linear map again", true},
};

void sh_options_default(struct sh_options *o)
{
	for (unsigned i = 0; i < SH_OPTIONS; i++)
		o->on[i] = sh_option_table[i].def;
}

bool sh_options_set(struct sh_options *o, const char *name, bool on)
{
	for (unsigned i = 0; i < SH_OPTIONS; i++)
		if (!strcmp(sh_option_table[i].name, name)) {
			o->on[i] = on;
			return true;
		}
	return false;
}
