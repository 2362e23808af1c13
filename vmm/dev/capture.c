/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The capture device: at its driver's word it fills frames of guest RAM, which need not be in a
 * row, with a picture that says what it should look like, and interrupts. Registers and picture:
 * docs/devices.md.
 *
 *   LIST -> | frame 0 | frame 1 | ... | link -> | frame k | ...        entries of 8 bytes
 *
 * Everything in guest RAM is the guest's to change at any time: each entry is read once, checked,
 * and used as it was read. A list that links to itself ends at MAX_LINKS. One unit of the worker's
 * is one frame, so that a reset or a pause waits for no more.
 *
 * Locks: c->lock, for the registers and the run; not held while guest RAM is touched or a message is
 * sent. Invariant: only the worker's thread advances a run, and it forgets what it did in hand if
 * `generation` has changed meanwhile.
 * Read first: dev.h, worker.h.
 */
#include "vmm/dev/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CAPTURE_ID  0x50414355u /* "UCAP" */
#define VERSION	    1u
#define WINDOW	    4096u
#define FRAME	    4096u
#define MAX_FRAMES  1024u
#define MAX_LINKS   64u
#define LINK	    1u
#define FRAME_WORDS (FRAME / 4)

enum reg {
	REG_ID = 0x00,
	REG_VERSION = 0x04,
	REG_CONTROL = 0x08,
	REG_STATUS = 0x0c,
	REG_LIST_LOW = 0x10,
	REG_LIST_HIGH = 0x14,
	REG_COUNT = 0x18,
	REG_SEQUENCE = 0x1c,
	REG_FILLED = 0x20,
	REG_ERROR = 0x24,
	REG_MSI_ADDRESS = 0x28,
	REG_MSI_DATA = 0x2c,
	REG_READS = 0x30,
};

#define CONTROL_START 1u
#define CONTROL_STOP  2u
#define CONTROL_RESET 4u
#define STATUS_BUSY   1u
#define STATUS_DONE   2u
#define STATUS_ERROR  4u

enum { ERROR_NONE, ERROR_VALUE, ERROR_ADDRESS, ERROR_LIST, ERROR_STOPPED };

struct capture {
	const struct dev_host *host;
	struct worker *worker;
	pthread_mutex_t lock;
	uint32_t status, error, count, sequence, filled, msi_address, msi_data, reads;
	uint64_t list;

	/* The run. */
	bool running, in_hand;
	uint32_t generation, links;
	uint64_t at; /* of the next entry */
};

static uint32_t word_of(uint32_t sequence, uint32_t index, uint32_t i)
{
	return sequence * 0x9e3779b9u + index * 0x85ebca6bu + i * 0xc2b2ae35u;
}

/* FNV-1a by words over all but the last, which it is. */
static void draw(uint32_t w[FRAME_WORDS], uint32_t sequence, uint32_t index)
{
	uint32_t sum = 0x811c9dc5u;

	w[0] = sequence;
	w[1] = index;
	for (uint32_t i = 2; i < FRAME_WORDS - 1; i++)
		w[i] = word_of(sequence, index, i);
	for (uint32_t i = 0; i < FRAME_WORDS - 1; i++)
		sum = (sum ^ w[i]) * 0x01000193u;
	w[FRAME_WORDS - 1] = sum;
}

static void send(struct capture *c, uint64_t address, uint32_t data)
{
	if (address)
		c->host->msi(c->host->ctx, address, data);
}

/* Under the lock: the run is over. */
static void finish(struct capture *c, uint32_t error)
{
	c->running = false;
	c->error = error;
	c->status &= ~STATUS_BUSY;
	c->status |= error ? STATUS_DONE | STATUS_ERROR : STATUS_DONE;
}

/* What one unit works on, taken from the registers under the lock. */
struct unit {
	uint32_t generation, sequence, index, links;
	uint64_t at;
};

/* The next frame of the list; follows links. */
static uint32_t next_frame(struct capture *c, struct unit *u, uint64_t *frame)
{
	uint64_t entry;

	for (;;) {
		if (c->host->dma_read(c->host->ctx, GPA(u->at), &entry, sizeof(entry)))
			return ERROR_ADDRESS;
		if (!(entry & LINK))
			break;
		if (++u->links > MAX_LINKS || entry % FRAME != LINK)
			return ERROR_LIST;
		u->at = entry - LINK;
	}
	u->at += sizeof(entry);
	*frame = entry;
	return entry % FRAME ? ERROR_LIST : ERROR_NONE;
}

static uint32_t fill_one(struct capture *c, struct unit *u)
{
	uint32_t picture[FRAME_WORDS], error;
	uint64_t frame;

	error = next_frame(c, u, &frame);
	if (error)
		return error;
	draw(picture, u->sequence, u->index);
	if (c->host->dma_write(c->host->ctx, GPA(frame), picture, sizeof(picture)))
		return ERROR_ADDRESS;
	return ERROR_NONE;
}

/* Under the lock. A run that was stopped or reset while its frame was in hand is not ours. */
static void account(struct capture *c, const struct unit *u, uint32_t error)
{
	if (!c->running || c->generation != u->generation)
		return;
	c->at = u->at;
	c->links = u->links;
	c->filled += !error;
	if (error || c->filled == c->count)
		finish(c, error);
}

static bool begin_unit(struct capture *c, struct unit *u)
{
	*u = (struct unit){c->generation, c->sequence, c->filled, c->links, c->at};
	c->in_hand = c->running;
	return c->running;
}

static bool work(void *dev)
{
	struct capture *c = dev;
	uint64_t address;
	uint32_t error, data;
	struct unit u;
	bool more, ended;

	pthread_mutex_lock(&c->lock);
	if (!begin_unit(c, &u)) {
		pthread_mutex_unlock(&c->lock);
		return false;
	}
	pthread_mutex_unlock(&c->lock);

	error = fill_one(c, &u);

	pthread_mutex_lock(&c->lock);
	c->in_hand = false;
	more = c->running;
	account(c, &u, error);
	ended = more && !c->running;
	more = c->running;
	address = c->msi_address;
	data = c->msi_data;
	pthread_mutex_unlock(&c->lock);
	if (ended)
		send(c, address, data);
	return more;
}

/* Under the lock; true if the worker has to be told. */
static bool begin(struct capture *c)
{
	if (c->running || c->in_hand)
		return false;
	c->status &= ~(STATUS_DONE | STATUS_ERROR);
	c->filled = 0;
	c->sequence++;
	c->generation++;
	if (!c->count || c->count > MAX_FRAMES || c->list % FRAME) {
		finish(c, ERROR_VALUE);
		return false;
	}
	c->error = ERROR_NONE;
	c->status |= STATUS_BUSY;
	c->running = true;
	c->at = c->list;
	c->links = 0;
	return true;
}

/* Under the lock: all registers but READS as after power-up. */
static void reset(struct capture *c)
{
	c->generation++;
	c->running = false;
	c->status = c->error = c->count = c->sequence = c->filled = 0;
	c->msi_address = c->msi_data = 0;
	c->list = 0;
}

static bool control(struct capture *c, uint32_t val)
{
	if (val & CONTROL_RESET) {
		reset(c);
		return false;
	}
	if ((val & CONTROL_STOP) && c->running)
		finish(c, ERROR_STOPPED);
	return (val & CONTROL_START) && begin(c);
}

static uint32_t get(struct capture *c, uint64_t offset)
{
	switch (offset) {
	case REG_ID:
		return CAPTURE_ID;
	case REG_VERSION:
		return VERSION;
	case REG_STATUS:
		/* A frame that is in hand when its run ends may still be written to. */
		return c->status | (c->in_hand ? STATUS_BUSY : 0);
	case REG_LIST_LOW:
		return (uint32_t)c->list;
	case REG_LIST_HIGH:
		return (uint32_t)(c->list >> 32);
	case REG_COUNT:
		return c->count;
	case REG_SEQUENCE:
		return c->sequence;
	case REG_FILLED:
		return c->filled;
	case REG_ERROR:
		return c->error;
	case REG_MSI_ADDRESS:
		return c->msi_address;
	case REG_MSI_DATA:
		return c->msi_data;
	case REG_READS:
		return c->reads;
	default:
		return 0;
	}
}

/* True if the worker has to be told. */
static bool put(struct capture *c, uint64_t offset, uint32_t val)
{
	switch (offset) {
	case REG_CONTROL:
		return control(c, val);
	case REG_STATUS:
		c->status &= ~(val & (STATUS_DONE | STATUS_ERROR));
		return false;
	case REG_LIST_LOW:
		c->list = (c->list & ~0xffffffffull) | val;
		return false;
	case REG_LIST_HIGH:
		c->list = (c->list & 0xffffffffu) | (uint64_t)val << 32;
		return false;
	case REG_COUNT:
		c->count = val;
		return false;
	case REG_MSI_ADDRESS:
		c->msi_address = val;
		return false;
	case REG_MSI_DATA:
		c->msi_data = val;
		return false;
	default:
		return false;
	}
}

static bool is_register(uint64_t offset, unsigned size)
{
	return size == 4 && offset % 4 == 0;
}

static uint64_t capture_read(void *dev, unsigned vcpu, uint64_t offset, unsigned size)
{
	struct capture *c = dev;
	uint32_t val;

	(void)vcpu;
	pthread_mutex_lock(&c->lock);
	c->reads++;
	val = get(c, offset);
	pthread_mutex_unlock(&c->lock);
	return is_register(offset, size) ? val : UINT64_MAX;
}

static void capture_write(void *dev, unsigned vcpu, uint64_t offset, unsigned size,
			  uint64_t val)
{
	struct capture *c = dev;
	bool kick;

	(void)vcpu;
	if (!is_register(offset, size))
		return;
	pthread_mutex_lock(&c->lock);
	kick = put(c, offset, (uint32_t)val);
	pthread_mutex_unlock(&c->lock);
	if (kick)
		worker_kick(c->worker);
}

struct capture *capture_create(const struct dev_host *h)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->host = h;
	pthread_mutex_init(&c->lock, NULL);
	c->worker = worker_create(h, work, c);
	if (!c->worker) {
		capture_destroy(c);
		return NULL;
	}
	return c;
}

void capture_destroy(struct capture *c)
{
	if (!c)
		return;
	worker_destroy(c->worker);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int capture_attach(struct capture *c, struct bus *b, gpa_t at)
{
	const struct dev_range r = {
		.dev = c,
		.read = capture_read,
		.write = capture_write,
		.name = "capture",
	};

	return bus_add_mmio(b, at, WINDOW, &r);
}

void capture_reset(struct capture *c)
{
	pthread_mutex_lock(&c->lock);
	reset(c);
	pthread_mutex_unlock(&c->lock);
}

void capture_hold(struct capture *c, bool hold)
{
	if (hold)
		worker_hold(c->worker);
	else
		worker_release(c->worker);
}
