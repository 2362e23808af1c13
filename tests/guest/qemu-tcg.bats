#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The tiny guest on a machine that is not Umbra: QEMU TCG. What passes here and fails on Umbra is
# Umbra's. UMBRA_BUILD is the build folder (default: the current one).

setup() {
	build=${UMBRA_BUILD:-.}
	image=$build/guest/umbra-guest-amd64
	[ -e "$image" ] || skip "no guest image in $build"
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
}

# boot IMAGE CPUS COMMAND-LINE
boot() {
	run timeout "${LIMIT:-120}" qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 256 \
		-smp "$2" -kernel "$1" -append "$3" -display none -monitor none -serial stdio \
		-no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4
}

expect_all_passed() { # FIRST-LINE-PATTERN LAST-LINE
	printf '%s\n' "$output"
	[ "$status" -eq 33 ]
	# shellcheck disable=SC2053 # a pattern
	[[ "${lines[0]}" == $1 ]]
	# shellcheck disable=SC2053 # a pattern
	[[ "${lines[-1]//$'\r'/}" == $2 ]]
	! grep -q '^not ok' <<<"$output"
}

@test "multiboot, 1 cpu: the SMP scenarios are skipped" {
	boot "$image" 1 "cpus=1"
	expect_all_passed "*boot by multiboot, * 1 cpus*" "# * passed, 0 failed, * skipped"
}

@test "PVH, 1 cpu" {
	boot "$image.elf64" 1 "cpus=1"
	expect_all_passed "*boot by pvh, * 1 cpus*" "# * passed, 0 failed, * skipped"
}

@test "multiboot, 2 cpus" {
	boot "$image" 2 "cpus=2"
	expect_all_passed "*boot by multiboot, * 2 cpus*" "# * passed, 0 failed, 1 skipped"
	[[ "$output" == *"capture-device # SKIP no capture device"* ]]
}

@test "PVH, 4 cpus" {
	boot "$image.elf64" 4 "cpus=4 seed=7"
	expect_all_passed "*boot by pvh, * 4 cpus*" "# * passed, 0 failed, 1 skipped"
}

@test "scenarios are chosen by name, in the order given" {
	boot "$image" 1 "nonsense scenario=cow-fork,invlpg quiet"
	expect_all_passed "*1 cpus*" "# 2 passed, 0 failed, 0 skipped"
	[[ "$output" == *"ok 1 - cow-fork"*"ok 2 - invlpg"* ]]
}

@test "an unknown scenario fails" {
	boot "$image" 1 "scenario=no-such-thing"
	[ "$status" -eq 35 ]
	[[ "$output" == *"not ok 1 - no-such-thing # unknown scenario"* ]]
}

@test "a processor that does not exist is reported" {
	boot "$image" 1 "cpus=2"
	[ "$status" -eq 35 ]
	[[ "$output" == *"Bail out! cpu 1 did not start"* ]]
}

@test "crash-triple, -cr3, -selfmap and -idt end the machine without a report" {
	for name in triple cr3 selfmap idt; do
		LIMIT=20 boot "$image" 1 "scenario=crash-$name"
		[ "$status" -eq 0 ]
		! grep -q 'ok 1' <<<"$output"
	done
}

@test "crash-loop, hang and spin never end" {
	for name in crash-loop hang spin; do
		LIMIT=3 boot "$image" 1 "scenario=$name"
		[ "$status" -eq 124 ]
		! grep -q 'ok 1' <<<"$output"
	done
}
