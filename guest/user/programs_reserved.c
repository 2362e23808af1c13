/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs with a driver's memory in them: the capture device's buffers and its registers. */
#include "user/user.h"

#define RW	 (PROT_R | PROT_W)
#define PICTURE	 (PAGE / sizeof(u32))
#define ID	 0x50414355U
#define PRESSURE 48 /* pages */

/* Whether this is picture `index` of run `sequence`: docs/devices.md. */
static bool is_picture(const volatile u32 *w, u32 sequence, u32 index)
{
	u32 sum = 0x811c9dc5U;

	for (u32 i = 0; i < PICTURE - 1; i++) {
		u32 v = w[i];

		if (i > 1 &&
		    v != sequence * 0x9e3779b9U + index * 0x85ebca6bU + i * 0xc2b2ae35U)
			return false;
		sum = (sum ^ v) * 0x01000193U;
	}
	return w[0] == sequence && w[1] == index && w[PICTURE - 1] == sum;
}

static volatile u32 *page_of(volatile u32 *base, ulong i)
{
	return base + i * PICTURE;
}

static ulong capture(ulong op)
{
	return (ulong)CALL1(SYS_CAPTURE, op);
}

static volatile u32 *map_buffers(ulong op)
{
	ulong at = capture(op);

	return at == ~0UL ? NULL : (volatile u32 *)at;
}

static ulong pages_dumped(void)
{
	struct dump_info d = {0, 0, 0};

	return CALL1(SYS_DUMP, &d) == 0 ? d.pages : 0;
}

/* By nopage each page costs a fault, by remap none; and both show the same frames. */
static ulong compare(volatile u32 *a, volatile u32 *b, u32 sequence)
{
	ulong n = capture(CAPTURE_PAGES), faults = capture(CAPTURE_FAULTS);

	for (u32 i = 0; i < n; i++)
		CHECK(is_picture(page_of(b, i), sequence, i));
	CHECK(capture(CAPTURE_FAULTS) == faults);
	for (u32 i = 0; i < n; i++)
		CHECK(is_picture(page_of(a, i), sequence, i));
	CHECK(capture(CAPTURE_FAULTS) == faults + n);
	for (u32 i = 0; i < n; i++) {
		page_of(a, i)[7] = 77 + i;
		CHECK(page_of(b, i)[7] == 77 + i);
	}
	CHECK(capture(CAPTURE_FAULTS) == faults + n);
	return 0;
}

/* A part of each goes, the rest is where it was. */
static ulong unmap_parts(volatile u32 *a, volatile u32 *b, u32 sequence)
{
	ulong n = capture(CAPTURE_PAGES), len = n * PAGE;

	CHECK(CALL2(SYS_MUNMAP, page_of(a, 3), 2 * PAGE) == 0);
	CHECK(CALL2(SYS_MUNMAP, page_of(b, 3), 2 * PAGE) == 0);
	for (u32 i = 5; i < n; i++)
		CHECK(is_picture(page_of(a, i), sequence, i) &&
		      is_picture(page_of(b, i), sequence, i));
	CHECK(CALL1(SYS_PTE, page_of(a, 4)) == 0 && CALL1(SYS_PTE, page_of(b, 4)) == 0);
	CHECK(CALL2(SYS_MUNMAP, a, len) == 0 && CALL2(SYS_MUNMAP, b, len) == 0);
	return 0;
}

ulong prog_reserved(ulong rounds)
{
	ulong n = capture(CAPTURE_PAGES), len = n * PAGE, bad = 0;

	for (ulong r = 0; r < rounds && !bad; r++) {
		ulong dumped = pages_dumped();
		volatile u32 *a = map_buffers(CAPTURE_NOPAGE), *b = map_buffers(CAPTURE_REMAP);
		u32 sequence = (u32)capture(CAPTURE_RUN);

		CHECK(a && b && sequence != ~0U && dumped);
		CHECK(compare(a, b, sequence) == 0);
		CHECK(r == 0 || pages_dumped() == dumped); /* all of our text is there by now */
		CHECK(CALL4(SYS_MREMAP, a, len, len + PAGE, 0) == -1);
		CHECK(CALL4(SYS_MREMAP, b, len, len + PAGE, 0) == -1);
		a = (volatile u32 *)CALL4(SYS_MREMAP, a, len, len, 0);
		b = (volatile u32 *)CALL4(SYS_MREMAP, b, len, len, 0);
		CHECK((long)a != -1 && (long)b != -1);
		sequence = (u32)capture(CAPTURE_RUN);
		bad = unmap_parts(a, b, sequence);
	}
	return bad;
}

/* Children map the same frames by either way, write to them, and end in any order. */
ulong prog_reserved_fork(ulong kids)
{
	volatile u32 *a = map_buffers(CAPTURE_NOPAGE), *b = map_buffers(CAPTURE_REMAP);
	ulong n = capture(CAPTURE_PAGES);

	CHECK(a && b);
	for (ulong i = 0; i < n; i += 2)
		page_of(a, i)[9] = 0;
	page_of(a, 0)[9] = page_of(a, 1)[9] = 0;
	for (ulong k = 0; k < kids; k++) {
		long pid = CALL0(SYS_FORK);

		CHECK(pid >= 0);
		if (pid)
			continue;
		for (ulong i = 0; i < k; i++)
			CALL0(SYS_YIELD);
		__atomic_add_fetch(&page_of(a, k % 2)[9], 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&page_of(b, k % 2)[9], 1, __ATOMIC_SEQ_CST);
		exit_with(k % 3 ? 0 : CALL2(SYS_MUNMAP, b, n * PAGE));
	}
	if (kids % 2)
		CHECK(CALL2(SYS_MUNMAP, a, n * PAGE) == 0);
	CHECK(wait_all_ok((int)kids) == 0);
	CHECK(page_of(b, 0)[9] + page_of(b, 1)[9] == 2 * kids);
	return 0;
}

/* Every page there is belongs to a driver; then one more is wanted. The runner looks at how it
 * ended. */
ulong prog_reserved_oom(ulong pages)
{
	volatile u32 *a = map_buffers(CAPTURE_NOPAGE), *b = map_buffers(CAPTURE_REMAP);
	volatile ulong *p = map(pages, RW, 0);
	ulong n = capture(CAPTURE_PAGES);

	CHECK(a && b && p);
	for (ulong i = 0; i < n; i++)
		CHECK(page_of(a, i)[1] == page_of(b, i)[1]);
	for (ulong i = 0; i < pages; i++)
		p[i * WORDS] = i;
	return 0;
}

/* Where the hole for the next area begins a few pages before the end of a table. */
static ulong hole_before_table(ulong before)
{
	ulong hole = (ulong)map(1, RW, 0), at = hole;
	volatile ulong *filler;

	CHECK(hole && CALL2(SYS_MUNMAP, hole, PAGE) == 0);
	at = ALIGN_UP(hole + before * PAGE + PAGE, HUGE_SIZE) - before * PAGE;
	filler = map((at - hole) / PAGE, RW, 0);
	if ((ulong)filler != hole)
		return 0;
	filler[(at - hole) / sizeof(ulong) - 1] = 1; /* this table is there */
	return at;
}

/* The table for the second part can't be had: nothing of the first stays. */
ulong prog_remap_fail(ulong before)
{
	ulong n = capture(CAPTURE_PAGES), at = hole_before_table(before);
	volatile u32 *b;
	u32 sequence;

	CHECK(at % PAGE == 0 && at && before < n);
	CALL1(SYS_FAIL, 1);
	CHECK(capture(CAPTURE_REMAP) == ~0UL);
	CHECK(CALL1(SYS_FAIL, 0) == 0);
	for (ulong i = 0; i < n; i++) {
		CHECK(CALL1(SYS_PTE, at + i * PAGE) == 0);
		CHECK(CALL2(SYS_SUM, at + i * PAGE, 4) == -1);
	}
	sequence = (u32)capture(CAPTURE_RUN);
	b = map_buffers(CAPTURE_REMAP);
	CHECK((ulong)b == at);
	for (u32 i = 0; i < n; i++)
		CHECK(is_picture(page_of(b, i), sequence, i));
	return 0;
}

/* Pages of our own come and go; the driver's stay, each for its one fault. */
ulong prog_capture(ulong rounds)
{
	volatile u32 *a = map_buffers(CAPTURE_NOPAGE), *b = map_buffers(CAPTURE_REMAP);
	ulong n = capture(CAPTURE_PAGES), faults = capture(CAPTURE_FAULTS);
	volatile ulong *p = map(PRESSURE, RW, 0);

	CHECK(a && b && p);
	for (ulong r = 0; r < rounds; r++) {
		u32 sequence = (u32)capture(CAPTURE_RUN);

		for (ulong i = 0; i < PRESSURE; i++) {
			CHECK(r == 0 || p[i * WORDS] == r - 1);
			p[i * WORDS] = r;
		}
		for (u32 i = 0; i < n; i++)
			CHECK(is_picture(page_of(r % 2 ? a : b, i), sequence, i));
	}
	for (u32 i = 0; i < n; i++)
		CHECK(page_of(a, i)[1] == i);
	CHECK(capture(CAPTURE_FAULTS) == faults + n);
	return 0;
}

/* Each load of ours is one read at the device. A dump makes none. */
ulong prog_capture_registers(ulong loads)
{
	volatile u32 *regs = map_buffers(CAPTURE_REGISTERS);
	ulong before, after;

	CHECK(regs);
	before = capture(CAPTURE_READS);
	for (ulong i = 0; i < loads; i++)
		CHECK(regs[0] == ID);
	after = capture(CAPTURE_READS);
	CHECK(after == before + loads + 1);
	CHECK(pages_dumped());
	CHECK(capture(CAPTURE_READS) == after + 1);
	CHECK(CALL2(SYS_MUNMAP, regs, PAGE) == 0);
	CHECK(CALL2(SYS_SUM, regs, 4) == -1);
	return 0;
}
