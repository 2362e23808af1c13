# SPDX-License-Identifier: BSD-2-Clause
include vmm/front.mk
