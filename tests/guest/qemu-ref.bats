#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# One guest image, two machines: what it prints on QEMU's TCG, it prints on Umbra.

load common

# The reference runs, once.
setup_file() {
	have_qemu || skip "no qemu-system-x86_64"
	local dir=${UMBRA_GUEST_DIR:-${builddir:-$BATS_TEST_DIRNAME/../../build}/guest} n
	[ -e "$dir/umbra-guest-amd64" ] || skip "no guest image in $dir"
	for n in 1 2 4; do
		qemu "$dir/umbra-guest-amd64" "$n" "$BATS_FILE_TMPDIR/qemu-$n"
	done
	qemu "$dir/umbra-guest-amd64.elf64" 2 "$BATS_FILE_TMPDIR/qemu-pvh"
}

setup() {
	common_setup
	need_kvm
}
teardown() { common_teardown; }

# same FILE: the lines of the run before are those of FILE, with every word of them: the number of
# CPUs is the same.
lines() { tr -d '\r' <"$1" | grep -E '^umbra-guest|^1\.\.|^(not )?ok |^# .* passed'; }
same() { diff <(lines "$BATS_FILE_TMPDIR/$1") <(lines "$out"); }

@test "QEMU passes every scenario" {
	for n in 1 2 4 pvh; do
		all_ok "$BATS_FILE_TMPDIR/qemu-$n"
	done
}

@test "1 cpu: the same on both" {
	ends 0 --cpus 1
	same qemu-1
}

@test "2 cpus: the same on both" {
	ends 0 --cpus 2
	same qemu-2
}

@test "4 cpus: the same on both" {
	LIMIT=120 ends 0 --cpus 4
	same qemu-4
}

@test "2 cpus, booted by PVH: the same on both" {
	ends 0 --cpus 2 "$image.elf64"
	same qemu-pvh
}
