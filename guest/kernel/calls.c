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
	return mm_discard(this_cpu()->proc->mm, tf->ARG0, tf->ARG1);
}

/* A descriptor of the caller's that is not open, or NULL. */
static struct file *free_file(const struct file *but)
{
	struct file *f = this_cpu()->proc->file;

	for (u32 i = 0; i < MAX_FILES; i++)
		if (!f[i].pipe && &f[i] != but)
			return &f[i];
	return NULL;
}

slong sys_pipe(struct trapframe *tf)
{
	struct file *reader = free_file(NULL), *writer = free_file(reader);
	const struct file *first = this_cpu()->proc->file;
	int fd[2] = {(int)(reader - first), (int)(writer - first)};

	if (!reader || !writer || pipe_open(reader, writer))
		return ERR;
	if (copy_to_user(tf->ARG0, fd, sizeof(fd)))
		return 0;
	file_put(reader);
	file_put(writer);
	return ERR;
}

static struct file *file_of(ulong fd)
{
	struct file *f = this_cpu()->proc->file;

	return fd < MAX_FILES && f[fd].pipe ? &f[fd] : NULL;
}

slong sys_close(struct trapframe *tf)
{
	struct file *f = file_of(tf->ARG0);

	if (!f)
		return ERR;
	file_put(f);
	return 0;
}

slong sys_read(struct trapframe *tf)
{
	const struct file *f = file_of(tf->ARG0);

	return f ? file_read(f, tf->ARG1, tf->ARG2) : ERR;
}

slong sys_write(struct trapframe *tf)
{
	const struct file *f = file_of(tf->ARG0);

	return f ? file_write(f, tf->ARG1, tf->ARG2) : ERR;
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
