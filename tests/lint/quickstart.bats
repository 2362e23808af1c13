#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# quickstart's decisions, on stand-ins for the package tools; nothing is installed or built.
# And tools/tap-table, which quickstart ends with.
bats_require_minimum_version 1.5.0

setup() {
	: "${srcdir:=$BATS_TEST_DIRNAME/../..}"
	[ -e "$srcdir/quickstart" ] || skip "no quickstart here"
	quickstart=$srcdir/quickstart
	tools=$BATS_TEST_TMPDIR/bin
	mkdir -p "$tools"
	export PATH="$tools:$PATH"
}

# stand_in NAME BODY: a program NAME that runs BODY.
stand_in() {
	printf '#!/bin/sh\n%s\n' "$2" >"$tools/$1"
	chmod +x "$tools/$1"
}

# table TEXT: tap-table on TEXT; its last line in $last.
table() {
	run "$srcdir/tools/tap-table" <<<"$1"
	last=${lines[${#lines[@]} - 1]}
}

@test "--help names the commands and the packages" {
	run "$quickstart" --help
	[ "$status" -eq 0 ]
	[[ $output == *"  run  "*"  check  "*"  setup  "*"build-essential"*"bats"* ]]
}

@test "an unknown command is one line and exit code 2" {
	run "$quickstart" walk
	[ "$status" -eq 2 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"unknown command 'walk'"* ]]
	run "$quickstart"
	[ "$status" -eq 2 ]
	run "$quickstart" check --cpus 2
	[ "$status" -eq 2 ]
}

@test "needed packages that can't be installed are named, and it ends there" {
	stand_in dpkg-query 'case "$*" in *libzydis-dev*) exit 1 ;; *) printf installed ;; esac'
	stand_in apt-get 'echo "apt-get $*" >>"$CALLS"; exit 100'
	stand_in id 'echo 0'
	stand_in autoreconf 'echo "must not run" >>"$CALLS"'
	stand_in make 'echo "must not run" >>"$CALLS"'
	export CALLS="$BATS_TEST_TMPDIR/calls"
	run "$quickstart" setup
	[ "$status" -eq 3 ]
	[[ ${lines[${#lines[@]} - 1]} == *"can't install libzydis-dev; "* ]]
	[ "$(grep -c 'install -y' "$CALLS")" -eq 1 ]
	[ "$(grep -c update "$CALLS")" -eq 1 ]
	run ! grep -q "must not run" "$CALLS"
}

@test "table: passed, failed, skipped" {
	table $'talk\n1..3\nok 1 - boot\r\nnot ok 2 - fork\nok 3 - smap # SKIP no SMAP here'
	[ "$status" -eq 1 ]
	[ "$last" = "1 passed, 1 failed, 1 skipped" ]
	[[ $output == *"smap      skipped  no SMAP here"* ]]
}

@test "table: all passed" {
	table $'1..2\nok 1 - boot\nok 2 - fork # 31 ms'
	[ "$status" -eq 0 ]
	[ "$last" = "2 passed, 0 failed" ]
}

@test "table: a guest that dies in the middle has failed" {
	table $'1..3\nok 1 - boot'
	[ "$status" -eq 1 ]
	[ "$last" = "1 passed, 1 failed" ]
	table $'1..3\nok 1 - boot\nBail out! panic'
	[ "$status" -eq 1 ]
	[ "$last" = "1 passed, 1 failed" ]
	table $'ok 1 - boot'
	[ "$status" -eq 1 ]
}

@test "table: nothing ran is a failure" {
	table ""
	[ "$status" -eq 1 ]
	[ "$last" = "0 passed, 0 failed" ]
	table "1..0 # SKIP no scenarios"
	[ "$status" -eq 1 ]
}
