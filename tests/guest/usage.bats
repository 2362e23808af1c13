#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# umbra's command line: every refusal is one line and the right exit code; help is complete.

setup() {
	: "${UMBRA:=$BATS_TEST_DIRNAME/../../build/umbra}"
	: "${srcdir:=$BATS_TEST_DIRNAME/../..}"
	export UMBRA_GUEST_DIR="$BATS_TEST_TMPDIR/guests"
	export XDG_RUNTIME_DIR="$BATS_TEST_TMPDIR/run"
	mkdir -p "$UMBRA_GUEST_DIR" "$XDG_RUNTIME_DIR"
}

# refused CODE TEXT WORDS...: umbra ends with CODE and one line that has TEXT in it and says,
# behind a semicolon, what to do.
refused() {
	local code=$1 text=$2
	shift 2
	run timeout 20 "$UMBRA" "$@"
	echo "umbra $*: $status: $output"
	[ "$status" -eq "$code" ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "umbra: "*"$text"* && $output == *"; "* ]]
}

@test "no command" {
	refused 2 "no command"
}

@test "unknown command" {
	refused 2 "unknown command 'walk'" walk
	refused 2 "unknown command 'walk'" help walk
	refused 2 "unknown command ''" ""
}

@test "unknown options" {
	refused 2 "unknown option '--bogus'" run --bogus
	refused 2 "unknown option '-z'" run -z
	refused 2 "unknown option '--json'" list --json
	refused 2 "ambiguous option '--se'" run --se 1
}

@test "missing and superfluous arguments" {
	refused 2 "needs an argument" run --memory
	refused 2 "needs an argument" run -m
	refused 2 "takes no argument" run --help=yes
	refused 2 "unexpected argument 'b'" run a b
	refused 2 "unexpected argument 'x'" guests x
	refused 2 "unexpected argument 'x'" list x
	refused 2 "unexpected argument 'x'" doctor x
	refused 2 "unexpected argument 'run'" help run run
}

@test "sizes and numbers" {
	refused 2 "--memory: '-5' is not a size" run -m -5
	refused 2 "--memory: '12x' is not a size" run -m 12x
	refused 2 "--memory: 0 is out of range" run -m 0
	refused 2 "--memory: 99999999999G is out of range" run -m 99999999999G
	refused 2 "--lowmem: 5K is not a multiple of 4K" run --lowmem 5K
	refused 2 "--cpus: 0 is out of range" run -smp 0
	refused 2 "--cpus: 65 is out of range" run --cpus 65
	refused 2 "--timeout: '1s' is not a number" run --timeout 1s
	refused 2 "--seed: '0x' is not a number" run --seed 0x
}

@test "choices" {
	refused 2 "--cpu: no such choice 'host'; write auto, kvm, hybrid or soft" run --cpu host
	refused 2 "--tlb: no such choice 'none'; write plain or adversarial" run --tlb none
	refused 2 "--tlb adversarial is the software engine's; add --cpu soft" \
		run --cpu kvm --tlb adversarial kernel
	refused 2 "--soft-threads is the software engine's; add --cpu soft" \
		run --cpu kvm --soft-threads off kernel
	refused 2 "--hybrid-budget is the hybrid engine's; add --cpu hybrid" \
		run --cpu kvm --hybrid-budget 5 kernel
	refused 2 "--hybrid-budget: no such budget 'never'; write auto, forever or a number" \
		run --hybrid-budget never
	refused 2 "--mmu native is not built in this version" run --mmu native
	refused 2 "--exact: no such choice" run --exact yes
	refused 2 "--pt-update: no such choice" run --pt-update often
	refused 2 "--exit: no such choice" run --exit qemu
	refused 2 "--serial: no such choice" run --serial pty
	refused 2 "--mmu-option: no technique" run --mmu-option no-such-technique=on
	refused 2 "--mmu-option: 'x' is not a switch" run --mmu-option x
}

@test "names and sockets" {
	refused 2 "--name: '../x'" run --name ../x
	refused 2 "--scenario: 'a,,b'" run --scenario a,,b
	refused 2 "--qmp: 'tcp:1' is no UNIX socket" run --qmp tcp:1
	refused 2 "--qmp: the path has 120 bytes" run --qmp "unix:$(printf '%0120d' 0)"
	refused 2 "only wait=on or wait=off" run --qmp unix:/x,server=on
}

@test "--version, everywhere" {
	for words in --version "run --version" "doctor --version" "guests --version" \
		"list --version" "help --version"; do
		# shellcheck disable=SC2086 # words
		run "$UMBRA" $words
		[ "$status" -eq 0 ]
		[[ $output =~ ^umbra\ [0-9]+\.[0-9]+ ]]
	done
}

@test "--help, everywhere, and equal to help COMMAND" {
	run "$UMBRA" --help
	[ "$status" -eq 0 ]
	commands=$(sed -n 's/^  \([a-z]*\)  *.*/\1/p' <<<"$output")
	[ "$(wc -w <<<"$commands")" -ge 5 ]
	for c in $commands; do
		run "$UMBRA" "$c" --help
		[ "$status" -eq 0 ]
		[[ ${lines[0]} == "usage: umbra $c [options]"* ]]
		[ "$output" = "$("$UMBRA" help "$c")" ]
	done
}

@test "--help fits 80 columns" {
	run "$UMBRA" run --help
	[ "$(awk 'length > 80' <<<"$output")" = "" ]
}

@test "help that can't be written is an error" {
	[ -w /dev/full ] || skip "no /dev/full"
	run bash -c '"$1" --help >/dev/full' - "$UMBRA"
	[ "$status" -eq 3 ]
	[[ $output == *"can't write to standard output"* ]]
}

@test "every option of run is in the man page, and no other" {
	page=$(grep -v '^\.\\"' "$srcdir/docs/umbra.1")
	run_section=$(sed -n '/^\.Ss .*umbra run/,/^\.Ss .*umbra doctor/p' <<<"$page")
	[ -n "$run_section" ]
	# In help "--name" and "-smp"; in mdoc "Fl -name" and "Fl smp".
	in_help=$("$UMBRA" run --help | sed -n '/^Techniques/q;/^  *-/p' |
		grep -oE '^ +-.*' | sed -E 's/^ {26,}.*//; s/  [a-z].*//' |
		grep -oE '(^|[ ,])--?[a-zA-Z-]+' | tr -d ' ,' | sort -u)
	in_man=$(grep '^\.It Fl' <<<"$run_section" | grep -oE 'Fl -?[a-zA-Z-]+' |
		sed 's/^Fl /-/' | sort -u)
	diff <(echo "$in_help") <(echo "$in_man")
}

@test "guests: none" {
	refused 3 "no guest image in $UMBRA_GUEST_DIR" guests
	refused 3 "no guest image in $UMBRA_GUEST_DIR" run
}

@test "guests: images and scenarios, one line each" {
	touch "$UMBRA_GUEST_DIR/umbra-guest-amd64" "$UMBRA_GUEST_DIR/umbra-guest-pae"
	printf 'boot\tstarts and stops\nfork\tcopies an address space\n' \
		>"$UMBRA_GUEST_DIR/umbra-guest-amd64.scenarios"
	printf 'low\tbelow\n' >"$UMBRA_GUEST_DIR/umbra-guest-pae.scenarios"
	run "$UMBRA" guests
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 5 ]
	[[ ${lines[0]} =~ ^amd64\ +.*/umbra-guest-amd64$ ]]
	[[ ${lines[1]} =~ ^\ +boot\ +starts\ and\ stops$ ]]
	[[ ${lines[3]} =~ ^pae\  ]]
}

@test "guests: an image without a scenario list" {
	touch "$UMBRA_GUEST_DIR/umbra-guest-amd64"
	run "$UMBRA" guests
	[ "$status" -eq 0 ]
	[[ $output == *"umbra: can't read "*"umbra-guest-amd64.scenarios: "*"; "* ]]
}

@test "run: an image that does not exist" {
	touch "$UMBRA_GUEST_DIR/umbra-guest-amd64"
	refused 2 "no such guest image 'pae'; available: amd64" run --guest pae
	refused 2 "--guest: 'a/b'" run --guest a/b
}

@test "list: none" {
	run "$UMBRA" list
	[ "$status" -eq 0 ]
	[ "$output" = "no running machines" ]
}
