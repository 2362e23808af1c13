/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The page of picture.c and its parts, as they are in this folder. The assembler looks for them in the
 * source tree (-I).
 */
	.macro file name, path
	.globl \name
	.globl \name\()_end
\name:
	.incbin "\path"
\name\()_end:
	.byte 0
	.endm

	.section .rodata
	file picture_html, "tools/ctl/picture.html"
	file picture_css, "tools/ctl/picture.css"
	file picture_model_js, "tools/ctl/picture-model.js"
	file picture_map_js, "tools/ctl/picture-map.js"
	file picture_parts_js, "tools/ctl/picture-parts.js"

	.section .note.GNU-stack, "", @progbits
