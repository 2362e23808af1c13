#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# umbra doctor: it ends soon, what it says is complete and plausible, also without KVM.

setup() {
	: "${UMBRA:=$BATS_TEST_DIRNAME/../../build/umbra}"
	kvm=${UMBRA_KVM_DEVICE:-/dev/kvm}
}

need_kvm() {
	local why
	why=$(python3 -B "$BATS_TEST_DIRNAME/kvm-works.py") || skip "${why:-no python3}"
}

# check PYTHON: on the output, as d.
check() {
	echo "$output"
	python3 -c "
import json, sys
d = json.loads(sys.argv[1])
$1" "$output"
}

@test "text" {
	need_kvm
	run timeout 60 "$UMBRA" doctor
	echo "$output"
	[ "$status" -eq 0 ]
	for title in Host KVM "Changes of page tables" "Costs (median; least)" \
		"Instructions at CPL 3" Addresses So; do
		grep -qxF "$title" <<<"$output"
	done
	grep -qE '^  table updates +(direct|gated) ' <<<"$output"
	grep -qE '^  --cpu auto takes +(kvm|hybrid)' <<<"$output"
}

@test "JSON: sections and keys" {
	need_kvm
	run timeout 60 "$UMBRA" doctor --json
	[ "$status" -eq 0 ]
	check "
assert list(d) == ['host', 'kvm', 'tables', 'costs', 'instructions', 'addresses', 'conclusions']
assert d['kvm']['api'] == 12 and d['kvm']['max_vcpus'] > 0
t = d['tables']
assert t['mode'] in ('direct', 'gated') and t['entry'] in ('registers', 'IRETQ')
assert t['touch_seen'] and t['new_entry_seen'] and t['table_touch_seen']
assert all(0 <= s < 512 for s in d['addresses']['holes'])
assert {'kind', 'exact', 'inexact', 'engine', 'hidden_fault', 'guest_fault'} <= set(d['conclusions'])"
}

@test "JSON: costs and instructions" {
	need_kvm
	run timeout 60 "$UMBRA" doctor --json
	[ "$status" -eq 0 ]
	check "
for k, c in d['costs'].items():
    assert c is None or 0 < c['min'] <= c['median'] < 1e9, k
assert d['costs']['fault_by_iretq'] and d['costs']['kick'] and d['costs']['loop_cpl3']
assert d['conclusions']['guest_fault'] > d['conclusions']['hidden_fault'] > 0
for k, i in d['instructions'].items():
    assert i['outcome'] in ('executes', 'traps', 'enters-gate', 'exits'), k
for k in ('hlt', 'mov_cr0', 'swapgs', 'cli', 'sti', 'in', 'out'):
    assert d['instructions'][k]['outcome'] == 'traps', k
assert d['instructions']['rdtsc']['outcome'] == 'executes'"
}

@test "without KVM: one line says why and what to do, and what runs guests then" {
	local without=()
	if [ -w "$kvm" ]; then
		without=(unshare -rm sh -c 'mount -t tmpfs none /dev && exec "$@"' sh)
		"${without[@]}" true 2>/dev/null || skip "/dev/kvm is there and can't be hidden"
	fi
	run "${without[@]}" timeout 20 "$UMBRA" doctor
	echo "$output"
	[ "$status" -eq 0 ]
	grep -qE '^  --cpu auto takes +soft: ' <<<"$output"
	[[ "${lines[-1]}" == "KVM: cannot open $kvm: "*"; "* ]]
	run "${without[@]}" timeout 20 "$UMBRA" doctor --json
	[ "$status" -eq 0 ]
	check "
assert d['conclusions'] == {'engine': 'soft: there is no KVM to use'}
assert d['kvm'] is None and d['costs'] is None and 'cannot open $kvm' in d['reason']
assert d['host']['kernel']"
}
