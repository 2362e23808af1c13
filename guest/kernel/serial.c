/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * COM1, output only, polled. Owns the ports 0x3f8..0x3ff. The caller serialises (print.c).
 * The transmit FIFO holds 16 bytes, so THR-empty is asked for once per 16 of them: port
 * accesses are what a deprivileged kernel pays most for.
 */
#include "kernel/kernel.h"
#include "x86.h"

#define COM1	 0x3f8
#define FIFO_LEN 16
#define LSR_THRE 0x20

void serial_init(void)
{
	static const struct {
		u8 reg, value;
	} init[] = {
		{1, 0x00},	      /* no interrupts */
		{3, 0x80},	      /* divisor latch open */
		{0, 0x01},	      /* 115200 */
		{1, 0x00}, {3, 0x03}, /* 8n1, latch closed */
		{2, 0x07},	      /* FIFOs on and empty */
		{4, 0x03},	      /* DTR, RTS */
	};

	for (size_t i = 0; i < ARRAY_SIZE(init); i++)
		outb(COM1 + init[i].reg, init[i].value);
}

void serial_write(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i % FIFO_LEN == 0)
			while (!(inb(COM1 + 5) & LSR_THRE))
				pause();
		outb(COM1, (u8)s[i]);
	}
}
