#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# umbra-ref: the guest's scenarios on QEMU through libvirt beside Umbra; the table; and that nothing is
# left, whatever ends it.

load common

setup() {
	common_setup
	ref=$(realpath "${builddir:-$BATS_TEST_DIRNAME/../../build}/umbra-ref")
	need_image
	export UMBRA
	# Short, for libvirt's sockets; by it QEMU is known, to which libvirt gives no environment.
	TMPDIR=$(mktemp -d /tmp/urt-XXXXXX)
}
teardown() {
	local p
	for p in $(of_ref); do kill -KILL "$p" 2>/dev/null || true; done
	common_teardown
	rm -rf "$TMPDIR"
}

# compare CODE WORDS...: umbra-ref ends with CODE; its table is in $out.
compare() {
	local code=$1
	shift
	status=0
	timeout -k 5 "${LIMIT:-600}" "$ref" "$@" >"$out" 2>"$err" </dev/null || status=$?
	said
	[ "$status" -eq "$code" ]
	nothing_left
	[ -z "$(of_ref)" ]
}

# of_ref: the processes of this test's umbra-ref, QEMU among them.
of_ref() {
	grep -lzsxF "TMPDIR=$TMPDIR" /proc/[0-9]*/environ | while read -r f; do
		case $(cat "${f%/environ}/comm" 2>/dev/null) in *umbra-ref) basename "${f%/environ}" ;; esac
	done
	of_qemu
}
of_qemu() { grep -lzs "${TMPDIR}[/]" /proc/[0-9]*/cmdline | cut -d/ -f3; } # not grep itself

# fake SERIAL-OF-KVM SERIAL-OF-SOFT: a umbra that only writes a serial file, by the engine asked for.
fake() {
	printf '%b' "$1" >"$files/kvm"
	printf '%b' "$2" >"$files/soft"
	cat >"$files/umbra" <<-EOF
		#!/bin/sh
		while [ \$# -gt 0 ]; do
			case \$1 in
			--cpu) engine=\$2 ;;
			--serial) serial=\${2#file:} ;;
			esac
			shift
		done
		cat "$files/\$engine" >"\$serial"
	EOF
	chmod +x "$files/umbra"
	export UMBRA=$files/umbra
}

# QEMU through libvirt works here, or the reason why it is not tried.
need_virt() {
	timeout 200 "$ref" --machine qemu-tcg --cpus 1 --scenario invlpg >"$out" 2>"$err" ||
		skip "$(grep -h 'qemu-tcg: \|machines is here' "$out" "$err" | head -n 1)"
}

@test "wrong words: one line, exit code 2" {
	local words
	for words in "--machine vax" "--cpus 0" "--cpus 1,,2" "--memory much" "--bogus" "x"; do
		# shellcheck disable=SC2086 # words
		compare 2 $words
		[ "$(wc -l <"$err")" -eq 1 ]
		[ ! -s "$out" ]
	done
}

@test "an image that does not exist, a folder that cannot be" {
	compare 3 --guest vax
	grep -q 'no such guest image' "$err"
	compare 3 --keep /proc/nowhere --machine umbra-soft
	compare 3 --json /proc/nowhere --machine umbra-soft
}

@test "machines that agree" {
	fake '1..2\nok 1 - a\nok 2 - b # 3 cycles\n' 'noise\n1..2\nok 1 - a\r\nok 2 - b\n'
	compare 0 --machine umbra-kvm,umbra-soft --json "$files/json"
	grep -q '^2 scenarios, 0 failed, 0 different' "$out"
	[ "$(wc -l <"$files/json")" -eq 2 ]
	python3 -c 'import json,sys
for line in open(sys.argv[1]):
    assert json.loads(line)["results"] == {"a": "ok", "b": "ok"}' "$files/json"
}

@test "a scenario that only one machine passes is marked" {
	fake '1..2\nok 1 - a\nok 2 - b\n' '1..2\nok 1 - a\nnot ok 2 - b # 7 is not 8\n'
	compare 1 --machine umbra-kvm,umbra-soft
	grep -qE '^\* b +ok +FAIL +7 is not 8$' "$out"
	grep -q '^2 scenarios, 1 failed, 1 different' "$out"
}

@test "one that both fail is no difference, one that a machine skips neither" {
	fake '1..2\nnot ok 1 - a\nok 2 - b\n' '1..2\nnot ok 1 - a\nok 2 - b # SKIP no device\n'
	compare 1 --machine umbra-kvm,umbra-soft
	grep -qE '^! a +FAIL +FAIL' "$out"
	grep -qE '^  b +ok +skip +SKIP no device$' "$out"
	grep -q '^2 scenarios, 1 failed, 0 different' "$out"
}

@test "output that is cut off, or of a guest that bails out" {
	fake '1..2\nok 1 - a\n' '1..1\nok 1 - a\nBail out! no frames\n'
	compare 1 --machine umbra-kvm,umbra-soft
	grep -qE '^  \(output\) +cut off +cut off' "$out"
}

@test "a serial line full of garbage" {
	fake '1..1\nok 1 - a\n' ''
	{
		echo 1..99999999999999999999
		head -c 300000 /dev/zero | tr '\0' 'A'
		printf '\nok 1 - \033[2J\001%0900d # %0900d\n' 1 2
		head -c 100000 /dev/urandom
		yes 'ok 7 - again' | head -n 5000
	} >"$files/soft"
	compare 1 --machine umbra-kvm,umbra-soft
	run ! grep -q $'\033' "$out"
	[ "$(wc -c <"$out")" -lt 40000 ]
}

@test "a machine that is not here says why; none at all is exit code 3" {
	export UMBRA_KVM_DEVICE=/nonexistent
	compare 0 --machine umbra-kvm,umbra-soft --scenario invlpg
	grep -q '^  umbra-kvm: umbra: .*/nonexistent' "$out"
	compare 3 --machine umbra-kvm --scenario invlpg
	UMBRA=$files/nothing compare 3 --machine umbra-soft
}

@test "QEMU and Umbra: no difference" {
	need_virt
	compare 0 --machine qemu-tcg,umbra-soft --cpus 1,2 "${few[@]}"
	[ "$(grep -c ' 0 failed, 0 different' "$out")" -eq 2 ]
	grep -qE '^  \(output\) +whole +whole' "$out"
}

@test "the other images on QEMU and Umbra" {
	need_virt
	[ -e "$UMBRA_GUEST_DIR/umbra-guest-pae" ] || skip "no 32-bit images"
	compare 0 --machine qemu-tcg,umbra-soft --guest la57,pae,i386 --cpus 2
	[ "$(grep -c ' 0 failed, 0 different' "$out")" -eq 3 ]
}

@test "a guest that never ends is ended" {
	need_virt
	compare 1 --machine qemu-tcg,umbra-soft --scenario spin --timeout 2
	grep -qE '^  \(output\) +timeout +timeout' "$out"
}

# ended_by SIGNAL WHO: by then QEMU runs.
all_gone() { [ -z "$(of_ref)" ]; }
qemu_runs() { [ -n "$(of_qemu)" ]; }
ended_by() {
	until_true 120 qemu_runs
	kill "-$1" "$2"
	until_true 60 gone "$pid"
	status=0
	wait "$pid" || status=$?
	pid=
	[ "$status" -ne 0 ]
	nothing_left
	[ -z "$(of_ref)" ]
}
endless() {
	"$ref" --machine qemu-tcg --scenario spin >"$out" 2>"$err" </dev/null 3>&- &
	pid=$!
}

@test "ended by a signal, or its worker killed: nothing is left" {
	need_virt
	local sig
	for sig in TERM INT; do
		endless
		ended_by "$sig" "$pid"
	done
	endless
	until_true 120 qemu_runs
	ended_by KILL "$(of_ref | grep -vxF -e "$pid" -e "$(of_qemu)" | head -n 1)"
}

@test "killed itself: its worker leaves nothing" {
	need_virt
	endless
	until_true 120 qemu_runs
	kill -KILL "$pid"
	wait "$pid" || true
	pid=
	until_true 60 all_gone
	until_true 30 nothing_left
}
