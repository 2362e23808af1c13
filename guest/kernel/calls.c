/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls about programs, descriptors, signals and time; syscall.c has the table. */
#include "mm/mm.h"

slong sys_exec(struct trapframe *tf)
{
	return process_exec(tf, tf->ARG0, tf->ARG1);
}

slong sys_madvise(struct trapframe *tf)
{
	if (tf->ARG2 != MADV_DONTNEED)
		return ERR;
	return mm_discard(current()->mm, tf->ARG0, tf->ARG1);
}

/* A descriptor of the caller's that is not open, or NULL. */
static struct descriptor *free_fd(const struct descriptor *but)
{
	struct descriptor *f = current()->fd;

	for (u32 i = 0; i < MAX_FDS; i++)
		if (!f[i].pipe && &f[i] != but)
			return &f[i];
	return NULL;
}

slong sys_pipe(struct trapframe *tf)
{
	struct descriptor *reader = free_fd(NULL), *writer = free_fd(reader);
	const struct descriptor *first = current()->fd;
	int fd[2] = {(int)(reader - first), (int)(writer - first)};

	if (!reader || !writer || pipe_open(reader, writer))
		return ERR;
	if (copy_to_user(tf->ARG0, fd, sizeof(fd)))
		return 0;
	fd_put(reader);
	fd_put(writer);
	return ERR;
}

static struct descriptor *fd_of(ulong fd)
{
	struct descriptor *f = current()->fd;

	return fd < MAX_FDS && f[fd].pipe ? &f[fd] : NULL;
}

slong sys_close(struct trapframe *tf)
{
	struct descriptor *f = fd_of(tf->ARG0);

	if (!f)
		return ERR;
	fd_put(f);
	return 0;
}

slong sys_read(struct trapframe *tf)
{
	const struct descriptor *f = fd_of(tf->ARG0);

	return f ? fd_read(f, tf->ARG1, tf->ARG2) : ERR;
}

slong sys_write(struct trapframe *tf)
{
	const struct descriptor *f = fd_of(tf->ARG0);

	return f ? fd_write(f, tf->ARG1, tf->ARG2) : ERR;
}

slong sys_signal(struct trapframe *tf)
{
	return signal_set((u32)tf->ARG0, tf->ARG1, tf->ARG2);
}

slong sys_kill(struct trapframe *tf)
{
	return signal_send((u32)tf->ARG0, (u32)tf->ARG1);
}

slong sys_sleep(struct trapframe *tf)
{
	return timer_sleep(tf->ARG0);
}

slong sys_ticks(struct trapframe *tf)
{
	(void)tf;
	return (slong)timer_now();
}

slong sys_report(struct trapframe *tf)
{
	return report_round((u64)(u32)tf->ARG1 << 32 | (u32)tf->ARG0, tf->ARG2);
}
