/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A hash table over a dense array, so that a random entry is one index away.
 * Invariants: node[0..n) are in use, each in the chain of its bucket once; pieces counts those that
 * were made from a larger page. The tag is not hashed: all tags of an address are in one chain.
 * Read first: tlb_cache.h.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/soft/tlb_cache.h"

static uint32_t *bucket_of(struct tlb_cache *c, uint64_t base, unsigned level)
{
	uint64_t h = (base ^ (uint64_t)level << 56) * 0x9e3779b97f4a7c15ull;

	return &c->bucket[h >> 40 & (TLB_BUCKETS - 1)];
}

/* The link that names node i. */
static uint32_t *link_of(struct tlb_cache *c, uint32_t i)
{
	uint32_t *l = bucket_of(c, c->node[i].e.page, c->node[i].level);

	while (*l != i + 1)
		l = &c->node[*l - 1].next;
	return l;
}

static bool is_piece(const struct tlb_node *n)
{
	return n->low > n->level;
}

void tlb_cache_fini(struct tlb_cache *c)
{
	free(c->node);
}

struct tlb_node *tlb_cache_find(struct tlb_cache *c, uint64_t tag, gva_t va, unsigned level)
{
	uint64_t base = tlb_base(va.v >> SH_PAGE_SHIFT, level);

	for (uint32_t i = *bucket_of(c, base, level); i; i = c->node[i - 1].next) {
		struct tlb_node *n = &c->node[i - 1];

		if (n->e.page == base && n->level == level && n->e.tag == tag)
			return n;
	}
	return NULL;
}

void tlb_cache_drop(struct tlb_cache *c, struct tlb_node *n)
{
	uint32_t i = (uint32_t)(n - c->node), last = c->n - 1;

	c->pieces -= is_piece(n);
	*link_of(c, i) = n->next;
	if (i != last) {
		*link_of(c, last) = i + 1;
		*n = c->node[last];
	}
	c->n--;
}

static bool make_room(struct tlb_cache *c, uint64_t seed)
{
	uint32_t room = c->room ? c->room * 2 : 256;
	struct tlb_node *node;

	if (c->n < c->room)
		return true;
	node = realloc(c->node, room * sizeof(*node));
	if (node) {
		c->node = node;
		c->room = room;
	} else if (c->n) {
		tlb_cache_drop(c, &c->node[seed % c->n]);
	}
	return c->n < c->room;
}

void tlb_cache_put(struct tlb_cache *c, const struct tlb_node *n, uint64_t seed)
{
	struct tlb_node *old =
		tlb_cache_find(c, n->e.tag, GVA(n->e.page << SH_PAGE_SHIFT), n->level);
	uint32_t *head;

	if (old)
		tlb_cache_drop(c, old);
	if (!make_room(c, seed))
		return;
	head = bucket_of(c, n->e.page, n->level);
	c->node[c->n] = *n;
	c->node[c->n].next = *head;
	c->pieces += is_piece(n);
	*head = ++c->n;
}

static bool covers(const struct tlb_node *n, uint64_t tag, gva_t va)
{
	unsigned size = is_piece(n) ? n->low : n->level;

	return (!tag || n->e.tag == tag) &&
	       tlb_base(n->e.page, size) == tlb_base(va.v >> SH_PAGE_SHIFT, size);
}

/* One INVLPG drops all pieces of a large page (SDM vol. 3, section 4.10.4.1), which may be
 * anywhere. */
static void forget_pieces(struct tlb_cache *c, uint64_t tag, gva_t va)
{
	for (uint32_t i = c->n; i-- && c->pieces;)
		if (is_piece(&c->node[i]) && covers(&c->node[i], tag, va))
			tlb_cache_drop(c, &c->node[i]);
}

static void forget_level(struct tlb_cache *c, uint64_t tag, gva_t va, unsigned level)
{
	uint64_t base = tlb_base(va.v >> SH_PAGE_SHIFT, level);
	uint32_t i = *bucket_of(c, base, level);

	while (i) {
		struct tlb_node *n = &c->node[i - 1];

		i = n->next;
		if (n->level != level || !covers(n, tag, va))
			continue;
		tlb_cache_drop(c, n);
		i = *bucket_of(c, base, level); /* the chain may have changed: again */
	}
}

void tlb_cache_forget(struct tlb_cache *c, uint64_t tag, gva_t va)
{
	if (!c->n)
		return;
	forget_pieces(c, tag, va);
	for (unsigned level = 1; level <= TLB_MAX_LEVEL; level++)
		forget_level(c, tag, va, level);
}

void tlb_cache_clear(struct tlb_cache *c)
{
	c->n = c->pieces = 0;
	memset(c->bucket, 0, sizeof(c->bucket));
}
