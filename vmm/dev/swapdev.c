/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The swap device: blocks of 4 KiB that a guest puts frames into and gets them back from. Four
 * requests may be under way at once; each is a block, a frame, a direction. Registers:
 * docs/devices.md.
 *
 * The blocks are private anonymous memory, given by the host when first written. Block and address
 * of a request are taken when its command is written, checked, and used as they were taken.
 *
 * Locks: s->lock, for the registers; not held while guest RAM is touched or a message is sent.
 * Blocks need none: the worker alone touches them. Invariant: a request in state BUSY is the
 * worker's, its registers keep their values; writes to them are dropped.
 * Read first: dev.h, worker.h.
 */
#include "vmm/dev/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SWAP_ID 0x50575355u /* "USWP" */
#define VERSION 1u
#define WINDOW	4096u
#define BLOCK	4096u
#define SLOTS	4u

enum reg {
	REG_ID = 0x00,
	REG_VERSION = 0x04,
	REG_CONTROL = 0x08,
	REG_STATUS = 0x0c,
	REG_BLOCKS = 0x10,
	REG_SLOTS = 0x14,
	REG_MSI_ADDRESS = 0x18,
	REG_MSI_DATA = 0x1c,
	REG_REQUEST = 0x100, /* SLOTS groups of the four below */
};

enum { REQ_BLOCK = 0x0, REQ_ADDR_LOW = 0x4, REQ_ADDR_HIGH = 0x8, REQ_COMMAND = 0xc };
#define REQ_SPAN 0x10u

#define CONTROL_RESET 4u
#define STATUS_BUSY   0x80000000u
#define STATUS_DONE   0x1u  /* of slot 0; the others' follow */
#define STATUS_ERROR  0x10u /* likewise */
#define STATUS_ALL    0xffu

enum { COMMAND_NONE, COMMAND_READ, COMMAND_WRITE };
enum { RESULT_IDLE, RESULT_BUSY, RESULT_DONE, RESULT_BLOCK, RESULT_ADDRESS, RESULT_COMMAND };

struct request {
	uint32_t block, command, result;
	uint64_t address;
};

struct swapdev {
	const struct dev_host *host;
	struct worker *worker;
	uint8_t *data;
	uint32_t blocks;
	pthread_mutex_t lock;
	uint32_t status, msi_address, msi_data;
	uint32_t generation;
	bool in_hand;
	unsigned next; /* the slot looked at first: no slot waits for ever */
	struct request slot[SLOTS];
};

static uint32_t transfer(struct swapdev *s, const struct request *r)
{
	uint8_t *data = s->data + (size_t)r->block * BLOCK;
	int err;

	if (r->command == COMMAND_READ)
		err = s->host->dma_write(s->host->ctx, GPA(r->address), data, BLOCK);
	else
		err = s->host->dma_read(s->host->ctx, GPA(r->address), data, BLOCK);
	return err ? RESULT_ADDRESS : RESULT_DONE;
}

/* Under the lock. */
static void complete(struct swapdev *s, unsigned n, uint32_t result)
{
	s->slot[n].result = result;
	s->status |= (result == RESULT_DONE ? STATUS_DONE : STATUS_DONE | STATUS_ERROR) << n;
}

/* Under the lock: the slot of a request to be worked on, or SLOTS. */
static unsigned choose(struct swapdev *s)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		unsigned n = (s->next + i) % SLOTS;

		if (s->slot[n].result == RESULT_BUSY) {
			s->next = n + 1;
			return n;
		}
	}
	return SLOTS;
}

static bool work(void *dev)
{
	struct swapdev *s = dev;
	uint32_t generation, result, data;
	uint64_t address;
	struct request r;
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = choose(s);
	if (n == SLOTS) {
		pthread_mutex_unlock(&s->lock);
		return false;
	}
	r = s->slot[n];
	generation = s->generation;
	s->in_hand = true;
	pthread_mutex_unlock(&s->lock);

	result = transfer(s, &r);

	pthread_mutex_lock(&s->lock);
	s->in_hand = false;
	address = generation == s->generation ? s->msi_address : 0;
	data = s->msi_data;
	if (generation == s->generation)
		complete(s, n, result);
	pthread_mutex_unlock(&s->lock);
	if (address)
		s->host->msi(s->host->ctx, address, data);
	return true;
}

/* Under the lock; true if the worker has to be told. What can be refused at once, is. */
static bool command(struct swapdev *s, unsigned n, uint32_t val)
{
	struct request *r = &s->slot[n];

	s->status &= ~((STATUS_DONE | STATUS_ERROR) << n);
	r->command = val;
	if (val != COMMAND_READ && val != COMMAND_WRITE)
		complete(s, n, RESULT_COMMAND);
	else if (r->block >= s->blocks)
		complete(s, n, RESULT_BLOCK);
	else if (r->address % BLOCK)
		complete(s, n, RESULT_ADDRESS);
	else
		r->result = RESULT_BUSY;
	return r->result == RESULT_BUSY;
}

static void reset(struct swapdev *s)
{
	s->generation++;
	s->status = s->msi_address = s->msi_data = 0;
	memset(s->slot, 0, sizeof(s->slot));
}

static uint32_t get_request(const struct request *r, uint64_t offset)
{
	switch (offset) {
	case REQ_BLOCK:
		return r->block;
	case REQ_ADDR_LOW:
		return (uint32_t)r->address;
	case REQ_ADDR_HIGH:
		return (uint32_t)(r->address >> 32);
	default:
		return r->result;
	}
}

static bool put_request(struct swapdev *s, unsigned n, uint64_t offset, uint32_t val)
{
	struct request *r = &s->slot[n];

	if (r->result == RESULT_BUSY)
		return false;
	switch (offset) {
	case REQ_BLOCK:
		r->block = val;
		return false;
	case REQ_ADDR_LOW:
		r->address = (r->address & ~0xffffffffull) | val;
		return false;
	case REQ_ADDR_HIGH:
		r->address = (r->address & 0xffffffffu) | (uint64_t)val << 32;
		return false;
	default:
		return command(s, n, val);
	}
}

static uint32_t get(const struct swapdev *s, uint64_t offset)
{
	switch (offset) {
	case REG_ID:
		return SWAP_ID;
	case REG_VERSION:
		return VERSION;
	case REG_STATUS:
		return s->status | (s->in_hand ? STATUS_BUSY : 0);
	case REG_BLOCKS:
		return s->blocks;
	case REG_SLOTS:
		return SLOTS;
	case REG_MSI_ADDRESS:
		return s->msi_address;
	case REG_MSI_DATA:
		return s->msi_data;
	default:
		return 0;
	}
}

static void put(struct swapdev *s, uint64_t offset, uint32_t val)
{
	if (offset == REG_CONTROL && (val & CONTROL_RESET))
		reset(s);
	else if (offset == REG_STATUS)
		s->status &= ~(val & STATUS_ALL);
	else if (offset == REG_MSI_ADDRESS)
		s->msi_address = val;
	else if (offset == REG_MSI_DATA)
		s->msi_data = val;
}

/* The request whose registers offset lies in, or SLOTS. */
static unsigned slot_of(uint64_t offset)
{
	if (offset < REG_REQUEST || offset >= REG_REQUEST + SLOTS * REQ_SPAN)
		return SLOTS;
	return (unsigned)((offset - REG_REQUEST) / REQ_SPAN);
}

static bool is_register(uint64_t offset, unsigned size)
{
	return size == 4 && offset % 4 == 0;
}

static uint64_t swapdev_read(void *dev, unsigned vcpu, uint64_t offset, unsigned size)
{
	struct swapdev *s = dev;
	unsigned n = slot_of(offset);
	uint32_t val;

	(void)vcpu;
	if (!is_register(offset, size))
		return UINT64_MAX;
	pthread_mutex_lock(&s->lock);
	val = n < SLOTS ? get_request(&s->slot[n], offset % REQ_SPAN) : get(s, offset);
	pthread_mutex_unlock(&s->lock);
	return val;
}

static void swapdev_write(void *dev, unsigned vcpu, uint64_t offset, unsigned size,
			  uint64_t val)
{
	struct swapdev *s = dev;
	unsigned n = slot_of(offset);
	bool kick = false;

	(void)vcpu;
	if (!is_register(offset, size))
		return;
	pthread_mutex_lock(&s->lock);
	if (n < SLOTS)
		kick = put_request(s, n, offset % REQ_SPAN, (uint32_t)val);
	else
		put(s, offset, (uint32_t)val);
	pthread_mutex_unlock(&s->lock);
	if (kick)
		worker_kick(s->worker);
}

struct swapdev *swapdev_create(const struct dev_host *h, uint64_t size)
{
	struct swapdev *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = h;
	s->blocks = (uint32_t)(size / BLOCK);
	s->data = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_mutex_init(&s->lock, NULL);
	if (s->data != MAP_FAILED)
		s->worker = worker_create(h, work, s);
	if (!s->worker) {
		swapdev_destroy(s);
		return NULL;
	}
	return s;
}

void swapdev_destroy(struct swapdev *s)
{
	if (!s)
		return;
	worker_destroy(s->worker);
	if (s->data != MAP_FAILED)
		munmap(s->data, (size_t)s->blocks * BLOCK);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int swapdev_attach(struct swapdev *s, struct bus *b, gpa_t at)
{
	const struct dev_range r = {
		.dev = s,
		.read = swapdev_read,
		.write = swapdev_write,
		.name = "swap",
	};

	return bus_add_mmio(b, at, WINDOW, &r);
}

void swapdev_reset(struct swapdev *s)
{
	pthread_mutex_lock(&s->lock);
	reset(s);
	pthread_mutex_unlock(&s->lock);
}

void swapdev_hold(struct swapdev *s, bool hold)
{
	if (hold)
		worker_hold(s->worker);
	else
		worker_release(s->worker);
}
