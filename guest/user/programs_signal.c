/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about signals: faults handled in ring 3, what others send, and stacks that are bad. */
#include "user/try.h"

#define RW    (PROT_R | PROT_W)
#define DEPTH 8

volatile u32 resume_at;
volatile ulong faults;
static struct sigframe last;

void skip_fault(struct sigframe *f)
{
	last = *f;
	faults++;
	f->regs.ip = resume_at;
}

static bool was(ulong vector, ulong error, ulong addr)
{
	bool ok = faults == 1 && last.signal == SIG_FAULT && last.vector == vector &&
		  last.error == error && last.addr == addr;

	faults = 0;
	return ok;
}

static ulong page_faults(void)
{
	ulong p = (ulong)map(2, RW, 0), kernel = KBASE + 0x100000;

	CHECK(p);
	TRY(WRITE, p + 4);
	CHECK(faults == 0 && CALL3(SYS_MPROTECT, p, PAGE, PROT_R) == 0);
	TRY(READ, p + 4);
	CHECK(faults == 0);
	TRY(WRITE, p + 4);
	CHECK(was(14, 7, p + 4) && *(u32 *)(p + 4) == 1);
	CHECK(CALL2(SYS_MUNMAP, p, PAGE) == 0);
	TRY(WRITE, p + 8);
	CHECK(was(14, 6, p + 8));
	TRY(READ, p + PAGE - 4);
	CHECK(was(14, 4, p + PAGE - 4));
	TRY(READ, p + PAGE);
	CHECK(faults == 0);
	TRY(READ, kernel);
	CHECK(was(14, 5, kernel));
	TRY(WRITE, kernel);
	CHECK(was(14, 7, kernel));
	return 0;
}

static ulong other_faults(void)
{
	TRY("ud2", 0UL);
	CHECK(was(6, 0, 0));
	TRY("xor %%edx, %%edx; mov $1, %%eax; divl %%edx", 0UL);
	CHECK(was(0, 0, 0));
	TRY("hlt", 0UL);
	CHECK(was(13, 0, 0));
	return 0;
}

static volatile ulong repaired;

/* The instruction is done again, and succeeds. */
static void repair(struct sigframe *f)
{
	CALL3(SYS_MPROTECT, ALIGN_DOWN(f->addr, PAGE), PAGE, RW);
	repaired++;
}

ulong prog_signal_fault(ulong pages)
{
	volatile ulong *p = map(pages, RW, MAP_POPULATE);
	ulong bad;

	handle(SIG_FAULT, skip_fault);
	bad = page_faults();
	bad = bad ? bad : other_faults();
	CHECK(!bad && p);
	CHECK(CALL3(SYS_MPROTECT, p, pages * PAGE, PROT_R) == 0);
	handle(SIG_FAULT, repair);
	for (ulong i = 0; i < pages; i++)
		p[i * WORDS + i] = i + 1;
	CHECK(repaired == pages);
	for (ulong i = 0; i < pages; i++)
		CHECK(p[i * WORDS + i] == i + 1);
	return 0;
}

static volatile u8 *hole;
static volatile ulong depth, entered[DEPTH], left[DEPTH], leaving;

/* Each handler faults itself, DEPTH deep, and they end in the reverse order. */
static void nest(struct sigframe *f)
{
	ulong me = depth++, after = resume_at;

	entered[me] = f->addr;
	if (depth < DEPTH)
		TRY(READ, hole + 8 * depth);
	left[me] = leaving++;
	f->regs.ip = after;
}

ulong prog_signal_nested(ulong rounds)
{
	handle(SIG_FAULT, nest);
	hole = map(1, RW, 0);
	CHECK(hole && CALL2(SYS_MUNMAP, hole, PAGE) == 0);
	for (ulong r = 0; r < rounds; r++) {
		depth = leaving = 0;
		TRY(READ, hole);
		CHECK(depth == DEPTH && leaving == DEPTH);
		for (ulong i = 0; i < DEPTH; i++) {
			CHECK(entered[i] == (ulong)hole + 8 * i);
			CHECK(left[i] == DEPTH - 1 - i);
		}
	}
	return 0;
}

static void never(struct sigframe *f)
{
	(void)f;
	exit_with(77);
}

/* Faults for ever: the stack comes to its end. */
static void endless(struct sigframe *f)
{
	(void)f;
	asm volatile("ud2");
}

static void ud(void)
{
	asm volatile("ud2");
}

static void fault_with_stack(ulong sp)
{
	handle(SIG_FAULT, never);
	jump_on_stack((ulong)ud, sp);
}

static void overflow(ulong arg)
{
	(void)arg;
	handle(SIG_FAULT, endless);
	ud();
}

static void return_with_stack(ulong sp)
{
	jump_on_stack((ulong)signal_restorer, sp);
}

/* A child that does that ends so. */
static ulong dies(void (*fn)(ulong), ulong arg, u32 killed, ulong vector, ulong code)
{
	struct exit_info info;

	CHECK(fork_child(fn, arg) > 0 && CALL1(SYS_WAIT, &info) > 0);
	CHECK(info.killed == killed);
	CHECK(info.vector == vector && info.code == code);
	return 0;
}

static void end_well(void)
{
	exit_with(5);
}

/* A frame of the program's own making that asks for ring 0 and for I/O rights. */
static void forged(ulong ip)
{
	static struct sigframe f;
	static ulong stack[64], top[2];

	f.regs.cs = SEL_KCODE;
	f.regs.flags = 0x3000;
	f.regs.ip = ip;
	f.regs.sp = (ulong)&stack[60];
	top[0] = (ulong)&f;
	return_with_stack((ulong)top);
}

ulong prog_signal_bad(ulong arg)
{
	ulong *page = map(1, RW, MAP_POPULATE);

	(void)arg;
	CHECK(page && CALL3(SYS_MPROTECT, page, PAGE, PROT_R) == 0);
	CHECK(dies(fault_with_stack, 0, 1, 6, 0) == 0);
	CHECK(dies(fault_with_stack, KBASE + 0x200000, 1, 6, 0) == 0);
	CHECK(dies(fault_with_stack, (ulong)page + PAGE, 1, 6, 0) == 0);
	CHECK(dies(overflow, 0, 1, 6, 0) == 0);
	CHECK(dies(return_with_stack, 8, 2, 0, SIG_FAULT) == 0);
	CHECK(dies(return_with_stack, (ulong)page, 2, 0, SIG_FAULT) == 0);
	CHECK(dies(forged, KBASE + 0x100000, 2, 0, SIG_FAULT) == 0);
	CHECK(dies(forged, (ulong)end_well, 0, 0, 5) == 0);
	CHECK(dies(forged, (ulong)signal_restorer, 2, 0, SIG_FAULT) == 0);
	return 0;
}

static volatile ulong received;

static void receive(struct sigframe *f)
{
	received += f->signal;
	CALL0(SYS_NULL);
}

/* Registers, among them those that a system call spends, are what they were. */
static ulong registers_keep(ulong seed)
{
	ulong a = seed, b = seed + 1, c = seed + 2, d = seed + 3, si = seed + 4, di = seed + 5;
	u8 carry;

	asm volatile("stc\n\tud2\n\tsetc %6"
		     : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di), "=m"(carry)
		     :
		     : "memory", "cc");
	CHECK(a == seed && b == seed + 1 && c == seed + 2 && d == seed + 3);
	CHECK(si == seed + 4 && di == seed + 5 && carry == 1);
	return 0;
}

static void spoil(struct sigframe *f)
{
	f->regs.ip += 2;
	CALL3(SYS_NULL, 1, 2, 3);
	asm volatile("clc" : : : "cc");
}

static volatile ulong *shared;

static void pester(ulong pid)
{
	while (!shared[0])
		if (CALL2(SYS_KILL, pid, SIG_USER) != 0)
			exit_with(__LINE__);
		else
			CALL0(SYS_YIELD);
}

/* Faults of its own, then signals of another in the middle of arithmetic. */
ulong prog_signal_registers(ulong rounds)
{
	ulong x = 1, y = 1;

	handle(SIG_FAULT, spoil);
	for (ulong i = 0; i < rounds; i++)
		CHECK(registers_keep(i * 0x01010101) == 0);
	shared = map(1, RW, MAP_SHARED);
	CHECK(shared);
	handle(SIG_USER, receive);
	CHECK(fork_child(pester, (ulong)CALL0(SYS_GETPID)) > 0);
	for (ulong i = 0; received < rounds * SIG_USER; i++) {
		x = x * 1664525 + 1013904223;
		asm volatile("" : "+r"(x));
		y = y * 1664525 + 1013904223;
		CHECK(x == y);
	}
	shared[0] = 1;
	while (CALL1(SYS_WAIT, 0) == ERR_INTR)
		;
	return 0;
}

static void spin(ulong arg)
{
	(void)arg;
	shared[1] = 1;
	for (;;)
		pause();
}

static void sleep_long(ulong arg)
{
	(void)arg;
	shared[1] = 1;
	CALL1(SYS_SLEEP, 1UL << 30);
}

static void read_long(ulong arg)
{
	int fd[2];

	CALL1(SYS_PIPE, fd);
	shared[1] = 1;
	CALL3(SYS_READ, fd[0], &arg, 1);
}

/* Whatever the child is at, a signal without a handler ends it. */
static ulong killed_while(void (*fn)(ulong), ulong signal)
{
	struct exit_info info;
	long pid;

	shared[1] = 0;
	pid = fork_child(fn, 0);
	while (!shared[1])
		CALL0(SYS_YIELD);
	CHECK(CALL2(SYS_KILL, pid, signal) == 0);
	CHECK(CALL1(SYS_WAIT, &info) == pid && info.killed == 2 && info.code == signal);
	return 0;
}

/* With a handler it goes on, and the call that it slept in fails. */
static void read_interrupted(ulong arg)
{
	int fd[2];

	handle(SIG_USER, receive);
	CALL1(SYS_PIPE, fd);
	shared[1] = 1;
	exit_with(CALL3(SYS_READ, fd[0], &arg, 1) == ERR_INTR && received ? 6 : 7);
}

static ulong interrupted(void)
{
	struct exit_info info;
	long pid;

	shared[1] = 0;
	pid = fork_child(read_interrupted, 0);
	while (!shared[1])
		CALL0(SYS_YIELD);
	/* The first ones may come before it sleeps. */
	while (CALL2(SYS_KILL, pid, SIG_USER) == 0)
		CALL1(SYS_SLEEP, 1);
	CHECK(CALL1(SYS_WAIT, &info) == pid && !info.killed && info.code == 6);
	return 0;
}

static volatile ulong nesting, deepest;

/* Sends itself the signal it handles: that waits until it has returned. */
static void again(struct sigframe *f)
{
	(void)f;
	nesting++;
	deepest = nesting > deepest ? nesting : deepest;
	if (++received < 20)
		CALL2(SYS_KILL, CALL0(SYS_GETPID), SIG_USER);
	nesting--;
}

static ulong one_at_a_time(void)
{
	received = 0;
	handle(SIG_USER, again);
	CHECK(CALL2(SYS_KILL, CALL0(SYS_GETPID), SIG_USER) == 0);
	CHECK(received == 20 && nesting == 0 && deepest == 1);
	return 0;
}

ulong prog_kill(ulong rounds)
{
	shared = map(1, RW, MAP_SHARED);
	CHECK(shared);
	CHECK(CALL2(SYS_KILL, 1, SIG_KILL) == ERR && CALL2(SYS_KILL, -1, SIG_KILL) == ERR);
	CHECK(CALL2(SYS_KILL, CALL0(SYS_GETPID), SIG_FAULT) == ERR);
	CHECK(CALL3(SYS_SIGNAL, SIG_KILL, receive, signal_restorer) == ERR);
	CHECK(CALL3(SYS_SIGNAL, SIG_USER, KBASE, 0) == ERR);
	for (ulong i = 0; i < rounds; i++) {
		CHECK(killed_while(spin, i & 1 ? SIG_USER : SIG_KILL) == 0);
		CHECK(killed_while(sleep_long, SIG_USER) == 0);
		CHECK(killed_while(read_long, SIG_KILL) == 0);
		CHECK(interrupted() == 0);
	}
	CHECK(CALL3(SYS_SIGNAL, SIG_USER, SIG_IGNORE, 0) == 0);
	CHECK(CALL2(SYS_KILL, CALL0(SYS_GETPID), SIG_USER) == 0);
	received = 0;
	handle(SIG_USER, receive);
	CHECK(CALL2(SYS_KILL, CALL0(SYS_GETPID), SIG_USER) == 0 && received == SIG_USER);
	return one_at_a_time();
}
