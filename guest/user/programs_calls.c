/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about system calls and about faults that end a process. */
#include "user/user.h"

u64 prog_exit(u64 arg)
{
	return arg;
}

u64 prog_null_calls(u64 arg)
{
	for (u64 i = 0; i < arg; i++)
		CHECK(CALL0(SYS_NULL) == 0);
	return 0;
}

/* SYSCALL leaves RIP in RCX and RFLAGS in R11; everything else but RAX is kept. */
static u64 check_registers(void)
{
	u64 out[7];

	CHECK(call_keeping(SYS_NULL, out) == 0);
	for (u64 i = 0; i < 5; i++)
		CHECK(out[i] == 0x1111222233334444 + i);
	CHECK(out[5] == (u64)call_keeping_return);
	/* RF and IF depend on the machine's view of user mode; bit 1 and the system bits do
	 * not. */
	CHECK((out[6] & 0x2) == 0x2);
	CHECK((out[6] & 0x1c7500) == 0x000000);
	return 0;
}

u64 prog_arguments(u64 arg)
{
	static const char text[] = "sum of these";
	long sum = 0;

	for (u64 i = 0; i < 50; i++)
		CHECK(call6(SYS_MIX, i, 2, 3 * i, 4, 5 * i, ~i) ==
		      (long)(i + 6 + 15 * i + 28 + 55 * i + 13 * ~i));
	for (u64 i = 0; i < sizeof(text); i++)
		sum += text[i];
	CHECK(CALL2(SYS_SUM, text, sizeof(text)) == sum);
	CHECK(CALL2(SYS_SUM, 8, 8) == -1);
	CHECK(CALL2(SYS_SUM, 0xffff888000100000, 8) == -1);
	CHECK(CALL2(SYS_SUM, 0x7ffffffff000, 0x2000) == -1);
	CHECK(CALL0(SYS_COUNT) == -1);
	CHECK(CALL0(-1) == -1);
	CHECK(CALL1(SYS_WAIT, 0) == -1);
	CHECK(CALL0(SYS_GETPID) > 1);
	CHECK(arg == 7);
	return check_registers();
}

static void jump(u64 to)
{
	((void (*)(void))to)();
}

/* A pointer the compiler knows nothing about. */
static volatile u64 *hidden(u64 va)
{
	asm volatile("" : "+r"(va));
	return (volatile u64 *)va;
}

static u64 data_word = 0xc3; /* RET, in a page that may not be executed */

u64 prog_fault(u64 kind)
{
	volatile u64 *kernel = (volatile u64 *)0xffff888000100000;

	switch (kind) {
	case FAULT_NULL_READ:
		return *hidden(8);
	case FAULT_NULL_WRITE:
		*hidden(8) = 1;
		break;
	case FAULT_WRITE_RO:
		*(volatile u64 *)0x400000 = *(volatile u64 *)0x400000;
		break;
	case FAULT_EXEC_NX:
		*(volatile u64 *)&data_word = 0xc3;
		jump((u64)&data_word);
		break;
	case FAULT_KERNEL_READ:
		return *kernel;
	case FAULT_KERNEL_WRITE:
		*kernel = 1;
		break;
	case FAULT_KERNEL_EXEC:
		jump((u64)kernel);
		break;
	case FAULT_PRIVILEGED:
		asm volatile("hlt");
		break;
	case FAULT_UD:
		asm volatile("ud2");
		break;
	case FAULT_NONCANONICAL:
		return *(volatile u64 *)0x0001000000000000;
	default:
		break;
	}
	return __LINE__;
}
