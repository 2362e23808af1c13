/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the suites of devices with DMA share: guest RAM that is an array, a host that reads and writes
 * it and records messages, and 32-bit registers behind a bus.
 */
#ifndef UMBRA_TESTS_DEV_DMA_H
#define UMBRA_TESTS_DEV_DMA_H

#include "tests/unit/dev_test.h"

#define DMA_RAM (64u << 12)
#define MSI_TO	0xfee02000u

struct dma_box {
	struct test_host t;
	struct bus *bus;
	struct capture *capture;
	struct swapdev *swap;
	uint64_t base;
	uint8_t ram[DMA_RAM];
	_Atomic unsigned messages, writes, begun, ended;
	uint64_t msi_address;
	uint32_t msi_data;
	_Atomic bool stuck;	   /* DMA waits until this is cleared */
	_Atomic unsigned stuck_in; /* how many do */
};

/* Both devices; swap: bytes of the second. */
int dma_open(struct dma_box *x, bool threads, uint64_t swap);
void dma_close(struct dma_box *x);
uint32_t dma_get(struct dma_box *x, uint32_t offset);
void dma_put(struct dma_box *x, uint32_t offset, uint32_t val);
/* Until (register & mask) == want; false after seconds. */
bool dma_await(struct dma_box *x, uint32_t offset, uint32_t mask, uint32_t want);
/* Until DMA is stuck; false after seconds. */
bool dma_await_stuck(struct dma_box *x);

#endif
