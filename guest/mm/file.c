/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: what they hold. A file has two copies of each page: `disk`, which only write-back changes,
 * and `cache`, which is what processes map. The cache has one reference to each of its pages; a
 * page is dirty if its frame says so, or an entry that maps it. Everything under the file's mutex.
 */
#include "mm/file.h"

static struct file files[MAX_FILES];
static struct spinlock files_lock = {.name = "files"};

_Static_assert(sizeof(struct members) <= PAGE_SIZE, "the members are a frame");

static struct file *new_file(void)
{
	struct file *f = files;

	spin_lock(&files_lock);
	while (f < files + MAX_FILES && f->open)
		f++;
	if (f < files + MAX_FILES)
		f->open = true;
	spin_unlock(&files_lock);
	return f < files + MAX_FILES ? f : NULL;
}

/* An id, or -1. */
slong file_create(ulong pages)
{
	struct file *f = pages <= FILE_PAGES ? new_file() : NULL;

	if (!f)
		return -1;
	mutex_init(&f->lock, RANK_FILE, "file");
	f->size = pages;
	f->cache = phys(frame_alloc());
	f->disk = phys(frame_alloc());
	f->members = phys(frame_alloc());
	return f - files;
}

struct file *file_by_id(ulong id)
{
	return id < MAX_FILES && files[id].open ? &files[id] : NULL;
}

/* The cache's page, read from disk if need be. */
pa_t file_page(struct file *f, ulong index)
{
	ASSERT(mutex_held(&f->lock) && index < f->size);
	if (!f->cache[index]) {
		f->cache[index] = frame_alloc_high();
		if (f->disk[index])
			frame_copy(f->cache[index], f->disk[index]);
	}
	return f->cache[index];
}

/* From cache to disk. What is written to the page from now on makes it dirty again. */
void file_write_back(struct file *f, ulong index)
{
	pa_t page = f->cache[index];

	if (!page || !frame_clear_dirty(page))
		return;
	if (!f->disk[index])
		f->disk[index] = frame_alloc_high();
	frame_copy(f->disk[index], page);
}

/* Forget pages that are mapped nowhere and not dirty; how many. */
slong file_drop(struct file *f)
{
	slong n = 0;

	mutex_lock(&f->lock);
	for (ulong i = 0; i < f->size; i++)
		if (f->cache[i] && frame_refs(f->cache[i]) == 1 &&
		    !frame_is_dirty(f->cache[i])) {
			frame_put(f->cache[i]);
			f->cache[i] = 0;
			n++;
		}
	mutex_unlock(&f->lock);
	return n;
}

/* The first word of a page as it is on disk. */
slong file_disk_word(struct file *f, ulong index)
{
	slong word = 0;

	mutex_lock(&f->lock);
	if (index < f->size && f->disk[index]) {
		slong *p = kmap_local(f->disk[index]);

		word = *p;
		kunmap_local(p);
	}
	mutex_unlock(&f->lock);
	return word;
}

static void let_go(pa_t *page)
{
	if (*page)
		frame_put(*page);
	*page = 0;
}

/* The pages from `pages` on are gone, which nobody maps any more. */
void file_cut(struct file *f, ulong pages)
{
	for (ulong i = pages; i < f->size; i++) {
		let_go(&f->cache[i]);
		let_go(&f->disk[i]);
	}
	f->size = pages;
}

/* -1 while it is mapped. */
slong file_close(struct file *f)
{
	bool mapped;

	mutex_lock(&f->lock);
	mapped = f->members->count;
	if (!mapped)
		file_cut(f, 0);
	mutex_unlock(&f->lock);
	if (mapped)
		return -1;
	frame_put((ulong)f->cache - KBASE);
	frame_put((ulong)f->disk - KBASE);
	frame_put((ulong)f->members - KBASE);
	atomic_store(&f->open, false);
	return 0;
}
