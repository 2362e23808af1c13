/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted output. Owns the print lock; a call's text is never mixed with another's.
 * Formats: %d %u %x with l or ll, %s, %c, %%; a width and a leading 0 for numbers.
 */
#include "kernel/kernel.h"

static struct spinlock print_lock = {.name = "print"};
static bool unlocked;

struct out {
	char *buf;
	size_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void put_number(struct out *o, u64 v, u32 base, int width, char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (int i = n; i < width; i++)
		put(o, pad);
	while (n)
		put(o, digits[--n]);
}

static void put_signed(struct out *o, slong v, int width, char pad)
{
	if (v < 0)
		put(o, '-');
	put_number(o, v < 0 ? -(ulong)v : (ulong)v, 10, width, pad);
}

static void put_string(struct out *o, const char *s)
{
	while (*s)
		put(o, *s++);
}

static u64 next_unsigned(va_list *ap, int wide)
{
	if (wide > 1)
		return va_arg(*ap, u64);
	return wide ? va_arg(*ap, ulong) : va_arg(*ap, u32);
}

static const char *put_one(struct out *o, const char *f, va_list *ap)
{
	char pad = *f == '0' ? '0' : ' ';
	int width = 0, wide = 0;

	for (; *f >= '0' && *f <= '9'; f++)
		width = width * 10 + *f - '0';
	for (; *f == 'l'; f++)
		wide++;
	switch (*f) {
	case 'd':
		put_signed(o, wide ? va_arg(*ap, long) : va_arg(*ap, int), width, pad);
		break;
	case 'u':
		put_number(o, next_unsigned(ap, wide), 10, width, pad);
		break;
	case 'x':
		put_number(o, next_unsigned(ap, wide), 16, width, pad);
		break;
	case 's':
		put_string(o, va_arg(*ap, const char *));
		break;
	case 'c':
		put(o, (char)va_arg(*ap, int));
		break;
	default:
		put(o, *f);
	}
	return f + 1;
}

int vformat(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {buf, size, 0};
	va_list ap;

	va_copy(ap, args);
	while (*fmt) {
		if (*fmt == '%')
			fmt = put_one(&o, fmt + 1, &ap);
		else
			put(&o, *fmt++);
	}
	va_end(ap);
	buf[o.len] = 0;
	return (int)o.len;
}

int format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

void print(const char *fmt, ...)
{
	char buf[320];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vformat(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (!unlocked)
		spin_lock(&print_lock);
	serial_write(buf, (size_t)n);
	if (!unlocked)
		spin_unlock(&print_lock);
}

/* After this print() takes no lock: the last words of a CPU may come while it holds it. */
void print_panic_mode(void)
{
	unlocked = true;
}
