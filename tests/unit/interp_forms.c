/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Encodings for the differential test (SDM vol. 2, appendix A). Flags that the manual leaves
 * undefined are compared all the same where the interpreter follows the processors; the last
 * column excepts the others.
 *
 * Read first: interp_forms.h.
 */
#include "interp_forms.h"

/* clang-format off */
#define ALU(n, base)                                            \
	{n, 0, base + 0, 0, M_ANY, I_NONE, 1, F_BYTE | F_LOCK, 0},  \
	{n, 0, base + 1, 0, M_ANY, I_NONE, 1, F_LOCK, 0},           \
	{n, 0, base + 2, 0, M_ANY, I_NONE, 1, F_BYTE, 0},           \
	{n, 0, base + 3, 0, M_ANY, I_NONE, 1, 0, 0},                \
	{n, 0, base + 4, 0, M_NONE, I_8, 1, F_BYTE, 0},             \
	{n, 0, base + 5, 0, M_NONE, I_Z, 1, 0, 0},                  \
	{n, 0, 0x80, 0, (base) >> 3, I_8, 1, F_BYTE | F_LOCK, 0},   \
	{n, 0, 0x81, 0, (base) >> 3, I_Z, 1, F_LOCK, 0},            \
	{n, 0, 0x83, 0, (base) >> 3, I_8, 1, F_LOCK, 0}

#define SHIFT(n, digit)                                         \
	{n, 0, 0xc0, 0, digit, I_8, 1, F_BYTE | F_OF1, 0},          \
	{n, 0, 0xc1, 0, digit, I_8, 1, F_OF1, 0},                   \
	{n, 0, 0xd0, 0, digit, I_NONE, 1, F_BYTE, 0},               \
	{n, 0, 0xd1, 0, digit, I_NONE, 1, 0, 0},                    \
	{n, 0, 0xd2, 0, digit, I_NONE, 1, F_BYTE | F_OF1, 0},       \
	{n, 0, 0xd3, 0, digit, I_NONE, 1, F_OF1, 0}
/* clang-format on */

const struct form forms[] = {
	ALU("add", 0x00),
	ALU("or", 0x08),
	ALU("adc", 0x10),
	ALU("sbb", 0x18),
	ALU("and", 0x20),
	ALU("sub", 0x28),
	ALU("xor", 0x30),
	{"cmp", 0, 0x38, 0, M_ANY, I_NONE, 1, F_BYTE, 0},
	{"cmp", 0, 0x39, 0, M_ANY, I_NONE, 1, 0, 0},
	{"cmp", 0, 0x3a, 0, M_ANY, I_NONE, 1, F_BYTE, 0},
	{"cmp", 0, 0x3b, 0, M_ANY, I_NONE, 1, 0, 0},
	{"cmp", 0, 0x3c, 0, M_NONE, I_8, 1, F_BYTE, 0},
	{"cmp", 0, 0x3d, 0, M_NONE, I_Z, 1, 0, 0},
	{"cmp", 0, 0x80, 0, 7, I_8, 1, F_BYTE, 0},
	{"cmp", 0, 0x81, 0, 7, I_Z, 1, 0, 0},
	{"cmp", 0, 0x83, 0, 7, I_8, 1, 0, 0},
	{"test", 0, 0x84, 0, M_ANY, I_NONE, 1, F_BYTE, 0},
	{"test", 0, 0x85, 0, M_ANY, I_NONE, 1, 0, 0},
	{"test", 0, 0xa8, 0, M_NONE, I_8, 1, F_BYTE, 0},
	{"test", 0, 0xa9, 0, M_NONE, I_Z, 1, 0, 0},
	{"test", 0, 0xf6, 0, 0, I_8, 1, F_BYTE, 0},
	{"test", 0, 0xf7, 0, 0, I_Z, 1, 0, 0},
	{"not", 0, 0xf6, 0, 2, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"not", 0, 0xf7, 0, 2, I_NONE, 1, F_LOCK, 0},
	{"neg", 0, 0xf6, 0, 3, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"neg", 0, 0xf7, 0, 3, I_NONE, 1, F_LOCK, 0},
	{"inc", 0, 0xfe, 0, 0, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"inc", 0, 0xff, 0, 0, I_NONE, 1, F_LOCK, 0},
	{"dec", 0, 0xfe, 0, 1, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"dec", 0, 0xff, 0, 1, I_NONE, 1, F_LOCK, 0},

	SHIFT("rol", 0),
	SHIFT("ror", 1),
	SHIFT("rcl", 2),
	SHIFT("rcr", 3),
	SHIFT("shl", 4),
	SHIFT("shr", 5),
	SHIFT("sar", 7),
	{"shld", 1, 0xa4, 0, M_ANY, I_8, 1, F_OF1, 0},
	{"shld", 1, 0xa5, 0, M_ANY, I_NONE, 1, F_OF1, 0},
	{"shrd", 1, 0xac, 0, M_ANY, I_8, 1, F_OF1, 0},
	{"shrd", 1, 0xad, 0, M_ANY, I_NONE, 1, F_OF1, 0},

	{"mul", 0, 0xf6, 0, 4, I_NONE, 1, F_BYTE, 0},
	{"mul", 0, 0xf7, 0, 4, I_NONE, 1, 0, 0},
	{"imul1", 0, 0xf6, 0, 5, I_NONE, 1, F_BYTE, 0},
	{"imul1", 0, 0xf7, 0, 5, I_NONE, 1, 0, 0},
	{"imul2", 1, 0xaf, 0, M_ANY, I_NONE, 1, 0, 0},
	{"imul3", 0, 0x69, 0, M_ANY, I_Z, 1, 0, 0},
	{"imul3", 0, 0x6b, 0, M_ANY, I_8, 1, 0, 0},
	{"div", 0, 0xf6, 0, 6, I_NONE, 1, F_BYTE | F_ACC, 0},
	{"div", 0, 0xf7, 0, 6, I_NONE, 1, F_ACC, 0},
	{"idiv", 0, 0xf6, 0, 7, I_NONE, 1, F_BYTE | F_ACC, 0},
	{"idiv", 0, 0xf7, 0, 7, I_NONE, 1, F_ACC, 0},

	{"bt", 1, 0xa3, 0, M_ANY, I_NONE, 1, F_BITS, 0},
	{"bts", 1, 0xab, 0, M_ANY, I_NONE, 1, F_BITS | F_LOCK, 0},
	{"btr", 1, 0xb3, 0, M_ANY, I_NONE, 1, F_BITS | F_LOCK, 0},
	{"btc", 1, 0xbb, 0, M_ANY, I_NONE, 1, F_BITS | F_LOCK, 0},
	{"bt", 1, 0xba, 0, 4, I_8, 1, 0, 0},
	{"bts", 1, 0xba, 0, 5, I_8, 1, F_LOCK, 0},
	{"btr", 1, 0xba, 0, 6, I_8, 1, F_LOCK, 0},
	{"btc", 1, 0xba, 0, 7, I_8, 1, F_LOCK, 0},
	{"bsf", 1, 0xbc, 0, M_ANY, I_NONE, 1, 0, 0},
	{"bsr", 1, 0xbd, 0, M_ANY, I_NONE, 1, 0, 0},
	{"tzcnt", 1, 0xbc, 0xf3, M_ANY, I_NONE, 1, 0, 0},
	{"lzcnt", 1, 0xbd, 0xf3, M_ANY, I_NONE, 1, 0, 0},
	{"popcnt", 1, 0xb8, 0xf3, M_ANY, I_NONE, 1, 0, 0},
	{"bswap", 1, 0xc8, 0, M_NONE, I_NONE, 8, F_NO66, 0},
	{"crc32b", 2, 0xf0, 0xf2, M_ANY, I_NONE, 1, F_BYTE, 0},
	{"crc32", 2, 0xf1, 0xf2, M_ANY, I_NONE, 1, 0, 0},
	{"movbe", 2, 0xf0, 0, M_ANY, I_NONE, 1, F_MEM, 0},
	{"movbe", 2, 0xf1, 0, M_ANY, I_NONE, 1, F_MEM, 0},
	{"adcx", 2, 0xf6, 0x66, M_ANY, I_NONE, 1, F_NO66, 0},
	{"adox", 2, 0xf6, 0xf3, M_ANY, I_NONE, 1, F_NO66, 0},

	{"andn", 2, 0xf2, 0, M_ANY, I_NONE, 1, F_VEX, 0},
	{"blsr", 2, 0xf3, 0, 1, I_NONE, 1, F_VEX, 0},
	{"blsmsk", 2, 0xf3, 0, 2, I_NONE, 1, F_VEX, 0},
	{"blsi", 2, 0xf3, 0, 3, I_NONE, 1, F_VEX, 0},
	{"bzhi", 2, 0xf5, 0, M_ANY, I_NONE, 1, F_VEX, 0},
	{"pext", 2, 0xf5, 0xf3, M_ANY, I_NONE, 1, F_VEX, 0},
	{"pdep", 2, 0xf5, 0xf2, M_ANY, I_NONE, 1, F_VEX, 0},
	{"mulx", 2, 0xf6, 0xf2, M_ANY, I_NONE, 1, F_VEX, 0},
	{"bextr", 2, 0xf7, 0, M_ANY, I_NONE, 1, F_VEX, 0},
	{"shlx", 2, 0xf7, 0x66, M_ANY, I_NONE, 1, F_VEX, 0},
	{"sarx", 2, 0xf7, 0xf3, M_ANY, I_NONE, 1, F_VEX, 0},
	{"shrx", 2, 0xf7, 0xf2, M_ANY, I_NONE, 1, F_VEX, 0},
	{"rorx", 3, 0xf0, 0xf2, M_ANY, I_8, 1, F_VEX, 0},

	{"mov", 0, 0x88, 0, M_ANY, I_NONE, 1, F_BYTE, 0},
	{"mov", 0, 0x89, 0, M_ANY, I_NONE, 1, 0, 0},
	{"mov", 0, 0x8a, 0, M_ANY, I_NONE, 1, F_BYTE, 0},
	{"mov", 0, 0x8b, 0, M_ANY, I_NONE, 1, 0, 0},
	{"mov", 0, 0xb0, 0, M_NONE, I_8, 8, F_BYTE, 0},
	{"mov", 0, 0xb8, 0, M_NONE, I_V, 8, 0, 0},
	{"mov", 0, 0xc6, 0, 0, I_8, 1, F_BYTE, 0},
	{"mov", 0, 0xc7, 0, 0, I_Z, 1, 0, 0},
	{"movnti", 1, 0xc3, 0, M_ANY, I_NONE, 1, F_MEM | F_NO66, 0},
	{"movzxb", 1, 0xb6, 0, M_ANY, I_NONE, 1, 0, 0},
	{"movzxw", 1, 0xb7, 0, M_ANY, I_NONE, 1, 0, 0},
	{"movsxb", 1, 0xbe, 0, M_ANY, I_NONE, 1, 0, 0},
	{"movsxw", 1, 0xbf, 0, M_ANY, I_NONE, 1, 0, 0},
	{"movsxd", 0, 0x63, 0, M_ANY, I_NONE, 1, 0, 0},
	{"lea", 0, 0x8d, 0, M_ANY, I_NONE, 1, F_MEM, 0},
	{"xchg", 0, 0x86, 0, M_ANY, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"xchg", 0, 0x87, 0, M_ANY, I_NONE, 1, F_LOCK, 0},
	{"xchg", 0, 0x90, 0, M_NONE, I_NONE, 8, 0, 0},
	{"xadd", 1, 0xc0, 0, M_ANY, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"xadd", 1, 0xc1, 0, M_ANY, I_NONE, 1, F_LOCK, 0},
	{"cmpxchg", 1, 0xb0, 0, M_ANY, I_NONE, 1, F_BYTE | F_LOCK, 0},
	{"cmpxchg", 1, 0xb1, 0, M_ANY, I_NONE, 1, F_LOCK, 0},
	{"cmpxchg8b", 1, 0xc7, 0, 1, I_NONE, 1, F_MEM | F_LOCK | F_NOW, 0},
	{"cmpxchg16b", 1, 0xc7, 0, 1, I_NONE, 1, F_MEM | F_LOCK | F_W | F_ALIGN, 0},
	{"cmov", 1, 0x40, 0, M_ANY, I_NONE, 16, 0, 0},
	{"set", 1, 0x90, 0, M_ANY, I_NONE, 16, F_BYTE, 0},
	{"cbw", 0, 0x98, 0, M_NONE, I_NONE, 1, 0, 0},
	{"cwd", 0, 0x99, 0, M_NONE, I_NONE, 1, 0, 0},
	{"lahf", 0, 0x9f, 0, M_NONE, I_NONE, 1, F_BYTE, 0},
	{"sahf", 0, 0x9e, 0, M_NONE, I_NONE, 1, F_BYTE, 0},
	{"flag", 0, 0xf8, 0, M_NONE, I_NONE, 2, F_BYTE, 0},
	{"flag", 0, 0xfc, 0, M_NONE, I_NONE, 2, F_BYTE, 0},
	{"cmc", 0, 0xf5, 0, M_NONE, I_NONE, 1, F_BYTE, 0},
	{"nop", 1, 0x1f, 0, M_ANY, I_NONE, 1, 0, 0},
	{"pause", 0, 0x90, 0xf3, M_NONE, I_NONE, 1, F_BYTE, 0},
	{"endbr", 1, 0x1e, 0xf3, 7, I_NONE, 1, F_REG | F_NO66, 0},
	{"prefetch", 1, 0x0d, 0, 1, I_NONE, 1, F_MEM, 0},
	{"prefetch", 1, 0x18, 0, 0, I_NONE, 1, F_MEM, 0},
	{"prefetch", 1, 0x18, 0, 1, I_NONE, 1, F_MEM, 0},
	{"prefetch", 1, 0x18, 0, 2, I_NONE, 1, F_MEM, 0},
	{"prefetch", 1, 0x18, 0, 3, I_NONE, 1, F_MEM, 0},
	{"lfence", 1, 0xae, 0, 5, I_NONE, 1, F_REG | F_NO66, 0},
	{"mfence", 1, 0xae, 0, 6, I_NONE, 1, F_REG | F_NO66, 0},
	{"sfence", 1, 0xae, 0, 7, I_NONE, 1, F_REG | F_NO66, 0},

	{"push", 0, 0x50, 0, M_NONE, I_NONE, 8, F_STACK | F_NOW, 0},
	{"push", 0, 0x6a, 0, M_NONE, I_8, 1, F_STACK | F_NOW, 0},
	{"push", 0, 0x68, 0, M_NONE, I_Z, 1, F_STACK | F_NOW, 0},
	{"push", 0, 0xff, 0, 6, I_NONE, 1, F_STACK | F_NOW, 0},
	{"pop", 0, 0x58, 0, M_NONE, I_NONE, 8, F_STACK | F_NOW, 0},
	{"pop", 0, 0x8f, 0, 0, I_NONE, 1, F_STACK | F_NOW, 0},
	{"pushf", 0, 0x9c, 0, M_NONE, I_NONE, 1, F_STACK | F_NOW, 0},
	{"popf", 0, 0x9d, 0, M_NONE, I_NONE, 1, F_STACK | F_NOW | F_POPF, 0},
	{"leave", 0, 0xc9, 0, M_NONE, I_NONE, 1, F_STACK | F_NOW, 0},
	{"enter", 0, 0xc8, 0, M_NONE, I_16, 1, F_STACK | F_NOW | F_NO66, 0},

	{"jcc", 0, 0x70, 0, M_NONE, I_REL8, 16, F_BRANCH | F_NO66, 0},
	{"jcc", 1, 0x80, 0, M_NONE, I_REL32, 16, F_BRANCH | F_NO66, 0},
	{"loop", 0, 0xe0, 0, M_NONE, I_REL8, 3, F_BRANCH | F_NO66, 0},
	{"jrcxz", 0, 0xe3, 0, M_NONE, I_REL8, 1, F_BRANCH | F_NO66, 0},
	{"jmp", 0, 0xeb, 0, M_NONE, I_REL8, 1, F_BRANCH | F_NO66, 0},
	{"jmp", 0, 0xe9, 0, M_NONE, I_REL32, 1, F_BRANCH | F_NO66, 0},
	{"jmp", 0, 0xff, 0, 4, I_NONE, 1, F_TARGET | F_NO66, 0},
	{"call", 0, 0xe8, 0, M_NONE, I_REL32, 1, F_BRANCH | F_STACK | F_NO66, 0},
	{"call", 0, 0xff, 0, 2, I_NONE, 1, F_TARGET | F_STACK | F_NO66, 0},
	{"ret", 0, 0xc3, 0, M_NONE, I_NONE, 1, F_RETURN | F_STACK | F_NO66, 0},
	{"ret", 0, 0xc2, 0, M_NONE, I_W, 1, F_RETURN | F_STACK | F_NO66, 0},

	{"xlat", 0, 0xd7, 0, M_NONE, I_NONE, 1, F_BYTE | F_XLAT, 0},
	{"movs", 0, 0xa4, 0, M_NONE, I_NONE, 1, F_BYTE | F_STR, 0},
	{"movs", 0, 0xa5, 0, M_NONE, I_NONE, 1, F_STR, 0},
	{"stos", 0, 0xaa, 0, M_NONE, I_NONE, 1, F_BYTE | F_STR, 0},
	{"stos", 0, 0xab, 0, M_NONE, I_NONE, 1, F_STR, 0},
	{"lods", 0, 0xac, 0, M_NONE, I_NONE, 1, F_BYTE | F_STR, 0},
	{"lods", 0, 0xad, 0, M_NONE, I_NONE, 1, F_STR, 0},
	{"scas", 0, 0xae, 0, M_NONE, I_NONE, 1, F_BYTE | F_STR, 0},
	{"scas", 0, 0xaf, 0, M_NONE, I_NONE, 1, F_STR, 0},
	{"cmps", 0, 0xa6, 0, M_NONE, I_NONE, 1, F_BYTE | F_STR, 0},
	{"cmps", 0, 0xa7, 0, M_NONE, I_NONE, 1, F_STR, 0},
};

const unsigned nforms = sizeof(forms) / sizeof(forms[0]);
