/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bus: which device answers at a port or at a guest physical address.
 *
 * Owns the two range tables. Ports are found through an index with one byte per port; memory
 * ranges are few, so they are kept sorted and found by bisection.
 *
 * Invariants: ranges of one kind never overlap; mmio[] is sorted by first.
 *
 * Locks: none. Ranges are added while the machine is built by one thread; afterwards the tables
 * are read only. The counter is atomic.
 *
 * Read first: dev.h.
 */
#include "vmm/dev/dev.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PORTS	    65536u
#define PORT_RANGES 255 /* port_index[] holds the range's number plus one in a byte */
#define MMIO_RANGES 16

struct port_range {
	uint16_t first;
	uint32_t end; /* one past the last */
	struct dev_range r;
};

struct mmio_range {
	uint64_t first, last;
	struct dev_range r;
};

struct bus {
	unsigned n_ports, n_mmio;
	struct port_range ports[PORT_RANGES];
	struct mmio_range mmio[MMIO_RANGES];
	uint8_t port_index[PORTS]; /* 0: nobody */
	_Atomic uint64_t unclaimed;
};

struct bus *bus_create(void)
{
	return calloc(1, sizeof(struct bus));
}

static void release(const struct dev_range *r)
{
	if (r->release)
		r->release(r->dev);
}

void bus_destroy(struct bus *b)
{
	unsigned i;

	if (!b)
		return;
	for (i = 0; i < b->n_ports; i++)
		release(&b->ports[i].r);
	for (i = 0; i < b->n_mmio; i++)
		release(&b->mmio[i].r);
	free(b);
}

uint64_t bus_unclaimed(const struct bus *b)
{
	return atomic_load_explicit(&b->unclaimed, memory_order_relaxed);
}

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

static void nobody(struct bus *b)
{
	atomic_fetch_add_explicit(&b->unclaimed, 1, memory_order_relaxed);
}

/* Ports. */

int bus_add_ports(struct bus *b, uint16_t first, uint16_t count, const struct dev_range *r)
{
	uint32_t port, end = (uint32_t)first + count;

	if (!count || end > PORTS)
		return -EINVAL;
	for (port = first; port < end; port++)
		if (b->port_index[port])
			return -EEXIST;
	if (b->n_ports == PORT_RANGES)
		return -ENOMEM;
	b->ports[b->n_ports++] = (struct port_range){.first = first, .end = end, .r = *r};
	memset(b->port_index + first, (int)b->n_ports, count);
	return 0;
}

/* The range that holds all of [port, port + size), or NULL. */
static const struct port_range *find_port(const struct bus *b, uint32_t port, unsigned size)
{
	const struct port_range *p;

	if (port >= PORTS || !b->port_index[port])
		return NULL;
	p = &b->ports[b->port_index[port] - 1];
	return port + size <= p->end ? p : NULL;
}

static uint32_t in_whole(struct bus *b, uint32_t port, unsigned size)
{
	const struct port_range *p = find_port(b, port, size);

	if (!p || !p->r.in) {
		nobody(b);
		return (uint32_t)ones(size);
	}
	return p->r.in(p->r.dev, (uint16_t)(port - p->first), size) & (uint32_t)ones(size);
}

static void out_whole(struct bus *b, uint32_t port, unsigned size, uint32_t val)
{
	const struct port_range *p = find_port(b, port, size);

	if (!p || !p->r.out) {
		nobody(b);
		return;
	}
	p->r.out(p->r.dev, (uint16_t)(port - p->first), size, val & (uint32_t)ones(size));
}

uint32_t bus_in(struct bus *b, uint16_t port, unsigned size)
{
	uint32_t val = 0;
	unsigned i;

	if (find_port(b, port, size))
		return in_whole(b, port, size);
	for (i = 0; i < size; i++)
		val |= in_whole(b, (uint32_t)port + i, 1) << (8 * i);
	return val;
}

void bus_out(struct bus *b, uint16_t port, unsigned size, uint32_t val)
{
	unsigned i;

	if (find_port(b, port, size)) {
		out_whole(b, port, size, val);
		return;
	}
	for (i = 0; i < size; i++)
		out_whole(b, (uint32_t)port + i, 1, val >> (8 * i));
}

/* Memory. */

/* Number of ranges that start at or below gpa: the insertion point, and one past the candidate. */
static unsigned bisect(const struct bus *b, uint64_t gpa)
{
	unsigned low = 0, high = b->n_mmio;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (b->mmio[mid].first <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int bus_add_mmio(struct bus *b, gpa_t first, uint64_t len, const struct dev_range *r)
{
	uint64_t last = first.v + len - 1;
	unsigned at = bisect(b, first.v);

	if (!len || last < first.v)
		return -EINVAL;
	if (at > 0 && b->mmio[at - 1].last >= first.v)
		return -EEXIST;
	if (at < b->n_mmio && b->mmio[at].first <= last)
		return -EEXIST;
	if (b->n_mmio == MMIO_RANGES)
		return -ENOMEM;
	memmove(&b->mmio[at + 1], &b->mmio[at], (b->n_mmio - at) * sizeof(b->mmio[0]));
	b->mmio[at] = (struct mmio_range){.first = first.v, .last = last, .r = *r};
	b->n_mmio++;
	return 0;
}

static const struct mmio_range *find_mmio(const struct bus *b, uint64_t gpa, unsigned size)
{
	unsigned at = bisect(b, gpa);
	const struct mmio_range *m = at ? &b->mmio[at - 1] : NULL;

	if (!m || gpa > m->last || m->last - gpa < size - 1)
		return NULL;
	return m;
}

uint64_t bus_read(struct bus *b, unsigned vcpu, gpa_t gpa, unsigned size)
{
	const struct mmio_range *m = find_mmio(b, gpa.v, size);

	if (!m || !m->r.read) {
		nobody(b);
		return ones(size);
	}
	return m->r.read(m->r.dev, vcpu, gpa.v - m->first, size) & ones(size);
}

void bus_write(struct bus *b, unsigned vcpu, gpa_t gpa, unsigned size, uint64_t val)
{
	const struct mmio_range *m = find_mmio(b, gpa.v, size);

	if (!m || !m->r.write) {
		nobody(b);
		return;
	}
	m->r.write(m->r.dev, vcpu, gpa.v - m->first, size, val & ones(size));
}
