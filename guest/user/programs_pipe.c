/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about pipes: order, blocking, ends that close, rings of processes over all CPUs. */
#include "user/user.h"

#define RW	(PROT_R | PROT_W)
#define RECORD	64
#define WRITERS 3

static u8 byte_at(ulong i)
{
	return (u8)(i * 7 + i / 251);
}

static long read_fd(int fd, void *to, ulong n)
{
	return CALL3(SYS_READ, fd, to, n);
}

static long write_fd(int fd, const void *from, ulong n)
{
	return CALL3(SYS_WRITE, fd, from, n);
}

static int pipe_fd[2];

/* Without anybody else: what goes in comes out, and what is wrong is refused. */
static ulong alone(void)
{
	u8 buf[100];
	int more[2];

	CHECK(CALL1(SYS_PIPE, pipe_fd) == 0 && pipe_fd[0] != pipe_fd[1]);
	for (ulong i = 0; i < sizeof(buf); i++)
		buf[i] = byte_at(i);
	CHECK(write_fd(pipe_fd[1], buf, 60) == 60 && write_fd(pipe_fd[1], buf + 60, 40) == 40);
	CHECK(read_fd(pipe_fd[0], buf, 7) == 7 && buf[6] == byte_at(6));
	CHECK(read_fd(pipe_fd[0], buf, sizeof(buf)) == 93);
	for (ulong i = 0; i < 93; i++)
		CHECK(buf[i] == byte_at(i + 7));
	CHECK(read_fd(pipe_fd[1], buf, 1) == ERR && write_fd(pipe_fd[0], buf, 1) == ERR);
	CHECK(write_fd(pipe_fd[1], (void *)KBASE, 1) == ERR);
	CHECK(write_fd(pipe_fd[1], buf, 1) == 1 && read_fd(pipe_fd[0], (void *)8, 1) == ERR);
	CHECK(read_fd(MAX_FDS, buf, 1) == ERR && CALL1(SYS_CLOSE, MAX_FDS) == ERR);
	CHECK(CALL1(SYS_PIPE, 8) == ERR); /* and leaves nothing open: */
	CHECK(CALL1(SYS_PIPE, more) == 0 && more[0] + more[1] == 5);
	CHECK(CALL1(SYS_CLOSE, more[0]) == 0 && CALL1(SYS_CLOSE, more[1]) == 0);
	CHECK(CALL1(SYS_CLOSE, more[1]) == ERR);
	return 0;
}

static void send_bytes(ulong total)
{
	u8 buf[1000];

	CALL1(SYS_CLOSE, pipe_fd[0]);
	for (ulong at = 0; at < total; at += sizeof(buf)) {
		for (ulong i = 0; i < sizeof(buf); i++)
			buf[i] = byte_at(at + i);
		if (write_fd(pipe_fd[1], buf, sizeof(buf)) != sizeof(buf))
			exit_with(__LINE__);
	}
}

/* More than a pipe holds: both sides wait for each other, in turn. Then the end. */
static ulong through(ulong total)
{
	u8 buf[300];
	ulong at = 0;
	long n;

	CHECK(fork_child(send_bytes, total) > 0);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[1]) == 0);
	while ((n = read_fd(pipe_fd[0], buf, 1 + at % sizeof(buf))) > 0)
		for (long i = 0; i < n; i++, at++)
			CHECK(buf[i] == byte_at(at));
	CHECK(n == 0 && at == total);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[0]) == 0);
	return (ulong)wait_all_ok(1);
}

static void send_records(ulong who)
{
	u8 buf[RECORD];

	for (ulong i = 0; i < RECORD; i++)
		buf[i] = (u8)who;
	for (ulong i = 0; i < 100; i++)
		if (write_fd(pipe_fd[1], buf, RECORD) != RECORD)
			exit_with(__LINE__);
}

/* Several writers: no record is cut by another. */
static ulong records(void)
{
	u8 buf[RECORD];
	ulong seen[WRITERS] = {0};

	CHECK(CALL1(SYS_PIPE, pipe_fd) == 0);
	for (ulong i = 0; i < WRITERS; i++)
		CHECK(fork_child(send_records, i) > 0);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[1]) == 0);
	while (read_fd(pipe_fd[0], buf, RECORD) == RECORD) {
		for (ulong i = 1; i < RECORD; i++)
			CHECK(buf[i] == buf[0]);
		CHECK(buf[0] < WRITERS);
		seen[buf[0]]++;
	}
	for (ulong i = 0; i < WRITERS; i++)
		CHECK(seen[i] == 100);
	return (ulong)wait_all_ok(WRITERS);
}

ulong prog_pipe(ulong thousands)
{
	ulong bad = alone();

	bad = bad ? bad : through(thousands * 1000);
	return bad ? bad : records();
}

static volatile ulong handled;

static void count_signal(struct sigframe *f)
{
	handled += f->signal;
}

/* The reader is gone, or goes while the pipe is full and the writer waits. */
static void write_to_nobody(ulong fill)
{
	static u8 buf[8192];

	CALL1(SYS_CLOSE, pipe_fd[0]);
	exit_with(write_fd(pipe_fd[1], buf, fill) == ERR_PIPE && handled == SIG_PIPE ? 3 : 4);
}

/* How a child that writes `fill` bytes ends; the only reader reads some first. */
static ulong child_ends(ulong fill, u32 killed, ulong code)
{
	struct exit_info info;
	u8 byte;

	CHECK(CALL1(SYS_PIPE, pipe_fd) == 0);
	CHECK(fork_child(write_to_nobody, fill) > 0);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[1]) == 0);
	if (fill > 1) {
		CHECK(read_fd(pipe_fd[0], &byte, 1) == 1);
		CALL1(SYS_SLEEP, 2); /* for the writer to find too little room, and sleep */
	}
	CHECK(CALL1(SYS_CLOSE, pipe_fd[0]) == 0);
	CHECK(CALL1(SYS_WAIT, &info) > 0);
	CHECK(info.killed == killed && info.code == code);
	return 0;
}

static void close_late(ulong ticks)
{
	CALL1(SYS_SLEEP, ticks);
}

/* The reader sleeps when the last writer goes. */
static ulong end_comes(void)
{
	u8 byte;

	CHECK(CALL1(SYS_PIPE, pipe_fd) == 0 && fork_child(close_late, 2) > 0);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[1]) == 0 && read_fd(pipe_fd[0], &byte, 1) == 0);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[0]) == 0);
	return (ulong)wait_all_ok(1);
}

ulong prog_pipe_end(ulong arg)
{
	ulong bad = end_comes();

	(void)arg;
	bad = bad ? bad : child_ends(8192, 2, SIG_PIPE);
	handle(SIG_PIPE, count_signal);
	bad = bad ? bad : child_ends(8192, 0, 3);
	CHECK(!bad);
	CHECK(CALL1(SYS_PIPE, pipe_fd) == 0 && CALL1(SYS_CLOSE, pipe_fd[0]) == 0);
	CHECK(write_fd(pipe_fd[1], &bad, 1) == ERR_PIPE && handled == SIG_PIPE);
	CHECK(CALL3(SYS_SIGNAL, SIG_PIPE, SIG_IGNORE, 0) == 0);
	CHECK(write_fd(pipe_fd[1], &bad, 1) == ERR_PIPE && handled == SIG_PIPE);
	CHECK(CALL1(SYS_CLOSE, pipe_fd[1]) == 0);
	return 0;
}

/* Become cat, between two descriptors. */
static void become_cat(ulong in_out)
{
	char in[24], out[24];
	const char *words[] = {"cat", in, out, 0};

	format_number(in, in_out & 0xff);
	format_number(out, in_out >> 8);
	CALL2(SYS_EXEC, "cat", words);
	exit_with(__LINE__);
}

/* This process, and three that became cat, in a row; bytes go round. */
ulong prog_pipeline(ulong total)
{
	int fd[4][2];
	u8 buf[100];
	ulong at = 0;
	long n;

	for (ulong i = 0; i < 4; i++)
		CHECK(CALL1(SYS_PIPE, fd[i]) == 0);
	for (ulong i = 0; i < 3; i++)
		CHECK(fork_child(become_cat, (ulong)fd[i][0] | (ulong)fd[i + 1][1] << 8) > 0);
	pipe_fd[0] = fd[0][0];
	pipe_fd[1] = fd[0][1];
	for (ulong i = 1; i < 3; i++)
		CHECK(CALL1(SYS_CLOSE, fd[i][0]) == 0 && CALL1(SYS_CLOSE, fd[i][1]) == 0);
	CHECK(CALL1(SYS_CLOSE, fd[3][1]) == 0 && fork_child(send_bytes, total) > 0);
	CHECK(CALL1(SYS_CLOSE, fd[0][0]) == 0 && CALL1(SYS_CLOSE, fd[0][1]) == 0);
	while ((n = read_fd(fd[3][0], buf, sizeof(buf))) > 0)
		for (long i = 0; i < n; i++, at++)
			CHECK(buf[i] == byte_at(at));
	CHECK(n == 0 && at == total);
	return (ulong)wait_all_ok(4);
}

#define MAX_RING 7 /* of MAX_FDS descriptors, two each */
static int ring[MAX_RING][2];
static ulong ring_size, ring_rounds;

static void pass_on(ulong cpu)
{
	ulong token = 0;

	CALL1(SYS_PIN, 1UL << cpu);
	for (ulong i = 0; i < ring_rounds; i++) {
		if (read_fd(ring[cpu][0], &token, sizeof(token)) != sizeof(token))
			exit_with(__LINE__);
		token++;
		if (write_fd(ring[(cpu + 1) % ring_size][1], &token, sizeof(token)) < 0)
			exit_with(__LINE__);
	}
	if (cpu == ring_size - 1 && token != ring_size * ring_rounds)
		exit_with(__LINE__);
}

/* A token goes round, from CPU to CPU. */
ulong prog_smp_pipe(ulong rounds)
{
	ulong token = 0, cpus = (ulong)CALL0(SYS_CPUS);

	ring_size = cpus < MAX_RING ? cpus : MAX_RING;
	ring_rounds = rounds;
	for (ulong i = 0; i < ring_size; i++)
		CHECK(CALL1(SYS_PIPE, ring[i]) == 0);
	for (ulong i = 0; i < ring_size; i++)
		CHECK(fork_child(pass_on, i) > 0);
	CHECK(write_fd(ring[0][1], &token, sizeof(token)) == sizeof(token));
	return (ulong)wait_all_ok((int)ring_size);
}
