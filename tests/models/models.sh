#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the spin models of this folder, one TAP case each: a model is searched exhaustively and must
# hold, with every statement reached (where parties of all kinds are in it), so that it can't pass by
# doing nothing; and each of its bugs must be found. SPIN and CC may name the programs.
set -uo pipefail

srcdir=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
spin=${SPIN:-spin}
cc=${CC:-cc}

# model, what it is to show, its variants without a bug (flags, | between them), number of bugs
models=(
	"shootdown|no vCPU uses what was flushed, nobody waits for ever||4"
	"generation|no vCPU uses what one it may have missed took away||4"
	"track|no write is lost when a frame becomes a table||3"
	"defer|nobody stands in a table that is reused||3"
	"unsync|what is out of step is known to be||3"
	"share|a shared table is put once|-DZAPS=1 -DCOPIES=1,-DZAPS=2 -DCOPIES=0,-DZAPS=0 -DCOPIES=2,-DZAPS=3 -DCOPIES=0,-DZAPS=2 -DCOPIES=1,-DZAPS=1 -DCOPIES=2,-DZAPS=0 -DCOPIES=3|3"
	"window|a slot shows its frame||3"
)

plan() {
	local m flags bugs n=0 variants
	for m in "${models[@]}"; do
		IFS='|' read -r _ _ flags bugs <<<"$m"
		IFS=, read -ra variants <<<"$flags"
		n=$((n + (${#variants[@]} ? ${#variants[@]} : 1) + bugs))
	done
	echo "1..$n"
}

# search MODEL FLAGS: prints pan's report. False if there is none.
search() (
	dir=$(mktemp -d) || exit 1
	trap 'rm -rf "$dir"' EXIT
	cd "$dir" || exit 1
	# shellcheck disable=SC2086 # flags are words
	$spin $2 -a "$srcdir/tests/models/$1.pml" >spin.out 2>&1 || { cat spin.out; exit 1; }
	$cc -O0 -w -DSAFETY -o pan pan.c >cc.out 2>&1 || { cat cc.out; exit 1; }
	timeout 120 ./pan -w18 -m200000 2>&1
)

number=0
# report RESULT TEXT OUTPUT
report() {
	number=$((number + 1))
	[[ $1 == ok ]] || sed 's/^/# /' <<<"$3"
	echo "$1 $number - $2"
}

states() { grep -oE '[0-9]+ states, stored' <<<"$1" | cut -d' ' -f1; }

# Statements that no state reached.
unreached() { grep -E '\.pml:[0-9]+, state' <<<"$1" | grep -v '"-end-"'; }

must_hold() {
	local out
	out=$(search "$1" "$3")
	if [[ $3 != *=0* ]] && unreached "$out" >/dev/null; then
		report "not ok" "$1${3:+ $3}: every statement is reached" "$out"
	elif grep -q 'errors: 0' <<<"$out" && ! grep -qE 'search depth too small|out of memory|not completed' <<<"$out"; then
		report ok "$1${3:+ $3}: $2, in all of $(states "$out") states" ""
	else
		report "not ok" "$1${3:+ $3}: $2" "$out"
	fi
}

must_fail() {
	local out why
	out=$(search "$1" "-DBUG=$2")
	why=$(grep -oE '^pan:[0-9]+: (assertion violated|invalid end state).*' <<<"$out")
	if [[ -n $why ]]; then
		report ok "$1: bug $2 is found: ${why#*: }" ""
	else
		report "not ok" "$1: bug $2 is found" "$out"
	fi
}

command -v "$spin" >/dev/null || { echo "1..0 # SKIP spin is not installed (apt-get install spin)"; exit 0; }
command -v "${cc%% *}" >/dev/null || { echo "1..0 # SKIP no C compiler"; exit 0; }
plan
for m in "${models[@]}"; do
	IFS='|' read -r name what flags bugs <<<"$m"
	IFS=, read -ra variants <<<"$flags"
	for v in "${variants[@]:-}"; do
		must_hold "$name" "$what" "$v"
	done
	for ((b = 1; b <= bugs; b++)); do
		must_fail "$name" "$b"
	done
done
