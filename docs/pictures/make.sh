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
	c.execute("trace-event-set-state", name="*", enable=True)
	for i in range(200):
	    c.execute("stop")
	    model = picture.collect(c)
	    if len(model["views"].get("user", [])) >= 3 and 6 <= len(model["roots"]) <= 12:
	        break
	    c.execute("cont")
	    time.sleep(0.01)
	json.dump(model, sys.stdout)
PY
# What umbractl says of the same machine, as a terminal shows it.
{
	echo '<!doctype html><meta charset="utf-8"><title>umbractl</title>'
	echo '<style>body{margin:0;background:#1b1e23;color:#e6e6e6;font:14px/1.35 monospace}pre{margin:16px}</style><body data-ready="yes"><pre>'
	for words in "walk 0xffff888000100000" "explain 0x400000 --access write --ring 3" "shootdowns"; do
		echo "\$ umbractl $words"
		# shellcheck disable=SC2086 # words
		"$builddir/umbractl" -s "$tmp/qmp" $words | sed 's/&/\&amp;/g; s/</\&lt;/g'
		echo
	done
	echo '</pre>'
} >"$tmp/umbractl.html"
"$builddir/umbractl" -s "$tmp/qmp" quit >/dev/null
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
shoot dark "#goto=$tracked" dark 1200x960 'document.activeElement.blur()'
shoot tables "" 1200x620 'document.querySelectorAll(".node.shared")[0].focus(); document.getElementById("tables-h").scrollIntoView()'
shoot timeline "" 1200x420 'tellEvent(events.findIndex((e) => e.took) | 0); document.getElementById("trace-h").scrollIntoView()'
python3 "$srcdir/tests/guest/browser.py" "$tmp/umbractl.html" "$srcdir/docs/pictures/umbractl.png" 900x1040
ls -l "$srcdir"/docs/pictures/*.png
