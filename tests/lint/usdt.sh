#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# --enable-usdt: without the header configure says so in one line; with it the library's objects hold
# exactly the probes that umbra(1) lists as events. TAP.
set -u
srcdir=$(realpath "${srcdir:-.}")
builddir=$(realpath "${builddir:-build}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

# check NUMBER NAME COMMAND...; what the command says is "SKIP reason" or what is wrong.
check() {
	local number=$1 name=$2 said
	shift 2
	said=$("$@" 2>&1)
	if [[ -z $said ]]; then
		echo "ok $number - $name"
	elif [[ $said == SKIP* ]]; then
		echo "ok $number - $name # $said"
	else
		printf '%s\n' "$said" | head -n 20 | sed 's/^/# /'
		echo "not ok $number - $name"
		status=1
	fi
}

variable() { sed -n "s/^$1 = //p" "$builddir/Makefile"; }

without_header() {
	[[ -x $srcdir/configure ]] || { echo "SKIP no configure"; return; }
	[[ ! -e $srcdir/config.status ]] || { echo "SKIP configured in the source tree"; return; }
	cd "$tmp" || return
	! ac_cv_header_sys_sdt_h=no "$srcdir/configure" -q CC="$(variable CC)" --enable-usdt 2>err >/dev/null ||
		echo "configure went on"
	[[ $(wc -l <err) -eq 1 ]] || cat err
	grep -q '^configure: error: sys/sdt.h not found: apt-get install systemtap-sdt-dev' err || echo "it said otherwise"
	[[ ! -e Makefile ]] || echo "there is a Makefile"
}

listed() {
	sed -n '/^The events:$/,/^\.El$/s/^\.It //p' "$srcdir/docs/umbra.1" | sort
}

probes() {
	readelf -n "$@" | sed -n '/Provider: umbra$/{n;s/^ *Name: //p;}' | sort -u
}

# Where the build has no probes, the files that would have them are compiled with them.
objects() {
	local f cc cflags
	cc=$(variable CC)
	cflags=$(variable URCU_CFLAGS)
	for f in $(grep -l 'sh_trace(' "$srcdir"/shadow/*.c); do
		# shellcheck disable=SC2086 # words
		$cc -std=gnu11 -O1 -fPIC $cflags -I"$srcdir" -I"$builddir" -DUMBRA_USDT -c "$f" \
			-o "$tmp/$(basename "$f" .c).o" || return
	done
	ls "$tmp"/*.o
}

as_documented() {
	local files
	command -v readelf >/dev/null || { echo "SKIP no readelf"; return; }
	if grep -q '^CPPFLAGS = .*-DUMBRA_USDT' "$builddir/Makefile"; then
		files=$builddir/.libs/libumbra-shadow.so
	else
		echo '#include <sys/sdt.h>' | $(variable CC) -E - >/dev/null 2>&1 ||
			{ echo "SKIP no sys/sdt.h (systemtap-sdt-dev)"; return; }
		files=$(objects) || { echo "$files"; return; }
	fi
	[[ $(listed | wc -l) -gt 20 ]] || echo "umbra.1 lists no events"
	# shellcheck disable=SC2086 # words
	diff <(listed) <(probes $files)
}

echo 1..2
check 1 "without sys/sdt.h configure fails and says what to install" without_header
check 2 "each event is a probe, and there are no others" as_documented
exit $status
