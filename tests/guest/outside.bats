#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Guests that nobody here wrote: kvm-unit-tests images, found in UMBRA_OUTSIDE_DIR (its x86/*.flat),
# built there by whoever runs this. They judge the processor and the MMU by their own lights.

load common

setup() {
	common_setup
	need_kvm
	[ -n "$UMBRA_OUTSIDE_DIR" ] || skip "UMBRA_OUTSIDE_DIR is not set"
}
teardown() { common_teardown; }

# outside NAME CPUS TESTS: the image says that TESTS tests ran and none failed.
outside() {
	local cpus=$2 tests=$3 image=$UMBRA_OUTSIDE_DIR/x86/$1.flat
	[ -e "$image" ] || skip "no $image"
	printf 'NR_CPUS=%d\nMEMSIZE=512\nTEST_DEVICE=0\nBOOTLOADER=1\n' "$cpus" >"$files/env"
	LIMIT=${LIMIT:-60} ends 0 --cpu kvm --cpus "$cpus" -m 512M --timeout "${time:-50}" --initrd "$files/env" \
		--kernel "$image"
	! grep '^FAIL' "$out" || return 1
	[ -z "$tests" ] || grep -q "^SUMMARY: $tests tests" "$out"
}

# Likewise for an image built for i386, whose directory is UMBRA_OUTSIDE_DIR32.
outside32() {
	[ -n "$UMBRA_OUTSIDE_DIR32" ] || skip "UMBRA_OUTSIDE_DIR32 is not set"
	UMBRA_OUTSIDE_DIR=$UMBRA_OUTSIDE_DIR32 outside "$1" 1 "$2"
}

@test "setjmp" { outside setjmp 1 10; }
@test "memory" { outside memory 1 7; }
@test "syscall: SYSCALL, SYSRET, TF" { outside syscall 1 2; }
@test "umip" { outside umip 1 21; }
@test "smap: 18 ways to be stopped" { outside smap 1 18; }
@test "idt_test" { outside idt_test 1 4; }
@test "la57: canonical checks" { outside la57 1 56; }
@test "pcid" { outside pcid 1 2; }
@test "pks" { outside pks 1 7; }
@test "debug: breakpoints and single-stepping" { outside debug 1 25; }
@test "eventinj: faults in deliveries, NMIs" { outside eventinj 1 13; }
# Of a build for i386.
@test "taskswitch: an error code through a task gate" { outside32 taskswitch ""; }
@test "taskswitch2: tasks and virtual-8086 mode" { outside32 taskswitch2 13; }
@test "tsc" { outside tsc 1 3; }
@test "rmap_chain: 130,000 mappings of one page, then a table" { outside rmap_chain 1 ""; }
# Some 13 minutes where the kernel is interpreted.
@test "access_test: 1.9 million accesses" {
	[ -n "$UMBRA_OUTSIDE_LONG" ] || skip "UMBRA_OUTSIDE_LONG is not set"
	local LIMIT=1500 time=1400
	outside access_test 1 1
	grep -q '^1916935 tests, 0 failures' "$out"
}
@test "smptest on 2 CPUs" { outside smptest 2 1; }
