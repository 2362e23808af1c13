#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# umbra-stress: scripts that are wrong, what a script stands for, what is told of a failure, and that
# nothing is left, whatever ends it.

load common

setup() {
	common_setup
	stress=$(realpath "${builddir:-$BATS_TEST_DIRNAME/../../build}/umbra-stress")
	need_image
	export UMBRA
	script=$files/s
}
teardown() {
	local p
	for p in $(of_stress); do kill -KILL "$p" 2>/dev/null || true; done
	common_teardown
}

of_stress() {
	grep -lzsxF "UMBRA_TEST=$UMBRA_TEST" /proc/[0-9]*/environ | while read -r f; do
		case $(cat "${f%/environ}/comm" 2>/dev/null) in *umbra-stress) basename "${f%/environ}" ;; esac
	done
}

# stress CODE WORDS...: it ends with CODE.
stress() {
	local code=$1
	shift
	status=0
	timeout -k 5 "${LIMIT:-300}" "$stress" "$@" >"$out" 2>"$err" </dev/null || status=$?
	said
	[ "$status" -eq "$code" ]
	nothing_left
	[ -z "$(of_stress)" ]
}

# wrong PLACE EXPECTED TEXT: a script that is refused at LINE:COLUMN.
wrong() {
	printf '%b' "$3" >"$script"
	stress 2 "$script"
	[ ! -s "$out" ]
	[ "$(wc -l <"$err")" -eq 1 ]
	[[ $(<"$err") == "umbra-stress: $script:$1: "*"$2"* ]]
}

# fake CODE SERIAL: a umbra that writes SERIAL and ends with CODE.
fake() {
	printf '%b' "$2" >"$files/serial"
	cat >"$files/umbra" <<-EOF
		#!/bin/sh
		case "\$*" in *--help*) exit 0 ;; esac
		echo "\$*" >>"$files/calls"
		cat "$files/serial"
		echo "umbra: what it says" >&2
		exit $1
	EOF
	chmod +x "$files/umbra"
	export UMBRA=$files/umbra
}

@test "scripts that are wrong: the place and what was expected, and nothing runs" {
	fake 0 ''
	wrong 2:1 'script is empty' '# nothing\n'
	wrong 2:1 'expected one of guest, engine' 'cpus = 1\ncpu = 1\n'
	wrong 1:6 "expected '='" 'cpus 1\n'
	wrong 1:8 'cpus: expected a number from 1 to 64' 'cpus = 0\n'
	wrong 1:11 'cpus: expected a number' 'cpus = 1, 65\n'
	wrong 1:10 'expected a comma' 'cpus = 1 2\n'
	wrong 1:10 'cpus: expected' 'cpus = 1,\n'
	wrong 3:1 'stands in this block already' 'cpus = 1\n\ncpus = 2\n'
	wrong 1:12 'timeout takes one value' 'timeout = 5, 6\n'
	wrong 1:11 'closing quote' 'append = "x\n'
	wrong 1:2 "a block's name" '[A]\n'
	wrong 1:3 "expected ']'" '[a\n'
	wrong 2:2 'block of this name' '[a]\n[a]\n'
	wrong 1:8 'seed: expected' 'seed = 9..1\n'
	wrong 1:7 'mmu: expected' 'mmu = unsync\n'
	wrong 1:9 'there is no image' 'guest = vax\n'
	wrong 1:12 "amd64 has no 'nonsense'" 'scenario = boot-tables+nonsense\n'
	wrong 1:1 'printable ASCII' '\001\n'
	[ ! -e "$files/calls" ]
}

@test "what only umbra knows is asked of it before anything runs" {
	wrong 2:7 "umbra does not take 'nonsense=off'" 'cpus = 1\nmmu = nonsense=off\n'
	wrong 1:10 "umbra does not take '1K'" 'memory = 1K\n'
	wrong 1:9 "umbra does not take 'cr3,nothing'" 'trace = "cr3,nothing"\n'
	wrong 1:9 'trace: expected off, or events' 'trace = cr3:/dev/null\n'
}

@test "long lines, garbage, a folder, more runs than can be" {
	fake 0 ''
	head -c 100000 /dev/zero | tr '\0' a >"$script"
	stress 2 "$script"
	head -c 100000 /dev/urandom >"$script"
	stress 2 "$script"
	stress 2 "$files"
	stress 2 "$files/none"
	printf 'seed = 1..900000\nrepeat = 100000\n' >"$script"
	stress 2 "$script"
	grep -q 'more runs than' "$err"
	[ ! -e "$files/calls" ]
}

@test "lists multiply; the same seed, the same runs; parts are the whole" {
	fake 0 ''
	printf 'cpus = 1, 2\nengine = soft, kvm\nseed = 1..2, random:2\n[b]\nrepeat = 3\n' >"$script"
	stress 0 --list --seed 7 "$script"
	[ "$(wc -l <"$out")" -eq 19 ]
	[ "$(sort -u "$out" | wc -l)" -eq 19 ]
	cp "$out" "$files/whole"
	stress 0 --list --seed 7 "$script"
	cmp "$out" "$files/whole"
	stress 0 --list --seed 8 "$script"
	run ! cmp -s "$out" "$files/whole"
	for i in 1 2 3; do
		stress 0 --list --seed 7 --shard $i/3 "$script"
		cat "$out" >>"$files/parts"
	done
	cmp <(sort "$files/parts") <(sort "$files/whole")
	[ ! -e "$files/calls" ]
}

@test "a line of the list is the run" {
	printf "scenario = invlpg+alias\nengine = soft\nappend = \"it's quiet\"\nseed = 5\n" >"$script"
	stress 0 --list "$script"
	eval "set -- $(cut -d' ' -f3- "$out")"
	ends 0 "$@"
	grep -q '^ok 2 - alias' "$out"
}

@test "a failure: its line, its files, the exit code" {
	fake 1 '1..2\nok 1 - a\nnot ok 2 - b # 7 is not 8\n'
	printf 'cpus = 1, 2\nseed = 3\n' >"$script"
	stress 1 --out "$files/out" "$script"
	grep -q '^run 0 failed (exit code 1): umbra run .*--cpus 1 .*--seed 3' "$out"
	grep -q 'serial: not ok 2 - b' "$out"
	grep -q 'log: umbra: what it says' "$out"
	[ "$(tail -n 1 "$out" | cut -d: -f2)" = " 0 passed, 2 failed" ]
	grep -q 'audit: there was no audit' "$out"
	[ "$(ls "$files/out/run-1")" = "$(printf 'audit\ncommand\nlog\nserial')" ]
	python3 -c 'import json,sys
rows=[json.loads(l) for l in open(sys.argv[1])]
assert [r["run"] for r in rows] == [0, 1]
assert all(r["scenarios_failed"] == ["b"] and r["end"] == "failed" for r in rows)' "$files/out/runs.jsonl"
}

# kept NUMBER AUDIT: all that a run leaves is in its folder, told with it, and readable; the newest records
# are whole lines of one order, which end where the run did.
kept() {
	local run=$files/out/run-$1
	[ "$(ls "$run")" = "$(printf 'audit\ncommand\nlog\nresult\nserial\ntrace')" ]
	[ "$(head -n 1 "$run/audit")" = "$2" ]
	grep -qF "audit: $2" "$out"
	grep -qxF "$(grep "^run $1 " "$out" | cut -d: -f2-)" <(sed 's/^/ /' "$run/command")
	[ "$(wc -l <"$run/trace")" -ge 100 ]
	! grep -vE '^ *[0-9]+\.[0-9]{9} (vcpu[0-9]+|others) +[a-z0-9_]+ ' "$run/trace" || return 1
	sort -c -s -n -k 1,1 "$run/trace"
	grep -qF "    trace: $(tail -n 1 "$run/trace")" "$out"
}

# again NUMBER CODE: its line does the same again, to the byte.
again() {
	local run=$files/out/run-$1 code=$2
	eval "set -- $(cut -d' ' -f3- "$run/command")"
	ends "$code" "$@"
	cmp "$out" "$run/serial"
}

@test "a guest that fails, one that panics, one that crashes, one that has no end: what is left of each" {
	cat >"$script" <<-EOF
		engine = soft
		cpus = 1
		scenario = file-map
		append = "mutant=truncate-no-flush"
		tlb = adversarial
		seed = 1
		[panic]
		engine = soft
		cpus = 1
		scenario = rmap
		append = "mutant=anon-no-ref"
		tlb = adversarial
		seed = 1
		[crash]
		engine = soft
		cpus = 1
		scenario = crash-triple
		seed = 1
		[endless]
		engine = soft
		cpus = 2
		scenario = spin
		seed = 1
		timeout = 5
	EOF
	stress 1 --out "$files/out" "$script"
	for i in 0 1 2 3; do kept $i 'the audit found nothing wrong'; done
	grep -q '^not ok 1 - file-map' "$files/out/run-0/serial"
	grep -q 'panic: ' "$files/out/run-1/serial"
	grep -q 'triple fault' "$files/out/run-2/log"
	grep -q '^run 3 timeout (exit code 124)' "$out"
	grep -q 'no result after 5 s' "$files/out/run-3/log"
	grep -q ' hidden_fault ' "$files/out/run-0/trace"
	again 0 1
	again 1 1
	again 2 4
}

@test "a shadow that is wrong: the audit's report" {
	export UMBRA=${builddir:-$BATS_TEST_DIRNAME/../../build}/tests/guest/umbra-mutants
	UMBRA=$(realpath "$UMBRA")
	[ -x "$UMBRA" ] || skip "no umbra-mutants"
	printf 'engine = soft\ntlb = adversarial\nscenario = large-pages\nseed = 1..4\n' >"$script"
	UMBRA_MUTANT=track-no-split stress 1 --out "$files/out" "$script"
	local run=$files/out/run-0 n
	n=$(sed -n '1s/^the audit found \([0-9]*\) violations$/\1/p' "$run/audit")
	[ "$n" -ge 1 ]
	sed -n 2,3p "$run/audit" | grep -qE ': table 0x[0-9a-f]+ entry 0x[0-9a-f]+ value 0x|value 0x'
	kept 0 "the audit found $n violations"
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert r["audit_violations"] == int(sys.argv[2]) and 1 <= len(r["audit_report"]) <= int(sys.argv[2]), r' \
		"$run/result" "$n"
}

two_runs() { [ "$(machines | wc -w)" -eq 2 ]; }

# One gets a signal that it can't heed, one stands still and heeds nothing, its timeout included.
@test "a monitor that is killed, or hangs, leaves a trace too" {
	printf 'engine = soft\nscenario = bench-fork+bench-fork+spin\nseed = 1..2\ntimeout = 20\nappend = "now"\n' >"$script"
	"$stress" --jobs 2 --out "$files/out" "$script" >"$out" 2>"$err" </dev/null 3>&- &
	pid=$!
	until_true 60 two_runs
	sleep 3
	# shellcheck disable=SC2046 # words
	set -- $(machines)
	kill -KILL "$1"
	kill -STOP "$2"
	ended 1 60
	[ "$(grep -c '^run [01] killed (exit code -9): ' "$out")" -eq 2 ]
	for i in 0 1; do
		run=$files/out/run-$i
		[ "$(ls "$run")" = "$(printf 'audit\ncommand\nlog\nserial\ntrace')" ]
		[ "$(cat "$run/audit")" = "there was no audit: umbra ended before it" ]
		[ "$(wc -l <"$run/trace")" -ge 100 ]
		grep -q ' hidden_fault ' "$run/trace"
	done
}

@test "which events are kept, and none" {
	printf 'engine = soft\ncpus = 1\nscenario = crash-triple\nseed = 1\ntrace = "*_fault"\n[off]\nengine = soft\nscenario = crash-triple\ntrace = off\n' >"$script"
	stress 1 --out "$files/out" "$script"
	[ -s "$files/out/run-0/trace" ]
	! grep -v '_fault ' "$files/out/run-0/trace" || return 1
	[ ! -e "$files/out/run-1/trace" ]
}

@test "what the script expects is no failure" {
	fake 4 ''
	printf 'expect = crash\n' >"$script"
	stress 0 "$script"
	printf 'expect = any\n' >"$script"
	stress 0 "$script"
	fake 3 ''
	stress 1 "$script"
	sed -i 's/^exit.*/kill -SEGV $$/' "$files/umbra"
	stress 1 "$script"
	grep -q '^run 0 killed (exit code -11)' "$out"
}

@test "so many at a time, for so long" {
	fake 0 ''
	sed -i 's/^cat/sleep 1; cat/' "$files/umbra"
	printf 'seed = 1..1000\n' >"$script"
	stress 0 --jobs 4 --time 2 "$script"
	[ "$(wc -l <"$files/calls")" -ge 4 ]
	grep -q 'runs were not begun$' "$out"
}

some_run() { [ -n "$(machines)" ]; }

@test "ended by a signal: no machine is left" {
	printf 'engine = soft\nscenario = spin\n' >"$script"
	for sig in TERM INT; do
		"$stress" --jobs 2 "$script" >"$out" 2>"$err" </dev/null 3>&- &
		pid=$!
		until_true 120 some_run
		kill "-$sig" "$pid"
		ended 1 60
	done
}

@test "the smoke script" {
	LIMIT=900 stress 0 --jobs 2 --time 120 --seed 1 "${srcdir:-$BATS_TEST_DIRNAME/../..}/tests/stress/smoke.stress"
	[[ $(tail -n 1 "$out") == *" 0 failed" ]]
}
