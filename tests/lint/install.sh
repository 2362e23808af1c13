#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What `make install` leaves is complete: programs, guests, manual pages, and a library that a program
# of somebody else's compiles against and runs with.
set -u
builddir=${builddir:-build}
srcdir=${srcdir:-.}
builddir=$(realpath "$builddir")
srcdir=$(realpath "$srcdir")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
number=0
status=0

# check NAME COMMAND...
check() {
	local name=$1 said
	shift
	number=$((number + 1))
	if said=$("$@" 2>&1); then
		echo "ok $number - $name"
	else
		printf '%s\n' "$said" | tail -n 20 | sed 's/^/# /'
		echo "not ok $number - $name"
		status=1
	fi
}

prefix=$(sed -n 's/^prefix = //p' "$builddir/Makefile")
libdir=$prefix/lib
root=$tmp/root

installs() { make -s -C "$builddir" install DESTDIR="$root" MAKEFLAGS=; }
files_there() {
	local f
	for f in bin/umbra bin/umbra-ref bin/umbra-stress share/umbra/guest/umbra-guest-amd64 \
		share/umbra/guest/umbra-guest-amd64.scenarios share/man/man1/umbra.1 \
		share/man/man1/umbra-ref.1 share/man/man1/umbra-stress.1 share/man/man5/umbra-stress.5 \
		lib/pkgconfig/umbra-shadow.pc include/umbra/shadow/mmu.h; do
		[[ -e $root$prefix/$f ]] || { echo "missing: $f"; return 1; }
	done
}
# flags WORD: what pkg-config says of the library, where it lies now.
flags() {
	PKG_CONFIG_PATH=$root$libdir/pkgconfig pkg-config --define-variable=prefix="$root$prefix" "$1" \
		umbra-shadow
}
# Each header can be the first of a file.
headers_alone() {
	local h
	for h in "$root$prefix"/include/umbra/shadow/*.h; do
		# shellcheck disable=SC2046 # flags are words
		echo "#include \"shadow/${h##*/}\"" | ${CC:-cc} -std=gnu11 -Wall -Werror $(flags --cflags) \
			-x c -fsyntax-only - || return 1
	done
}
example_compiles() {
	# shellcheck disable=SC2046 # flags are words
	${CC:-cc} -std=gnu11 -Wall -Wextra -Werror "$srcdir/examples/shadow-walk.c" \
		$(flags --cflags) $(flags --libs) -o "$tmp/shadow-walk"
}
example_runs() {
	LD_LIBRARY_PATH=$root$libdir "$tmp/shadow-walk" >"$tmp/out" || return 1
	diff - "$tmp/out" <<-EOF
		read 0x1000                  hidden fault, entry made
		read 0x1000                  reaches machine frame 0x5
		read 0x1000 again            reaches machine frame 0x5
		read 0x9000                  page fault of the guest's own
		write the page table         tracked
		read 0x1000 after INVLPG     reaches machine frame 0x6
		audit                        0 violations
	EOF
}
umbra_runs() {
	LD_LIBRARY_PATH=$root$libdir UMBRA_GUEST_DIR=$root$prefix/share/umbra/guest \
		"$root$prefix/bin/umbra" run --cpu soft --scenario invlpg
}
uninstalls() {
	make -s -C "$builddir" uninstall DESTDIR="$root" MAKEFLAGS= || return 1
	local left
	left=$(find "$root" ! -type d)
	echo "$left"
	[[ -z $left ]]
}

if grep -q -- '-fsanitize' "$builddir/Makefile" && ! grep -q '^SAN_CFLAGS = *$' "$builddir/Makefile"; then
	echo "1..0 # SKIP a sanitized build is not for installing"
	exit 0
fi
echo "1..7"
check "make install" installs
check "what is installed" files_there
check "each header stands alone" headers_alone
check "the example compiles" example_compiles
check "the example runs" example_runs
check "umbra runs from there" umbra_runs
check "make uninstall" uninstalls
exit $status
