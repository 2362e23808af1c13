/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hardware half of the fake engine. Read first: fake_engine.h.
 */
#ifndef UMBRA_TESTS_FAKE_HARDWARE_H
#define UMBRA_TESTS_FAKE_HARDWARE_H

#include "tests/unit/fake_engine.h"

/* Tries the access at CPL 3 on the loaded root. False: #PF. */
bool fake_native(struct fake_vcpu *vc, uint64_t gva, unsigned flags, uint64_t *val, unsigned size,
		 struct fake_result *r);

/* guest_lock held. */
void fake_forget(struct fake_vcpu *vc, uint64_t gva);
void fake_forget_all(struct fake_vcpu *vc);

/* Gated: what was touched is seen. */
void fake_apply_touches(struct fake *f);

void fake_violation(struct fake *f, const char *why);

#endif
