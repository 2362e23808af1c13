#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes the pictures of this folder: a guest with processes is stopped, its model collected over the control
# socket, and its page shown to chromium. Run from the root of the tree; build/ or $1 has the programs.
#
# What a machine is doing when it is stopped differs from run to run, so the pictures do too.
set -euo pipefail
srcdir=$(realpath "$(dirname "$0")/../..")
builddir=$(realpath "${1:-$srcdir/build}")
tmp=$(mktemp -d)
machine=
trap '[[ -z $machine ]] || kill "$machine" 2>/dev/null || true; rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1

# Looked at again and again until there are several address spaces, and few enough for a picture.
"$builddir/umbra" run --name picture --cpus 2 --qmp "unix:$tmp/qmp" \
	--scenario sched-many,fork-tree,share-fork,bench-fork >"$tmp/out" 2>&1 &
machine=$!
PYTHONPATH=$srcdir/tests/guest python3 - "$tmp/qmp" >"$tmp/model" <<-'PY'
	import json, sys, time, picture, qmp
	c = qmp.Client.wait_for(sys.argv[1])
	c.negotiate()
	for i in range(200):
	    c.execute("stop")
	    model = picture.collect(c)
	    if len(model["views"].get("user", [])) >= 3 and 6 <= len(model["roots"]) <= 12:
	        break
	    c.execute("cont")
	    time.sleep(0.01)
	json.dump(model, sys.stdout)
	c.execute("quit")
PY
wait "$machine" || true
machine=
"$builddir/tools/ctl/picture-demo" <"$tmp/model" >"$tmp/page.html"

shoot() { # shoot NAME FRAGMENT WORDS...
	local name=$1 fragment=$2
	shift 2
	python3 "$srcdir/tests/guest/browser.py" "$tmp/page.html$fragment" "$srcdir/docs/pictures/$name.png" "$@"
}
tracked=$(PYTHONPATH=$srcdir/tests/guest python3 -c '
import json, sys
kinds = json.load(open(sys.argv[1]))["diff"]["kernel"]
print(next(d["gva"] for d in kinds if d["kind"] == "tracked"))' "$tmp/model")
shoot overview "" 1200x800
shoot dark "#goto=$tracked" dark 1200x800 'document.activeElement.blur()'
shoot tables "" 1200x620 'document.querySelectorAll(".node.shared")[0].focus(); document.getElementById("tables-h").scrollIntoView()'
ls -l "$srcdir"/docs/pictures/*.png
