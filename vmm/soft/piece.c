/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading and writing the pieces of an access. Read first: piece.h.
 *
 * RAM first: a piece of it may be touched only as long as the vCPU has not been out of the guest,
 * and the others go out.
 */
#include "vmm/soft/piece.h"

uint8_t *soft_host(struct machine *m, struct tlb_entry *e)
{
	unsigned n;
	const struct gmem_region *r = gmem_regions(m->gm, &n);

	for (unsigned i = 0; !e->host && i < n; i++) {
		uint64_t d = e->frame.v - r[i].mfn.v; /* wraps below the region */

		/* A window on lowmem is a part of one lasting mapping: nothing to close. */
		if (d < r[i].frames &&
		    r[i].offset + ((d + 1) << SH_PAGE_SHIFT) <= m->cfg.lowmem)
			e->host = gmem_map(m->gm, GFN(r[i].gfn.v + d));
	}
	return e->host;
}

/* Device memory takes naturally sized accesses; anything else goes byte by byte. */
static unsigned unit(const struct piece *p)
{
	bool whole = (p->len == 1 || p->len == 2 || p->len == 4 || p->len == 8) &&
		     !(p->gpa.v & (p->len - 1));

	return whole ? p->len : 1;
}

static enum cpu_result read_ram(struct vcpu *v, const struct piece *p, uint8_t *buf)
{
	uint64_t off = p->gpa.v & (SH_PAGE_SIZE - 1);
	uint8_t *w = p->host ? p->host : gmem_map(v->m->gm, gpa_gfn(p->gpa));

	if (!w)
		return CPU_HOST;
	soft_load(w + off, buf, p->len);
	if (!p->host)
		gmem_unmap(v->m->gm, w);
	return CPU_OK;
}

static enum cpu_result write_ram(struct vcpu *v, const struct piece *p, const uint8_t *buf)
{
	uint64_t off = p->gpa.v & (SH_PAGE_SIZE - 1);
	uint8_t *w = p->host ? p->host : gmem_map(v->m->gm, gpa_gfn(p->gpa));

	if (!w)
		return CPU_HOST;
	soft_store(w + off, buf, p->len);
	if (!p->host)
		gmem_unmap(v->m->gm, w);
	return CPU_OK;
}

/* A page table that is written is also read here (a LOCKed access), and RAM that can't be mapped
 * for a fetch. */
static enum cpu_result read_other(struct vcpu *v, const struct piece *p, uint8_t *buf)
{
	unsigned n = unit(p);

	if (gmem_valid(v->m->gm, p->gpa, p->len))
		return gmem_read(v->m->gm, p->gpa, buf, p->len) ? CPU_HOST : CPU_OK;
	soft_out(v);
	for (unsigned i = 0; i < p->len; i += n) {
		uint64_t val = bus_read(v->m->bus, v->index, GPA(p->gpa.v + i), n);

		memcpy(buf + i, &val, n);
	}
	soft_in(v);
	return CPU_OK;
}

static enum cpu_result write_other(struct vcpu *v, const struct piece *p, const uint8_t *buf)
{
	unsigned n = unit(p);
	int err = 0;

	soft_out(v);
	if (p->kind == PIECE_TRACKED) {
		err = vcpu_write(v, p->gpa, buf, p->len);
	} else {
		for (unsigned i = 0; i < p->len; i += n) {
			uint64_t val = 0;

			memcpy(&val, buf + i, n);
			bus_write(v->m->bus, v->index, GPA(p->gpa.v + i), n, val);
		}
	}
	soft_in(v);
	return err ? CPU_HOST : CPU_OK;
}

enum cpu_result soft_read_pieces(struct vcpu *v, const struct piece p[2], uint8_t *buf)
{
	uint8_t *at[2] = {buf, buf + p[0].len};
	enum cpu_result r = CPU_OK;

	for (unsigned i = 0; i < 2 && r == CPU_OK; i++)
		if (p[i].len && p[i].kind == PIECE_RAM)
			r = read_ram(v, &p[i], at[i]);
	for (unsigned i = 0; i < 2 && r == CPU_OK; i++)
		if (p[i].len && p[i].kind != PIECE_RAM)
			r = read_other(v, &p[i], at[i]);
	return r;
}

enum cpu_result soft_write_pieces(struct vcpu *v, const struct piece p[2], const uint8_t *buf)
{
	const uint8_t *at[2] = {buf, buf + p[0].len};
	enum cpu_result r = CPU_OK;

	for (unsigned i = 0; i < 2 && r == CPU_OK; i++)
		if (p[i].len && p[i].kind == PIECE_RAM)
			r = write_ram(v, &p[i], at[i]);
	for (unsigned i = 0; i < 2 && r == CPU_OK; i++)
		if (p[i].len && p[i].kind != PIECE_RAM)
			r = write_other(v, &p[i], at[i]);
	return r;
}
