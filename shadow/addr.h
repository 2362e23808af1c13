/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Address spaces as distinct types, so that mixing two of them does not compile.
 *
 *   gva  guest virtual, what a guest instruction names
 *   gpa  guest physical, what the guest's page tables hold; gfn is its frame number
 *   mpa  machine physical, what KVM calls the VM's physical address space and what the shadow
 *        tables hold; mfn is its frame number. The hardware's CR3 points into it.
 *
 * Read first: nothing. Everything else includes this file.
 */
#ifndef UMBRA_SHADOW_ADDR_H
#define UMBRA_SHADOW_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SH_PAGE_SHIFT 12
#define SH_PAGE_SIZE  4096u
#define SH_PAGE_MASK  (~(uint64_t)(SH_PAGE_SIZE - 1))

typedef struct {
	uint64_t v;
} gva_t;
typedef struct {
	uint64_t v;
} gpa_t;
typedef struct {
	uint64_t v;
} gfn_t;
typedef struct {
	uint64_t v;
} mpa_t;
typedef struct {
	uint64_t v;
} mfn_t;

#define GVA(x) ((gva_t){(x)})
#define GPA(x) ((gpa_t){(x)})
#define GFN(x) ((gfn_t){(x)})
#define MPA(x) ((mpa_t){(x)})
#define MFN(x) ((mfn_t){(x)})

#define MFN_NONE MFN(UINT64_MAX)

static inline gfn_t gpa_gfn(gpa_t a)
{
	return GFN(a.v >> SH_PAGE_SHIFT);
}
static inline gpa_t gfn_gpa(gfn_t f)
{
	return GPA(f.v << SH_PAGE_SHIFT);
}
static inline mfn_t mpa_mfn(mpa_t a)
{
	return MFN(a.v >> SH_PAGE_SHIFT);
}
static inline mpa_t mfn_mpa(mfn_t f)
{
	return MPA(f.v << SH_PAGE_SHIFT);
}
static inline gva_t gva_page(gva_t a)
{
	return GVA(a.v & SH_PAGE_MASK);
}
static inline uint64_t gva_offset(gva_t a)
{
	return a.v & (SH_PAGE_SIZE - 1);
}
static inline bool gfn_eq(gfn_t a, gfn_t b)
{
	return a.v == b.v;
}
static inline bool mfn_eq(mfn_t a, mfn_t b)
{
	return a.v == b.v;
}

#endif
