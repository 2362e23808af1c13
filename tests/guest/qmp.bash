# SPDX-License-Identifier: BSD-2-Clause
# Clients of the control socket, for the tests of it. Loaded after common.bash.
# shellcheck disable=SC2154 # common_setup sets them

# client: runs the Python program on stdin, with c a negotiated client of the machine.
client() {
	PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1 SOCKET=$socket MACHINE=$pid \
		timeout 300 python3 -c '
import os, sys, time, qmp
c = qmp.Client.wait_for(os.environ["SOCKET"])
c.negotiate()
exec(compile(sys.stdin.read(), "client", "exec"))'
}

# spinning [WORDS...]: a machine whose guest is up and in an endless loop.
spinning() {
	start --scenario spin "$@"
	until_true 60 guest_is_up
}
