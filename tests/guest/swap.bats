#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Our own devices and what the guest does with them: swap, drivers' areas. Each deliberate bug of the
# guest that docs/hazards.md names for them is found by its scenario. In turns, so that each run is the
# same every time.

load common

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

all=swap,swap-fork,swap-clock,swap-pin,swap-oom,smp-swap,dma-table,reserved,reserved-fork,reserved-oom,remap-fail
all=$all,capture-reclaim,capture-device

# guest OPTION...: runs to its end; its output is in $out.
guest() {
	status=0
	timeout 170 "$UMBRA" run --cpu soft --cpus 2 --soft-threads off --timeout 160 "$@" \
		>"$out" 2>"$err" || status=$?
	cat "$out" "$err"
}

# noticed MUTANT SCENARIO: it fails with the bug and passes without.
noticed() {
	guest --scenario "$2"
	[ "$status" -eq 0 ]
	guest --scenario "$2" --append "mutant=$1"
	[ "$status" -ne 0 ]
	grep -qE "^not ok 1 - $2|^# panic" "$out"
}

@test "all scenarios, in turns and by threads" {
	guest --scenario "$all"
	[ "$status" -eq 0 ]
	grep -q '^# swap device: ' "$out"
	grep -q ' 0 failed, 0 skipped' "$out"
	guest --scenario "$all" --soft-threads on
	[ "$status" -eq 0 ]
}

@test "two runs of one seed are the same" {
	guest --scenario "$all" --seed 5
	cp "$out" "$files/first"
	[ "$status" -eq 0 ]
	guest --scenario "$all" --seed 5
	diff "$files/first" "$out"
}

@test "without the device: the RAM disk" {
	guest --scenario "$all" --swap 0
	[ "$status" -eq 0 ]
	grep -q '^# RAM disk: ' "$out"
	! grep -q '^# swap device: ' "$out"
}

@test "a device that is too small: who wants a page ends" {
	guest --scenario swap --swap 64K
	[ "$status" -eq 1 ]
	grep -q '^not ok 1 - swap # killed by vector 512' "$out"
}

@test "free frames are not mapped meanwhile" {
	guest --scenario "$all" --append pagealloc=4k
	[ "$status" -eq 0 ]
}

@test "on KVM" {
	need_kvm
	timeout 170 "$UMBRA" run --cpu kvm --cpus 2 --timeout 160 --scenario "$all" >"$out" 2>"$err"
	grep -q ' 0 failed, 0 skipped' "$out"
}

@test "mutant reclaim-reserved" { noticed reclaim-reserved capture-reclaim; }
@test "mutant reclaim-trusts" { noticed reclaim-trusts swap-fork; }
@test "mutant reserved-puts" { noticed reserved-puts reserved-fork; }
@test "mutant remap-leaves-part" { noticed remap-leaves-part remap-fail; }
@test "mutant reserved-grows" { noticed reserved-grows reserved; }
@test "mutant dump-reads-reserved" { noticed dump-reads-reserved reserved; }
@test "mutant swap-no-flush" { noticed swap-no-flush smp-swap; }
@test "mutant reclaim-a-unflushed" { noticed reclaim-a-unflushed swap-clock; }
@test "mutant reclaim-pinned" { noticed reclaim-pinned swap-pin; }
@test "mutant swap-copy-uncounted" { noticed swap-copy-uncounted swap-fork; }
@test "mutant swap-slot-leaks" { noticed swap-slot-leaks swap; }
