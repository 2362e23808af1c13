#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common.bash sets them
# The same code built with the compiler's sanitizers: the guest's suite under KVM, and the unit tests
# that have most to lose. UMBRA_SKIP_SANITIZE=1 leaves it out (it builds everything twice more).

load common

setup() {
	: "${srcdir:=$BATS_TEST_DIRNAME/../..}"
	: "${builddir:=$srcdir/build}"
	srcdir=$(realpath "$srcdir")
	export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$(realpath "$builddir/guest")}
	[ -z "$UMBRA_SKIP_SANITIZE" ] || skip "UMBRA_SKIP_SANITIZE is set"
	# distcheck and installed-tree runs have a read-only or already configured source.
	[ -x "$srcdir/configure" ] || skip "no configure script"
	[ ! -e "$srcdir/config.status" ] || skip "the source tree itself is configured"
	unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this
	cd "$BATS_TEST_TMPDIR" || return 1
}

# runs_here LIST: sets $how to what stands before programs that are built with these sanitizers, so that
# they run on this host; skips if nothing helps. Their shadow memory may lie where the kernel puts
# libraries now and then (vm.mmap_rnd_bits above 28), leaks may need a ptrace() that is forbidden.
runs_here() {
	local way i
	echo 'int main(void) { return 0; }' >probe.c
	# shellcheck disable=SC2086 # CC may be words
	${CC:-gcc} "-fsanitize=$1" -o probe probe.c || skip "the compiler has no -fsanitize=$1"
	for way in "" "setarch -R" "env ASAN_OPTIONS=detect_leaks=0" \
		"setarch -R env ASAN_OPTIONS=detect_leaks=0"; do
		read -ra how <<<"$way"
		for ((i = 0; i < 25; i++)); do
			"${how[@]}" ./probe >probe.log 2>&1 || break
		done
		[ "$i" -lt 25 ] || return 0
	done
	skip "programs with -fsanitize=$1 don't run here: $(tail -n 1 probe.log)"
}

# build LIST PROGRAM...
build() {
	local list=$1
	shift
	runs_here "$list"
	"$srcdir/configure" -q --enable-sanitize="$list" CFLAGS="-O1 -g" >configure.log 2>&1 || {
		tail -5 configure.log
		return 1
	}
	make -s -j2 umbra "$@" >make.log 2>&1 || {
		tail -20 make.log
		return 1
	}
}

# guest_on ENGINE WORDS...: on an engine that needs KVM.
guest_on() {
	local why
	if ! why=$(python3 -B "$BATS_TEST_DIRNAME/kvm-works.py"); then
		echo "# not on KVM: $why" >&3
		return 0
	fi
	engine "$@"
}

guest() { guest_on kvm "$@"; }

# engine NAME WORDS...: the guest on this engine.
engine() {
	"${how[@]}" ./umbra run --cpu "$1" --timeout 400 "${@:2}" >guest.log 2>&1 || {
		tail -40 guest.log
		return 1
	}
	! grep -E 'WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error' guest.log
}

quiet() {
	"${how[@]}" "$@" >unit.log 2>&1 || {
		tail -40 unit.log
		return 1
	}
	! grep -E 'WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error' unit.log
}

@test "ThreadSanitizer: the guest on 2 and 4 vCPUs, threads against the shadow MMU" {
	build thread tests/unit/shadow_threads tests/unit/shadow_test
	guest --cpus 2 "${few[@]}"
	guest --cpus 4 --lowmem 0 --scenario smp-shootdown,smp-table-writes,smp-threads,smp-mprotect,gup-storm,swap
	engine soft --cpus 2 --scenario ipi,smp-shootdown,smp-table-writes
	guest_on hybrid --cpus 2 "${few[@]}"
	guest_on hybrid --cpus 4 --hybrid-budget forever \
		--scenario ipi,smp-shootdown,smp-table-writes,smp-mprotect
	quiet tests/unit/shadow_threads 2000
	quiet tests/unit/shadow_test "HM-7 threads against each other"
	quiet tests/unit/shadow_test "HM-7 who waited looks again"
}

@test "AddressSanitizer and UBSan: the guest, the shadow MMU, the CPU, the loaders" {
	build address,undefined tests/unit/shadow_test tests/unit/cpu_test tests/unit/boot_test \
		tests/unit/control_test tests/unit/soft_test
	guest --cpus 2 "${few[@]}"
	guest --cpus 1 --lowmem 0 --shadow-limit 256K "${few[@]}"
	engine soft --cpus 2 --scenario exceptions,mprotect,smp-shootdown
	engine soft --cpus 2 --tlb adversarial --scenario exceptions,smp-shootdown
	quiet tests/unit/soft_test
	quiet env UMBRA_MODE_STRIDE=7 tests/unit/shadow_test
	quiet tests/unit/cpu_test
	quiet tests/unit/boot_test
	quiet tests/unit/control_test
}
