# SPDX-License-Identifier: BSD-2-Clause
"""What a picture of a machine is made from (tools/ctl/picture.h), collected over its control socket.

As a program: picture.py SOCKET prints the model. The machine is stopped while it is looked at, so that
all parts show one moment, and goes on afterwards if it ran before.
"""

import json
import sys
import time

import qmp

VIEWS = ("guest", "kernel", "kernel-ac", "user")
FRAME = 0x000ffffffffff000


def pieces(client, command, member, **arguments):
    """The whole of a list that comes in pieces, and the replies."""
    whole, replies, start = [], [], None
    while True:
        reply = client.execute(command, **arguments, **({"start": start} if start else {}))
        whole += reply[member]
        replies.append(reply)
        start = reply.get("next")
        if not start:
            return whole, replies


def entries_of(client, table):
    """A shadow table with all its entries; None if it has gone."""
    first, entries = 0, []
    while first is not None:
        try:
            reply = client.execute("query-shadow-page", table=table, first=first)
        except qmp.Error:
            return None
        entries += [e for e in reply["entries"] if int(e["entry"], 16) & 1]
        first = reply.get("next")
    return dict(reply["pages"][0], entries=entries)


def tables_of(client, roots):
    """Every shadow table that some root leads to, once, upper ones first."""
    todo, seen, tables = [r["mfn"] for r in roots], set(), []
    for frame in todo:
        if int(frame, 16) in seen:
            continue
        seen.add(int(frame, 16))
        table = entries_of(client, frame)
        if not table:
            continue
        tables.append(table)
        if table["role"]["level"] > 1:
            todo += ["0x%016x" % ((int(e["entry"], 16) & FRAME) >> 12) for e in table["entries"]
                     if "PS" not in e["flags"].split()]
        else:
            table["entries"] = []
    return tables


def look(client, model, view):
    """Takes one view in."""
    regions, replies = pieces(client, "shadow-dump", "regions", view=view, vcpu=0, merge=True)
    if view != "guest":
        differences, looks = pieces(client, "shadow-diff", "differences", view=view, vcpu=0)
        model["diff"][view] = differences
        model["counts"][view] = {k: sum(r["counts"][k] for r in looks) for k in looks[0]["counts"]}
    model["format"] = replies[0]["format"]
    model["views"][view] = regions
    model["complete"][view] = len({r["generation"] for r in replies}) == 1


def collect(client):
    model = {"name": client.execute("query-name")["name"], "time": int(time.time()),
             "status": client.execute("query-status")["status"], "views": {}, "complete": {},
             "diff": {}, "counts": {}, "trace": []}
    for view in VIEWS:
        try:
            look(client, model, view)
        except qmp.Error as e:
            if e.error_class != "DeviceNotActive":  # there is no such tree yet
                raise
    model["roots"] = client.execute("query-shadow-roots")["roots"]
    model["tables"] = tables_of(client, model["roots"])
    model["stats"] = client.execute("query-shadow-stats")
    model["shootdowns"] = client.execute("query-shadow-shootdowns")
    model["rcu"] = client.execute("query-rcu")
    return model


def main(argv):
    if len(argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with qmp.Client.wait_for(argv[1]) as client:
        client.negotiate()
        ran = client.execute("query-status")["running"]
        client.execute("stop")
        json.dump(collect(client), sys.stdout)
        if ran:
            client.execute("cont")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
