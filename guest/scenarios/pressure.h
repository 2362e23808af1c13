/* SPDX-License-Identifier: BSD-2-Clause */
/* swap.c: what scenarios with little memory share. */
#ifndef GUEST_PRESSURE_H
#define GUEST_PRESSURE_H

#include "mm/swap.h"

/* From here on pages of processes have to wait when `frames` more than now are in use. */
const char *pressure_begin(ulong frames, u32 slots, bool ramdisk);
const char *pressure_end(void);
const char *run_under_pressure(u32 program, ulong arg, ulong frames, u32 slots, bool ramdisk);

#endif
