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
	timeout -k 5 "${LIMIT:-60}" "$stress" "$@" >"$out" 2>"$err" </dev/null || status=$?
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
	[ "$(ls "$files/out/run-1")" = "$(printf 'command\nlog\nserial')" ]
	python3 -c 'import json,sys
rows=[json.loads(l) for l in open(sys.argv[1])]
assert [r["run"] for r in rows] == [0, 1]
assert all(r["scenarios_failed"] == ["b"] and r["end"] == "failed" for r in rows)' "$files/out/runs.jsonl"
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
		until_true 30 some_run
		kill "-$sig" "$pid"
		ended 1 20
	done
}

@test "the smoke script" {
	LIMIT=400 stress 0 --jobs 2 --time 120 --seed 1 "${srcdir:-$BATS_TEST_DIRNAME/../..}/tests/stress/smoke.stress"
	[[ $(tail -n 1 "$out") == *" 0 failed" ]]
}
