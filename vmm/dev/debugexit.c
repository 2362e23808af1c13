/* SPDX-License-Identifier: BSD-2-Clause
 *
 * isa-debug-exit: a guest ends the machine by writing its exit value to a port. QEMU's device of
 * that name is the contract (iosize 4: any of the four ports, any size; reads give 0).
 *
 * Owns nothing: the host's upcalls are its whole state. Locks: none.
 *
 * Read first: dev.h.
 */
#include "vmm/dev/dev.h"

#define DEBUG_EXIT_PORTS 4

static uint32_t debug_exit_in(void *dev, uint16_t offset, unsigned size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_out(void *dev, uint16_t offset, unsigned size, uint32_t val)
{
	const struct dev_host *h = dev;

	(void)offset;
	(void)size;
	h->debug_exit(h->ctx, val);
}

int debug_exit_attach(struct bus *b, uint16_t port, const struct dev_host *h)
{
	const struct dev_range r = {
		.dev = (void *)(uintptr_t)h, /* only ever read through a const pointer again */
		.in = debug_exit_in,
		.out = debug_exit_out,
		.name = "isa-debug-exit",
	};

	return bus_add_ports(b, port, DEBUG_EXIT_PORTS, &r);
}
