/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest RAM and messages for the suites of devices with DMA.
 */
#include "tests/unit/dev_dma.h"

#include <errno.h>
#include <time.h>

static void nap(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

static void wait_stuck(struct dma_box *x)
{
	x->stuck_in++;
	while (x->stuck)
		nap();
	x->stuck_in--;
}

static uint8_t *at(struct dma_box *x, gpa_t gpa, size_t n)
{
	return gpa.v < DMA_RAM && n <= DMA_RAM - gpa.v ? x->ram + gpa.v : NULL;
}

static int dma_read(void *ctx, gpa_t gpa, void *buf, size_t n)
{
	struct dma_box *x = ctx;
	const uint8_t *p = at(x, gpa, n);

	wait_stuck(x);
	if (!p)
		return -EFAULT;
	memcpy(buf, p, n);
	return 0;
}

static int dma_write(void *ctx, gpa_t gpa, const void *buf, size_t n)
{
	struct dma_box *x = ctx;
	uint8_t *p = at(x, gpa, n);

	wait_stuck(x);
	if (!p)
		return -EFAULT;
	memcpy(p, buf, n);
	x->writes++;
	return 0;
}

static void msi(void *ctx, uint64_t address, uint32_t data)
{
	struct dma_box *x = ctx;

	x->msi_address = address;
	x->msi_data = data;
	x->messages++;
}

static void thread_begin(void *ctx)
{
	((struct dma_box *)ctx)->begun++;
}

static void thread_end(void *ctx)
{
	((struct dma_box *)ctx)->ended++;
}

int dma_open(struct dma_box *x, bool threads, uint64_t swap)
{
	memset(x, 0, sizeof(*x));
	test_host_init(&x->t);
	x->t.host.ctx = x;
	x->t.host.dma_read = dma_read;
	x->t.host.dma_write = dma_write;
	x->t.host.msi = msi;
	x->t.host.threads = threads;
	x->t.host.thread_begin = thread_begin;
	x->t.host.thread_end = thread_end;
	x->bus = bus_create();
	x->capture = capture_create(&x->t.host);
	x->swap = swapdev_create(&x->t.host, swap);
	if (!x->bus || !x->capture || !x->swap)
		return -1;
	return capture_attach(x->capture, x->bus, GPA(CAPTURE_GPA)) ||
	       swapdev_attach(x->swap, x->bus, GPA(SWAPDEV_GPA));
}

void dma_close(struct dma_box *x)
{
	x->stuck = false;
	capture_destroy(x->capture);
	swapdev_destroy(x->swap);
	bus_destroy(x->bus);
	CU_ASSERT_EQUAL(x->begun, x->t.host.threads ? 2 : 0);
	CU_ASSERT_EQUAL(x->ended, x->begun);
}

uint32_t dma_get(struct dma_box *x, uint32_t offset)
{
	return (uint32_t)bus_read(x->bus, 0, GPA(x->base + offset), 4);
}

void dma_put(struct dma_box *x, uint32_t offset, uint32_t val)
{
	bus_write(x->bus, 0, GPA(x->base + offset), 4, val);
}

bool dma_await(struct dma_box *x, uint32_t offset, uint32_t mask, uint32_t want)
{
	for (int i = 0; i < 10000; i++, nap())
		if ((dma_get(x, offset) & mask) == want)
			return true;
	return false;
}

bool dma_await_stuck(struct dma_box *x)
{
	for (int i = 0; i < 10000; i++, nap())
		if (x->stuck_in)
			return true;
	return false;
}
