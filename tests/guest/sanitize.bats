#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The same code built with the compiler's sanitizers: the guest's suite under KVM, and the unit tests
# that have most to lose. UMBRA_SKIP_SANITIZE=1 leaves it out (it builds everything twice more).

setup() {
	: "${srcdir:=$BATS_TEST_DIRNAME/../..}"
	: "${builddir:=$srcdir/build}"
	srcdir=$(realpath "$srcdir")
	export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$(realpath "$builddir/guest")}
	[ -z "$UMBRA_SKIP_SANITIZE" ] || skip "UMBRA_SKIP_SANITIZE is set"
	# distcheck and installed-tree runs have a read-only or already configured source.
	[ -x "$srcdir/configure" ] || skip "no configure script"
	[ ! -e "$srcdir/config.status" ] || skip "the source tree itself is configured"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# build LIST PROGRAM...
build() {
	local list=$1
	shift
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
	if ! (: <>/dev/kvm) 2>/dev/null; then
		echo "# /dev/kvm can't be opened: unit tests only" >&3
		return 0
	fi
	engine "$@"
}

guest() { guest_on kvm "$@"; }

# engine NAME WORDS...: the guest on this engine.
engine() {
	./umbra run --cpu "$1" --timeout 120 "${@:2}" >guest.log 2>&1 || {
		tail -40 guest.log
		return 1
	}
	! grep -E 'WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error' guest.log
}

quiet() {
	"$@" >unit.log 2>&1 || {
		tail -40 unit.log
		return 1
	}
	! grep -E 'WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error' unit.log
}

@test "ThreadSanitizer: the guest on 2 and 4 vCPUs, threads against the shadow MMU" {
	build thread tests/unit/shadow_threads tests/unit/shadow_test
	guest --cpus 2
	guest --cpus 4 --lowmem 0
	engine soft --cpus 2 --scenario ipi,smp-shootdown,smp-table-writes
	guest_on hybrid --cpus 2
	guest_on hybrid --cpus 4 --hybrid-budget forever \
		--scenario ipi,smp-shootdown,smp-table-writes,smp-mprotect
	quiet tests/unit/shadow_threads 2000
	quiet tests/unit/shadow_test "HM-7 threads against each other"
	quiet tests/unit/shadow_test "HM-7 who waited looks again"
}

@test "AddressSanitizer and UBSan: the guest, the shadow MMU, the CPU, the loaders" {
	build address,undefined tests/unit/shadow_test tests/unit/cpu_test tests/unit/boot_test \
		tests/unit/control_test tests/unit/soft_test
	guest --cpus 2
	guest --cpus 1 --lowmem 0 --shadow-limit 256K
	engine soft --cpus 2 --scenario exceptions,mprotect,smp-shootdown
	engine soft --cpus 2 --tlb adversarial --scenario exceptions,smp-shootdown
	quiet tests/unit/soft_test
	quiet tests/unit/shadow_test
	quiet tests/unit/cpu_test
	quiet tests/unit/boot_test
	quiet tests/unit/control_test
}
