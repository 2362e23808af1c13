/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which instructions the hardware does not run at CPL 3 for the guest's kernel, so that they come
 * out of the VM. A guess is good enough: it decides about speed alone.
 *
 * Read first: hybrid.h.
 */
#include <Zydis/Zydis.h>

#include "vmm/hybrid/hybrid.h"

static const bool trapping[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	[ZYDIS_MNEMONIC_CLI] = true,	 [ZYDIS_MNEMONIC_STI] = true,
	[ZYDIS_MNEMONIC_CLAC] = true,	 [ZYDIS_MNEMONIC_STAC] = true,
	[ZYDIS_MNEMONIC_HLT] = true,	 [ZYDIS_MNEMONIC_IN] = true,
	[ZYDIS_MNEMONIC_OUT] = true,	 [ZYDIS_MNEMONIC_INSB] = true,
	[ZYDIS_MNEMONIC_INSW] = true,	 [ZYDIS_MNEMONIC_INSD] = true,
	[ZYDIS_MNEMONIC_OUTSB] = true,	 [ZYDIS_MNEMONIC_OUTSW] = true,
	[ZYDIS_MNEMONIC_OUTSD] = true,	 [ZYDIS_MNEMONIC_RDMSR] = true,
	[ZYDIS_MNEMONIC_WRMSR] = true,	 [ZYDIS_MNEMONIC_SWAPGS] = true,
	[ZYDIS_MNEMONIC_RDPKRU] = true,	 [ZYDIS_MNEMONIC_WRPKRU] = true,
	[ZYDIS_MNEMONIC_XSETBV] = true,	 [ZYDIS_MNEMONIC_INVD] = true,
	[ZYDIS_MNEMONIC_WBINVD] = true,	 [ZYDIS_MNEMONIC_LMSW] = true,
	[ZYDIS_MNEMONIC_CLTS] = true,	 [ZYDIS_MNEMONIC_LGDT] = true,
	[ZYDIS_MNEMONIC_LIDT] = true,	 [ZYDIS_MNEMONIC_LLDT] = true,
	[ZYDIS_MNEMONIC_LTR] = true,	 [ZYDIS_MNEMONIC_INVLPG] = true,
	[ZYDIS_MNEMONIC_INVPCID] = true, [ZYDIS_MNEMONIC_IRET] = true,
	[ZYDIS_MNEMONIC_IRETD] = true,	 [ZYDIS_MNEMONIC_IRETQ] = true,
	[ZYDIS_MNEMONIC_SYSRET] = true,	 [ZYDIS_MNEMONIC_SYSEXIT] = true,
	[ZYDIS_MNEMONIC_SYSCALL] = true, [ZYDIS_MNEMONIC_SYSENTER] = true,
	[ZYDIS_MNEMONIC_INT] = true,	 [ZYDIS_MNEMONIC_INT3] = true,
	[ZYDIS_MNEMONIC_INT1] = true,	 [ZYDIS_MNEMONIC_SGDT] = true,
	[ZYDIS_MNEMONIC_SIDT] = true,	 [ZYDIS_MNEMONIC_SLDT] = true,
	[ZYDIS_MNEMONIC_STR] = true,	 [ZYDIS_MNEMONIC_SMSW] = true,
};

static bool is_prefix(uint8_t b)
{
	return (b & 0xf0) == 0x40 || b == 0x66 || b == 0xf2 || b == 0xf3;
}

/* MOV to and from control and debug registers: 0F 20 to 0F 23. */
static bool moves_special(const uint8_t *bytes)
{
	unsigned i = 0;

	while (i < 13 && is_prefix(bytes[i]))
		i++;
	return bytes[i] == 0x0f && (bytes[i + 1] & 0xfc) == 0x20;
}

bool hybrid_traps(unsigned mnemonic, const uint8_t *bytes)
{
	if (mnemonic == ZYDIS_MNEMONIC_MOV)
		return moves_special(bytes);
	return mnemonic <= ZYDIS_MNEMONIC_MAX_VALUE && trapping[mnemonic];
}
