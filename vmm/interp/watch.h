/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Breakpoints by the debug registers: on instructions, data and ports.
 *
 * Read first: ../cpu/state.h. Manual: SDM vol. 3, section 17.2.
 */
#ifndef UMBRA_INTERP_WATCH_H
#define UMBRA_INTERP_WATCH_H

#include "vmm/cpu/ops.h"

/* Sets of breakpoints are bits 0 to 3, as in DR6. */

/* Besides those, in struct exec: a debugger outside watches data (cpu/debugger.h). */
#define WATCH_DEBUGGER 0x80u

/* Those enabled on data or ports: what an access has to be compared with. */
uint8_t watch_armed(const struct cpu_state *s);

/* Those hit by fetching the instruction at this linear address. */
uint8_t watch_code(const struct cpu_state *s, uint64_t linear);

/* Those hit by an access of len bytes; flags as in ops.h. */
uint8_t watch_data(const struct cpu_state *s, uint64_t linear, unsigned len, unsigned flags);

uint8_t watch_port(const struct cpu_state *s, uint16_t port, unsigned size);

#endif
