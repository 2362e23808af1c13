#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The small kernels that look closely at their processor, on every engine, against what `umbra doctor`
# says of this host. What must hold:
#   soft, and kvm with --exact on          every kernel is content
#   kvm with --exact off                   a kernel is content if doctor calls exact all it looks at;
#                                          where one reads IF or selectors that are not, it is not
#   auto                                   as the engine it takes; content with what is exact or interpreted
#   any                                    a kernel that runs off into garbage ends, or runs until it is
#                                          ended, and the audit has nothing to say
#   CPUID                                  shows the same on all of them, at CPL 0 and at CPL 3
# The outcomes stand in a table at the end. TAP, from make check.
# Read first: exact.py, hostile.py. Read next: vmm/doctor_verdict.c.
set -uo pipefail

srcdir=${srcdir:-$(dirname "$0")/../..}
builddir=${builddir:-$srcdir/build}
UMBRA=$(realpath "${UMBRA:-$builddir/umbra}")
tmp=$(mktemp -d)
export XDG_RUNTIME_DIR=$tmp
trap 'rm -rf "$tmp"' EXIT
no_kvm=$(python3 -B "$srcdir/tests/guest/kvm-works.py") || no_kvm=${no_kvm:-no python3}
engines=(soft adversarial kvm-on kvm-off auto)

# What a kernel looks at, in doctor's words; no line means nothing but memory and exceptions.
looks_at() {
	case $1 in
	flags) echo "IF by POPF and PUSHF" ;;
	selectors) echo "selectors" ;;
	cpuid | cpuid-shown) echo "CPUID" ;;
	int-n) echo "INT n" ;;
	esac
}
# Not exact is a promise of failure where what doctor measured is what the kernel compares.
must_fail() { [[ $1 == flags || $1 == selectors ]]; }

words() {
	case $1 in
	soft) echo "--cpu soft" ;;
	adversarial) echo "--cpu soft --tlb adversarial --seed 3" ;;
	kvm-on) echo "--cpu kvm --exact on" ;;
	kvm-off) echo "--cpu kvm --exact off" ;;
	auto) echo "" ;;
	esac
}

# doctor KEY: of its conclusions; "" where it has none.
doctor() {
	python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["conclusions"].get(sys.argv[2], ""))' "$tmp/doctor" "$1"
}
is_exact() { [[ ", $exact, " == *", $1, "* ]]; }

# expected KERNEL ENGINE: pass, fail or any.
expected() {
	local what
	what=$(looks_at "$1")
	if [[ $1 == garbage-* ]]; then
		echo tame
	elif [[ $1 == la57 ]]; then # KVM has no five levels at CPL 3 unless the host has
		[[ $2 == kvm-* || ($2 == auto && $taken != soft) ]] && echo any || echo pass
	elif [[ $2 != kvm-off || -z $what ]] || is_exact "$what"; then
		echo pass
	elif must_fail "$1"; then
		echo fail
	else
		echo any
	fi
}

# run KERNEL ENGINE: sets $got to pass, or to fail and the exit code.
run() {
	local status=0 limit=20
	[[ $1 != garbage-* ]] || limit=2
	# shellcheck disable=SC2046 # words
	timeout -k 5 30 "$UMBRA" run --timeout $limit $(words "$2") "$tmp/kernel" >"$tmp/out" 2>&1 \
		</dev/null || status=$?
	got=pass
	[[ $status -eq 0 ]] || got="fail($status)"
	[[ $1 != cpuid-shown ]] || tr -d '\r' <"$tmp/out" | grep -E '^([0-9a-f]{8} ){4}$' >"$tmp/shown.$2"
	if [[ $1 == garbage-* ]]; then
		[[ " 0 1 4 124 " == *" $status "* ]] && ! grep -qaE 'the audit found|leaked' "$tmp/out" &&
			got="tame($status)"
	fi
}

can() { [[ $1 != kvm-* || -z $no_kvm ]]; }

if ! timeout 60 "$UMBRA" doctor --json >"$tmp/doctor" 2>/dev/null; then
	echo "1..1"
	echo "not ok 1 - umbra doctor --json"
	exit 0
fi
exact=$(doctor exact) taken=$(doctor engine)
taken=${taken%%[,:]*}
kernels=()
for k in $(python3 -B "$srcdir/tests/guest/exact.py" --list); do kernels+=("exact:$k"); done
kernels+=(hostile:slot256-data hostile:slot256-code hostile:garbage-1
	hostile:garbage-2 hostile:garbage-3 hostile:garbage-4)
echo "1..$((${#kernels[@]} * ${#engines[@]} + ${#engines[@]}))"
table=
n=0
for k in "${kernels[@]}"; do
	name=${k#*:}
	python3 -B "$srcdir/tests/guest/${k%%:*}.py" "$name" "$tmp/kernel"
	line=$(printf '%-18s' "$name")
	for engine in "${engines[@]}"; do
		n=$((n + 1))
		if ! can "$engine"; then
			echo "ok $n - $name on $engine # SKIP $no_kvm"
			line+=$(printf ' %-12s' -)
			continue
		fi
		want=$(expected "$name" "$engine")
		run "$name" "$engine"
		line+=$(printf ' %-12s' "$got")
		if [[ $want == any || ${got%%(*} == "$want" ]]; then
			echo "ok $n - $name on $engine: $got$([[ $want != any ]] || echo ", nothing promised")"
		else
			head -n 1 "$tmp/out" | tr -d '\r' | sed 's/^/# /'
			echo "not ok $n - $name on $engine: $got, doctor promises $want"
		fi
	done
	table+="# $line"$'\n'
done
# What is shown is soft's, less what only some engines can (vmm/engine.h, CAN_), to kernel and user alike.
for engine in "${engines[@]}"; do
	n=$((n + 1))
	if ! can "$engine"; then
		echo "ok $n - what CPUID shows on $engine # SKIP $kvm can't be opened"
	elif [[ $engine == kvm-off ]] && ! is_exact CPUID; then
		echo "ok $n - what CPUID shows on $engine # SKIP the host's, as doctor says"
	elif why=$(python3 -B "$srcdir/tests/guest/cpuid-same.py" "$tmp/shown.soft" "$tmp/shown.$engine"); then
		echo "ok $n - what CPUID shows on $engine: $why"
	else
		echo "not ok $n - what CPUID shows on $engine: $why"
	fi
done
printf '# %-18s' kernel
printf ' %-12s' "${engines[@]}"
printf '\n%s' "$table"
echo "# doctor: auto takes $taken; exact: ${exact:-nothing said}"
