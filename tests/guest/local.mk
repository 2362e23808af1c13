# SPDX-License-Identifier: BSD-2-Clause
# Machines that run, from the outside.
guest_tests = tests/guest/usage.bats tests/guest/badinput.bats tests/guest/crash.bats \
	tests/guest/qmp.bats tests/guest/qemu-ref.bats tests/guest/kvm-runs.bats tests/guest/soft.bats tests/guest/hybrid.bats \
	tests/guest/stock-kvm.bats tests/guest/doctor.bats tests/guest/sanitize.bats \
	tests/guest/outside.bats
TESTS += $(guest_tests)
EXTRA_DIST += tests/bench/hybrid_bench.sh $(guest_tests) tests/guest/common.bash tests/guest/exact.py tests/guest/hostile.py tests/guest/qmp.py \
	tests/stock-kvm/README.md tests/stock-kvm/fetch-kernel.sh tests/stock-kvm/run.sh \
	tests/stock-kvm/selftest.bats
