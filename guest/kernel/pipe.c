/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes, and the descriptors that name their ends. A pipe lives in one frame, its ring behind the
 * struct. Lock: pipe->lock for everything in it but the frame's address; nobody touches user
 * memory under it, so bytes go through a buffer on the stack, PIPE_ATOMIC at a time. Channels:
 * &readers for who waits for bytes, &writers for who waits for room. The pipe goes with its last
 * descriptor.
 */
#include "mm/mm.h"

struct pipe {
	struct spinlock lock;
	ulong frame;
	u32 readers, writers; /* descriptors of each end */
	u32 first, count;     /* the bytes in the ring */
	u8 ring[];
};

#define RING (PAGE_SIZE - sizeof(struct pipe))

static u32 open_pipes;

u32 pipes_open(void)
{
	return atomic_load(&open_pipes);
}

slong pipe_open(struct descriptor *reader, struct descriptor *writer)
{
	pa_t frame = frame_try(ZONE_LOW);
	struct pipe *p;

	if (!frame)
		return ERR;
	p = phys((ulong)frame);
	p->lock.name = "pipe";
	p->frame = (ulong)frame;
	p->readers = p->writers = 1;
	*reader = (struct descriptor){p, false};
	*writer = (struct descriptor){p, true};
	atomic_add(&open_pipes, 1);
	return 0;
}

static u32 *users_of(const struct descriptor *f)
{
	return f->writes ? &f->pipe->writers : &f->pipe->readers;
}

void fd_get(const struct descriptor *f)
{
	if (!f->pipe)
		return;
	spin_lock(&f->pipe->lock);
	++*users_of(f);
	spin_unlock(&f->pipe->lock);
}

/* Close it. Whoever waits at the other end looks again. */
void fd_put(struct descriptor *f)
{
	struct pipe *p = f->pipe;
	bool last;

	if (!p)
		return;
	spin_lock(&p->lock);
	--*users_of(f);
	last = !p->readers && !p->writers;
	wake(&p->readers);
	wake(&p->writers);
	spin_unlock(&p->lock);
	f->pipe = NULL;
	if (!last)
		return;
	frame_put(p->frame);
	atomic_sub(&open_pipes, 1);
}

static void put_byte(struct pipe *p, u8 byte)
{
	p->ring[(p->first + p->count++) % RING] = byte;
}

static u8 get_byte(struct pipe *p)
{
	u8 byte = p->ring[p->first];

	p->first = (p->first + 1) % RING;
	p->count--;
	return byte;
}

/* Wait for bytes and take up to n of them; 0 when no more will come. */
static slong take(struct pipe *p, u8 *to, ulong n)
{
	slong got = 0;
	bool more = true;

	spin_lock(&p->lock);
	while (!p->count && p->writers && more)
		more = sleep_or_signal(&p->readers, &p->lock);
	while ((ulong)got < n && p->count)
		to[got++] = get_byte(p);
	wake(&p->writers);
	spin_unlock(&p->lock);
	return got || more ? got : ERR_INTR;
}

/* Wait for room for all n bytes, which come to lie side by side. */
static slong give(struct pipe *p, const u8 *from, ulong n)
{
	slong r = ERR_INTR;
	bool more = true;

	spin_lock(&p->lock);
	while (p->readers && RING - p->count < n && more)
		more = sleep_or_signal(&p->writers, &p->lock);
	if (!p->readers)
		r = ERR_PIPE;
	else if (RING - p->count >= n)
		r = (slong)n;
	for (ulong i = 0; r > 0 && i < n; i++)
		put_byte(p, from[i]);
	wake(&p->readers);
	spin_unlock(&p->lock);
	return r;
}

/* What is there, up to PIPE_ATOMIC bytes. */
slong fd_read(const struct descriptor *f, ulong to, ulong n)
{
	u8 buf[PIPE_ATOMIC];
	slong got;

	if (!f->pipe || f->writes)
		return ERR;
	if (!n)
		return 0;
	got = take(f->pipe, buf, n < sizeof(buf) ? n : sizeof(buf));
	return got > 0 && !copy_to_user(to, buf, (size_t)got) ? ERR : got;
}

/* All of it, unless a signal comes or the readers go. */
slong fd_write(const struct descriptor *f, ulong from, ulong n)
{
	u8 buf[PIPE_ATOMIC];
	ulong done = 0;
	slong r = 0;

	if (!f->pipe || !f->writes)
		return ERR;
	while (done < n && r >= 0) {
		ulong part = n - done < sizeof(buf) ? n - done : sizeof(buf);

		r = copy_from_user(buf, from + done, part) ? give(f->pipe, buf, part) : ERR;
		done += r > 0 ? (ulong)r : 0;
	}
	if (r == ERR_PIPE)
		signal_raise(SIG_PIPE);
	return r < 0 && (!done || r == ERR_PIPE) ? r : (slong)done;
}
