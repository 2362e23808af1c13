/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ways into the middle of things, to run there what another processor might do at that moment. Every
 * look at a guest entry opens a window, and every shadow entry is changed under a spin lock. This
 * file stands in for both calls (gmem_map() by the linker's --wrap). Read first: shadow_fixture.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "tests/unit/shadow_fixture.h"

struct hook {
	unsigned nth;
	void (*fn)(void *ctx);
	void *ctx;
};

static __thread struct hook window, spin;
static __thread unsigned spins; /* spin locks this thread holds */

unsigned fx_spins_held(void)
{
	return spins;
}

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

void *__real_gmem_map(struct gmem *gm, gfn_t gfn);
void *__wrap_gmem_map(struct gmem *gm, gfn_t gfn);

void *__wrap_gmem_map(struct gmem *gm, gfn_t gfn)
{
	run(&window);
	return __real_gmem_map(gm, gfn);
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
	static int (*real)(pthread_spinlock_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_spin_lock");
	run(&spin);
	spins++;
	return real(lock);
}

int pthread_spin_unlock(pthread_spinlock_t *lock)
{
	static int (*real)(pthread_spinlock_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_spin_unlock");
	spins--;
	return real(lock);
}
