/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about system calls and about faults that end a process. */
#include "user/user.h"

ulong prog_exit(ulong arg)
{
	return arg;
}

ulong prog_null_calls(ulong arg)
{
	for (ulong i = 0; i < arg; i++)
		CHECK(CALL0(SYS_NULL) == 0);
	return 0;
}

/* Everything but the result is kept, and what SYSCALL leaves: RIP in RCX and RFLAGS in R11. */
static ulong check_registers(void)
{
	ulong out[7];

	CHECK(call_keeping(SYS_NULL, out) == 0);
	for (ulong i = 0; i < 5; i++)
		CHECK(out[i] == KEEP_PATTERN + i);
	CHECK(out[5] == (ulong)call_keeping_return);
	/* RF and IF depend on the machine's view of user mode; bit 1 and the system bits do
	 * not. */
	CHECK((out[6] & 0x2) == 0x2);
	CHECK((out[6] & 0x1c7500) == 0x000000);
	return 0;
}

ulong prog_arguments(ulong arg)
{
	static const char text[] = "sum of these";
	long sum = 0;

	for (ulong i = 0; i < 50; i++)
		CHECK(call6(SYS_MIX, i, 2, 3 * i, 4, 5 * i, ~i) ==
		      (long)(i + 6 + 15 * i + 28 + 55 * i + 13 * ~i));
	for (ulong i = 0; i < sizeof(text); i++)
		sum += text[i];
	CHECK(CALL2(SYS_SUM, text, sizeof(text)) == sum);
	CHECK(CALL2(SYS_SUM, 8, 8) == -1);
	CHECK(CALL2(SYS_SUM, KBASE + 0x100000, 8) == -1);
	CHECK(CALL2(SYS_SUM, USER_END - PAGE, 2 * PAGE) == -1);
	CHECK(CALL0(SYS_COUNT) == -1);
	CHECK(CALL0(-1) == -1);
	CHECK(CALL1(SYS_WAIT, 0) == -1);
	CHECK(CALL0(SYS_GETPID) > 1);
	CHECK(arg == 7);
	return check_registers();
}

static void jump(ulong to)
{
	((void (*)(void))to)();
}

/* A pointer the compiler knows nothing about. */
static volatile ulong *hidden(ulong va)
{
	asm volatile("" : "+r"(va));
	return (volatile ulong *)va;
}

static ulong data_word = 0xc3; /* RET, in a page that may not be executed */

ulong prog_fault(ulong kind)
{
	volatile ulong *kernel = (volatile ulong *)(KBASE + 0x100000);

	switch (kind) {
	case FAULT_NULL_READ:
		return *hidden(8);
	case FAULT_NULL_WRITE:
		*hidden(8) = 1;
		break;
	case FAULT_WRITE_RO:
		*(volatile ulong *)USER_IMAGE = *(volatile ulong *)USER_IMAGE;
		break;
	case FAULT_EXEC_NX:
		*(volatile ulong *)&data_word = 0xc3;
		jump((ulong)&data_word);
		break;
	case FAULT_KERNEL_READ:
		return *kernel;
	case FAULT_KERNEL_WRITE:
		*kernel = 1;
		break;
	case FAULT_KERNEL_EXEC:
		jump((ulong)kernel);
		break;
	case FAULT_PRIVILEGED:
		asm volatile("hlt");
		break;
	case FAULT_UD:
		asm volatile("ud2");
		break;
	case FAULT_NONCANONICAL:
		read_gp();
		break;
	default:
		break;
	}
	return __LINE__;
}
