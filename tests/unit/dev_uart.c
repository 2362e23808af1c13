/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The 16550A, register by register.
 */
#include "tests/unit/dev_test.h"

#define COM1 0x3f8

struct uart_box {
	struct test_host t;
	struct bus *b;
	struct uart *u;
};

static void open_box(struct uart_box *x)
{
	test_host_init(&x->t);
	x->b = bus_create();
	x->u = uart_create(&x->t.host);
	CU_ASSERT_EQUAL_FATAL(uart_attach(x->u, x->b, COM1), 0);
}

static void close_box(struct uart_box *x)
{
	uart_destroy(x->u);
	bus_destroy(x->b);
}

static uint32_t get(struct uart_box *x, unsigned reg)
{
	return bus_in(x->b, (uint16_t)(COM1 + reg), 1);
}

static void put(struct uart_box *x, unsigned reg, uint32_t val)
{
	bus_out(x->b, (uint16_t)(COM1 + reg), 1, val);
}

static void input(struct uart_box *x, const char *s, size_t expect)
{
	CU_ASSERT_EQUAL(uart_input(x->u, (const uint8_t *)s, strlen(s)), expect);
}

static void output_goes_by_lines(void)
{
	struct uart_box x;
	const char *p;

	open_box(&x);
	for (p = "ab\ncd"; *p; p++)
		put(&x, 0, (uint8_t)*p);
	CU_ASSERT_STRING_EQUAL((char *)x.t.out, "ab\n");
	CU_ASSERT_EQUAL(x.t.outs, 1);
	uart_flush(x.u);
	CU_ASSERT_STRING_EQUAL((char *)x.t.out, "ab\ncd");
	uart_flush(x.u);
	CU_ASSERT_EQUAL(x.t.outs, 2);
	close_box(&x);
}

static void output_goes_when_full(void)
{
	struct uart_box x;
	unsigned i;

	open_box(&x);
	for (i = 0; i < 255; i++)
		put(&x, 0, 'x');
	CU_ASSERT_EQUAL(x.t.outs, 0);
	put(&x, 0, 'y');
	CU_ASSERT_EQUAL(x.t.outs, 1);
	CU_ASSERT_EQUAL(x.t.out_len, 256);
	close_box(&x);
}

static void line_status(void)
{
	struct uart_box x;

	open_box(&x);
	CU_ASSERT_EQUAL(get(&x, 5), 0x60);
	input(&x, "Q", 1);
	CU_ASSERT_EQUAL(get(&x, 5), 0x61);
	CU_ASSERT_EQUAL(get(&x, 0), 'Q');
	CU_ASSERT_EQUAL(get(&x, 5), 0x60);
	CU_ASSERT_EQUAL(get(&x, 0), 0);
	close_box(&x);
}

static void divisor_latch(void)
{
	struct uart_box x;

	open_box(&x);
	put(&x, 1, 0x05);
	put(&x, 3, 0x83);
	put(&x, 0, 0x0c);
	put(&x, 1, 0x01);
	CU_ASSERT_EQUAL(get(&x, 0), 0x0c);
	CU_ASSERT_EQUAL(get(&x, 1), 0x01);
	put(&x, 3, 0x03);
	CU_ASSERT_EQUAL(get(&x, 1), 0x05);
	CU_ASSERT_EQUAL(get(&x, 3), 0x03);
	uart_flush(x.u);
	CU_ASSERT_EQUAL(x.t.out_len, 0);
	close_box(&x);
}

static void fifo_depth(void)
{
	struct uart_box x;

	open_box(&x);
	input(&x, "ab", 1);
	put(&x, 2, 0x01); /* FIFO on: what was there is gone */
	CU_ASSERT_EQUAL(get(&x, 5), 0x60);
	input(&x, "0123456789abcdefg", 16);
	CU_ASSERT_EQUAL(get(&x, 0), '0');
	input(&x, "z", 1);
	CU_ASSERT_EQUAL(get(&x, 0), '1');
	put(&x, 2, 0x03); /* receiver reset */
	CU_ASSERT_EQUAL(get(&x, 5), 0x60);
	close_box(&x);
}

static void interrupt_causes(void)
{
	struct uart_box x;

	open_box(&x);
	CU_ASSERT_EQUAL(get(&x, 2), 0x01);
	put(&x, 1, 0x02);
	CU_ASSERT_EQUAL(get(&x, 2), 0x02); /* THR empty, once */
	CU_ASSERT_EQUAL(get(&x, 2), 0x01);
	put(&x, 0, 'a');
	CU_ASSERT_EQUAL(get(&x, 2), 0x02);
	put(&x, 1, 0x0f);
	input(&x, "k", 1);
	CU_ASSERT_EQUAL(get(&x, 2), 0x04);
	put(&x, 2, 0x41); /* FIFO on, trigger at 4 */
	input(&x, "abc", 3);
	CU_ASSERT_EQUAL(get(&x, 2), 0xcc);
	input(&x, "d", 1);
	CU_ASSERT_EQUAL(get(&x, 2), 0xc4);
	close_box(&x);
}

static void loopback(void)
{
	struct uart_box x;

	open_box(&x);
	put(&x, 4, 0x1f);
	CU_ASSERT_EQUAL(get(&x, 4), 0x1f);
	CU_ASSERT_EQUAL(get(&x, 6) & 0xf0, 0xf0);
	put(&x, 0, 0xae);
	CU_ASSERT_EQUAL(get(&x, 0), 0xae);
	input(&x, "n", 0); /* cut off from the line */
	put(&x, 0, 1);
	put(&x, 0, 2); /* no FIFO: overrun */
	CU_ASSERT_EQUAL(get(&x, 5), 0x63);
	CU_ASSERT_EQUAL(get(&x, 5), 0x61);
	uart_flush(x.u);
	CU_ASSERT_EQUAL(x.t.out_len, 0);
	close_box(&x);
}

static void modem_status(void)
{
	struct uart_box x;

	open_box(&x);
	CU_ASSERT_EQUAL(get(&x, 6), 0xb0);
	put(&x, 4, 0x14); /* loopback, OUT1 -> RI rises; CTS, DSR, DCD fall: no TERI */
	CU_ASSERT_EQUAL(get(&x, 6), 0x4b);
	CU_ASSERT_EQUAL(get(&x, 6), 0x40);
	put(&x, 4, 0x10); /* RI falls */
	put(&x, 1, 0x08);
	CU_ASSERT_EQUAL(get(&x, 2), 0x00);
	CU_ASSERT_EQUAL(get(&x, 6), 0x04);
	CU_ASSERT_EQUAL(get(&x, 2), 0x01);
	close_box(&x);
}

static void scratch_and_wide_access(void)
{
	struct uart_box x;

	open_box(&x);
	put(&x, 7, 0x5a);
	CU_ASSERT_EQUAL(get(&x, 7), 0x5a);
	put(&x, 5, 0xff); /* read-only */
	CU_ASSERT_EQUAL(get(&x, 5), 0x60);
	CU_ASSERT_EQUAL(bus_in(x.b, COM1 + 4, 4), 0x5ab06000);
	CU_ASSERT_EQUAL(bus_in(x.b, COM1 + 7, 2), 0xff5a);
	close_box(&x);
}

const struct tap_case uart_tests[] = {
	{"output goes line by line", output_goes_by_lines},
	{"output goes when the buffer is full", output_goes_when_full},
	{"line status", line_status},
	{"divisor latch", divisor_latch},
	{"FIFO depth and reset", fifo_depth},
	{"interrupt causes", interrupt_causes},
	{"loopback and overrun", loopback},
	{"modem status", modem_status},
	{"scratch register, wide accesses", scratch_and_wide_access},
	TAP_NO_CASE,
};
