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

# A tree with nothing in it but quickstart, and stand-ins for all that it calls. Each call is a
# line in $CALLS. The packages named in $ABSENT aren't installed; apt-get fails for $BROKEN.
empty_tree() {
	tree=$BATS_TEST_TMPDIR/tree
	export CALLS="$BATS_TEST_TMPDIR/calls" ABSENT="${1-}" BROKEN="${2-none}"
	mkdir -p "$tree/build" "$tree/tools"
	: >"$CALLS"
	cp "$quickstart" "$tree"
	cp "$srcdir/tools/tap-table" "$tree/tools"
	touch "$tree/configure.ac"
	stand_in dpkg-query 'for p; do :; done
		case " $ABSENT " in *" $p "*) exit 1 ;; esac; printf installed'
	stand_in apt-get 'echo "apt-get $*" >>"$CALLS"; case "$*" in *$BROKEN*) exit 100 ;; esac'
	stand_in apt-cache 'case " $UNKNOWN " in *" $2 "*) ;; *) echo "  Candidate: 1" ;; esac'
	stand_in id 'echo 0'
	stand_in autoreconf 'echo autoreconf >>"$CALLS"
		printf "#!/bin/sh\necho configure >>%s\ntouch config.status\n" "$CALLS" >configure
		chmod +x configure'
	stand_in make 'echo "make $*" >>"$CALLS"'
}

# calls TEXT: how many of the calls have TEXT in them.
calls() {
	grep -c -- "$1" "$CALLS" || true
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

@test "nothing is missing: nothing is installed, and the tree is built once" {
	empty_tree
	run "$tree/quickstart" setup
	[ "$status" -eq 0 ]
	[ "$(calls apt-get)" -eq 0 ]
	[ "$(calls autoreconf)" -eq 1 ]
	[ "$(calls configure)" -eq 1 ]
	run "$tree/quickstart" setup
	[ "$(calls autoreconf)" -eq 1 ]
	[ "$(calls configure)" -eq 1 ]
	[ "$(calls make)" -eq 2 ]
}

@test "only what is missing is installed, and configure looks again" {
	empty_tree "bats libzydis-dev"
	touch "$tree/configure" "$tree/build/config.status"
	printf '#!/bin/sh\necho configure >>"$CALLS"\n' >"$tree/configure"
	chmod +x "$tree/configure"
	touch "$tree/build/config.status"
	run "$tree/quickstart" setup
	[ "$status" -eq 0 ]
	[ "$(calls 'apt-get.*install.* libzydis-dev$')" -eq 1 ]
	[ "$(calls 'apt-get.*install.* bats$')" -eq 1 ]
	[ "$(calls update)" -eq 0 ]
	[ "$(calls configure)" -eq 1 ]
}

@test "--no-install, before or behind the command, installs nothing" {
	empty_tree "bats libzydis-dev"
	run "$tree/quickstart" setup --no-install
	[ "$status" -eq 0 ]
	[[ $output == *"not installed, as asked: libzydis-dev bats"* ]]
	run "$tree/quickstart" --no-install setup
	[ "$status" -eq 0 ]
	[ "$(calls apt-get)" -eq 0 ]
}

@test "needed packages that can't be installed are named, and it ends there" {
	empty_tree libzydis-dev libzydis-dev
	run "$tree/quickstart" setup
	[ "$status" -eq 3 ]
	[[ ${lines[${#lines[@]} - 1]} == *"can't install libzydis-dev; "* ]]
	[ "$(calls update)" -eq 1 ]
	[ "$(calls make)" -eq 0 ]
}

@test "packages that only tests need may be missing" {
	empty_tree "bats socat" bats
	run "$tree/quickstart" setup
	[ "$status" -eq 0 ]
	[[ $output == *"can't install bats socat; going on"* ]]
	[ "$(calls make)" -eq 1 ]
}

@test "a package that apt doesn't know does not cost the others" {
	export UNKNOWN=spin
	empty_tree "bats spin socat" spin
	run "$tree/quickstart" setup
	[ "$status" -eq 0 ]
	[ "$(calls 'apt-get.*install.* bats socat$')" -eq 1 ]
	[[ $output == *"can't install"*"spin; going on"* ]]
	[ "$(calls make)" -eq 1 ]
}

@test "run: umbra's exit code and its words get through" {
	empty_tree
	printf '#!/bin/sh\necho "umbra $*" >>"$CALLS"\nprintf "1..1\\nok 1 - boot\\n"\nexit 4\n' \
		>"$tree/build/umbra"
	chmod +x "$tree/build/umbra"
	run "$tree/quickstart" run --cpus 2
	[ "$status" -eq 4 ]
	[ "$(calls '^umbra run --cpus [0-9]* --cpus 2$')" -eq 1 ]
	[ "${lines[${#lines[@]} - 1]}" = "1 passed, 0 failed" ]
}

# make check leaves $1 behind as the results of one test, and ends with $2.
check_with() {
	empty_tree
	export RESULTS="$1" CODE="$2"
	stand_in make 'case "$*" in *check*) ;; *) exit 0 ;; esac
		printf "$RESULTS" >build/a.trs; echo "the log" >build/a.log; exit $CODE'
	run "$tree/quickstart" check
	last=${lines[${#lines[@]} - 1]}
}

@test "check: totals over single cases" {
	check_with ':test-result: PASS a\n:test-result: SKIP b\n:test-result: XFAIL c\n' 0
	[ "$status" -eq 0 ]
	[ "$last" = "2 passed, 0 failed, 1 skipped" ]
}

@test "check: a failure shows its log" {
	check_with ':test-result: PASS a\n:test-result: FAIL b\n:global-test-result: FAIL\n' 2
	[ "$status" -eq 1 ]
	[ "$last" = "1 passed, 1 failed, 0 skipped" ]
	[[ $output == *"==== a.trs"*"the log"* ]]
}

@test "check: nothing ran is a failure, and so is a build that broke" {
	check_with '' 0
	[ "$status" -eq 1 ]
	[ "$last" = "0 passed, 0 failed, 0 skipped" ]
	check_with ':test-result: PASS a\n' 2
	[ "$status" -eq 1 ]
}

@test "table: passed, failed, skipped" {
	table $'talk\n1..3\nok 1 - boot\r\nnot ok 2 - fork # pid 0\nok 3 - smap # SKIP no SMAP here'
	[ "$status" -eq 1 ]
	[ "$last" = "1 passed, 1 failed, 1 skipped" ]
	[[ $output == *"fork      failed   pid 0"* ]]
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
