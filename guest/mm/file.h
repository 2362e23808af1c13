/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that live in memory, and are mapped: file.c, filemap.c. */
#ifndef GUEST_FILE_H
#define GUEST_FILE_H

#include "mm/rmap.h"

#define MAX_FILES  8
#define FILE_PAGES (PAGE_SIZE / sizeof(pa_t)) /* the longest */

struct file {
	struct mutex lock; /* i_mmap's: all of it but `open` */
	bool open;
	ulong size;		 /* pages */
	pa_t *cache, *disk;	 /* a frame each: page by page, 0: not there, or zeroes */
	struct members *members; /* a frame: the spaces that map it */
};

/* file.c */
slong file_create(ulong pages);
struct file *file_by_id(ulong id);
pa_t file_page(struct file *f, ulong index);
slong file_close(struct file *f);
slong file_drop(struct file *f);
slong file_disk_word(struct file *f, ulong index);
void file_write_back(struct file *f, ulong index);
void file_cut(struct file *f, ulong pages);

/* filemap.c */
slong mm_map_file(struct mm *mm, struct file *f, ulong first, ulong pages, u32 prot);
bool file_fault(struct mm *mm, const struct vma *v, ulong va, ulong error);
void file_join(struct mm *mm, const struct vma *v);
void file_leave(struct mm *mm, struct vma *v);
slong mm_sync(struct mm *mm, ulong va, ulong len);
slong file_truncate(struct file *f, ulong pages);

#endif
