/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ways into the middle of things, to run there what another processor might do at that moment. With
 * no lowmem every new frame a walk looks at is one mmap() of a window; and every entry is changed
 * under a spin lock. This file stands in for both calls. Read first: shadow_fixture.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/shadow_fixture.h"

struct hook {
	unsigned nth;
	void (*fn)(void *ctx);
	void *ctx;
};

static __thread struct hook window, spin;

void fx_hook_window(unsigned nth, void (*fn)(void *ctx), void *ctx)
{
	window = (struct hook){nth, fn, ctx};
}

void fx_hook_spin(unsigned nth, void (*fn)(void *ctx), void *ctx)
{
	spin = (struct hook){nth, fn, ctx};
}

bool fx_hooks_ran(void)
{
	return !window.fn && !spin.fn;
}

static void run(struct hook *h)
{
	void (*fn)(void *) = h->fn;

	if (!fn || h->nth-- != 0)
		return;
	h->fn = NULL;
	fn(h->ctx);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0 && flags & MAP_FIXED)
		run(&window);
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
	static int (*real)(pthread_spinlock_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_spin_lock");
	run(&spin);
	return real(lock);
}
