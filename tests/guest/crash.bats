#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Guests that run wild: each ends as the manual says, in time, and nothing is left behind.

load common

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

# The guest crashed, and the report has what is needed to see why. A shadow table that the audit
# found wrong is a crash too, but never the guest's fault.
reported() {
	grep -q '^umbra: guest crashed: ' "$err"
	grep -qE '^RIP=[0-9a-f]{16} ' "$err"
	grep -qE '\bCR3=[0-9a-f]{16}\b' "$err"
	grep -qE '^guest walk of 0x[0-9a-f]+: ' "$err"
	blameless
}
blameless() { ! grep -E 'the audit found|leaked|bug of Umbra' "$err" || return 1; }
crashes() {
	LIMIT=90 ends 4 --timeout 80 "$@"
	reported
}

# One case of hostile.py, with $limit seconds (5) where the end may be that of --timeout:
# wild "CODES" NAME [WORDS...] ends with one of the exit codes.
wild() {
	local codes=$1 name=$2 limit=${limit-}
	shift 2
	# What must end by itself may take its time on a busy host.
	[[ $codes == *124* ]] || limit=80
	python3 -B "$BATS_TEST_DIRNAME/hostile.py" "$name" "$files/$name"
	status=0
	timeout -k 5 90 "$UMBRA" run --exact off --timeout "${limit:-5}" "$@" "$files/$name" >"$out" 2>"$err" </dev/null ||
		status=$?
	echo "$name"
	said
	[[ " $codes " == *" $status "* ]]
	[ "$status" -ne 124 ] || grep -q '^umbra: no result after ' "$err"
	[ "$status" -ne 4 ] || reported
	blameless
	nothing_left
}

@test "crash-triple: a triple fault" {
	crashes --scenario crash-triple
	grep -q 'triple fault' "$err"
}

@test "crash-cr3: CR3 outside RAM" { crashes --scenario crash-cr3; }
@test "crash-selfmap: tables that point at themselves" { crashes --scenario crash-selfmap; }
@test "crash-idt: an unmapped IDT" { crashes --scenario crash-idt; }

@test "crash-loop: endless faults" {
	crashes --scenario crash-loop
	grep -q 'endless faults' "$err"
}

@test "crashes on 4 cpus, with few tables, without techniques" {
	for name in triple cr3 selfmap idt loop; do
		crashes --cpus 4 --scenario "crash-$name"
		crashes --lowmem 0 --shadow-limit 1M --mmu-option flood=off --mmu-option rootcache=off \
			--scenario "crash-$name"
	done
}

@test "a crash in --result" {
	crashes --scenario crash-cr3 --result "$files/result"
	grep -q '"verdict": *"crash"' "$files/result"
	grep -q '"exit_code": *4' "$files/result"
}

@test "hang and spin: --timeout ends them, 124" {
	for name in hang spin; do
		before=$SECONDS
		LIMIT=90 ends 124 --timeout 2 --scenario "$name"
		[ $((SECONDS - before)) -le 20 ]
		grep -qx 'umbra: no result after 2 s' "$err"
	done
	LIMIT=90 ends 124 --cpus 4 --timeout 2 --scenario spin
}

@test "SIGINT, SIGTERM and SIGHUP: quit, at once, exit code 0" {
	for signal in INT TERM HUP; do
		start --scenario spin
		until_true 60 guest_is_up
		kill "-$signal" "$pid"
		ended 0 20
	done
}

@test "a signal before the guest runs, or while it is paused" {
	start -S --scenario spin
	until_true 60 test -S "$socket"
	kill -TERM "$pid"
	ended 0 20
}

@test "a signal with four busy CPUs" {
	start --cpus 4
	until_true 60 guest_is_up
	sleep 0.2
	kill -INT "$pid"
	ended 0 20
}

@test "a reader that goes away does not stop the machine" {
	status=0
	timeout -k 5 60 bash -c '"$1" run --scenario cow-fork 2>"$2" | :; exit "${PIPESTATUS[0]}"' - \
		"$UMBRA" "$err" </dev/null || status=$?
	[ "$status" -eq 0 ]
	nothing_left
}

@test "--exit raw passes the guest's value through" {
	LIMIT=90 ends 33 --exit raw --scenario boot-tables # 0x10: passed
	LIMIT=90 ends 35 --exit raw --scenario no-such-thing # 0x11: failed
	wild 0 exit-00
	wild 1 exit-2a
	wild 85 exit-2a --exit raw
}

@test "hostile: CR3 outside RAM, with reserved bits, in device memory" {
	wild 4 cr3-outside
	wild 4 cr3-reserved
	wild "4 124" cr3-device
}

@test "hostile: tables that point at themselves, outside RAM, at devices" {
	wild "4 124" tables-self
	wild "4 124" tables-self-large
	wild 4 tables-outside
	wild "4 124" tables-device
	wild 4 tables-reserved
}

@test "hostile: bad IDT, GDT and stack" {
	wild 4 idt-outside
	wild 4 idt-noncanonical
	wild 4 idt-garbage
	wild 4 gdt-garbage
	wild 4 stack-unmapped
	wild 4 stack-noncanonical
}

@test "hostile: bad jumps, and code that runs off the end of RAM" {
	wild 4 jump-noncanonical
	wild 4 jump-unmapped
	wild "4 124" run-off-ram
	wild "4 124" jump-device
}

@test "hostile: the upper half's first slot, which the monitor needs itself" {
	wild 0 slot256-data
	wild 0 slot256-code
}

@test "hostile: writes all over device memory and ports" {
	wild "0 4 124" device-writes
	wild "0 4 124" port-writes
}

@test "hostile: paging modes that are not there" {
	limit=2 # in these two it may well go on for ever
	wild "3 4 124" paging-32
	wild "3 4 124" paging-pae
	wild 4 paging-la57
	wild "3 4 124" real-mode
}

@test "hostile: the guest rewrites its tables while it runs on them" {
	wild "4 124" table-noise
}

@test "hostile: random instructions" {
	for seed in 1 2 3 4 5 6; do
		wild "0 1 4 124" "garbage-$seed"
	done
}
