/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include "vmm/commands.h"
#include "vmm/kvm/kvm.h"
int cmd_doctor(bool json)
{
	(void)json;
	return 0;
}
