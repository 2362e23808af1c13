/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec of the programs in the user image, by name: a fresh address space, the arguments on top of
 * its stack,
 *
 *   USER_STACK_TOP - ARGS   struct exec_block: argc, argv[]; the stack grows down from here
 *                           the strings, one behind the other
 *
 * gathered in a frame while the old space is still there, so that every error leaves the caller as
 * it was. Descriptors stay, handlers go. Other threads keep the old space.
 */
#include "mm/mm.h"
#include "x86.h"

#define ARGS	 2048UL
#define MAX_NAME 16

#define ROW(name) #name,
static const char *const programs[] = {EXEC_PROGRAMS(ROW)};

/* A string of the caller's, with its end; its length with that, 0 if it cannot be had. */
static ulong copy_string(char *to, ulong from, ulong max)
{
	for (ulong n = 0; n < max; n++) {
		if (!copy_from_user(to + n, from + n, 1))
			return 0;
		if (!to[n])
			return n + 1;
	}
	return 0;
}

static u32 find_program(ulong name)
{
	char buf[MAX_NAME];
	u32 i = 0;

	if (!copy_string(buf, name, sizeof(buf)))
		return ARRAY_SIZE(programs);
	while (i < ARRAY_SIZE(programs) && !strneq(buf, programs[i], sizeof(buf)))
		i++;
	return i;
}

/* Fill `page`, of ARGS bytes, with what the new stack will have on top. */
static bool gather_args(char *page, ulong argv)
{
	struct exec_block *b = (struct exec_block *)page;
	ulong used = sizeof(*b), from, n;

	for (b->argc = 0; b->argc <= EXEC_ARGS; b->argc++) {
		if (!copy_from_user(&from, argv + b->argc * sizeof(ulong), sizeof(from)))
			return false;
		if (!from)
			return true;
		n = copy_string(page + used, from, ARGS - used);
		if (!n || b->argc == EXEC_ARGS)
			return false;
		b->argv[b->argc] = (char *)(USER_STACK_TOP - ARGS + used);
		used += n;
	}
	return false;
}

/* The process's own reference goes last: until then its CPU may be the only other holder. */
static void change_space(struct proc *p)
{
	struct mm *old = p->mm;

	p->mm = mm_create();
	mm_load_image(p->mm);
	push_off();
	mm_switch(p->mm);
	pop_off();
	mm_put(old);
}

static void enter(struct trapframe *tf, u32 program)
{
	struct trapframe fresh = {.vector = tf->vector, .cs = tf->cs, .ss = tf->ss};

	fresh.ip = mm_image_entry();
	fresh.sp = USER_STACK_TOP - ARGS - 8;
	fresh.flags = RFLAGS_FIXED | RFLAGS_IF;
	fresh.START0 = USER_COUNT + program;
	fresh.START1 = USER_STACK_TOP - ARGS;
	*tf = fresh;
}

/* Returns only to the caller that it failed for. */
slong process_exec(struct trapframe *tf, ulong name, ulong argv)
{
	struct proc *p = current();
	u32 program = find_program(name);
	pa_t frame = program < ARRAY_SIZE(programs) ? frame_try(ZONE_LOW) : 0;
	char *page = phys((ulong)frame);
	bool ok;

	if (!frame)
		return ERR;
	ok = gather_args(page, argv);
	if (ok) {
		change_space(p);
		memset(p->handler, 0, sizeof(p->handler));
		p->blocked = 0;
		if (!copy_to_user(USER_STACK_TOP - ARGS, page, ARGS))
			panic("a new stack cannot be written");
		enter(tf, program);
	}
	frame_put(frame);
	return ok ? 0 : ERR;
}
