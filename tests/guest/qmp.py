# SPDX-License-Identifier: BSD-2-Clause
"""A client of Umbra's control socket, for tests and scripts. Standard library only.

    with qmp.Client(path) as c:
        c.negotiate()
        print(c.execute("query-status")["status"])
        c.execute("stop")
        c.wait_event("STOP")

As a program: qmp.py SOCKET COMMAND [NAME=VALUE...] prints what the command returned.
"""

import json
import socket
import sys
import time


class Error(Exception):
    """The server answered with an error."""

    def __init__(self, reply):
        super().__init__("%(class)s: %(desc)s" % reply)
        self.error_class = reply["class"]
        self.desc = reply["desc"]


class Closed(Exception):
    """The server closed the connection."""


class Schema:
    """What query-qmp-schema says; holds replies against it."""

    def __init__(self, entries):
        self.types = {e["name"]: e for e in entries
                      if e["meta-type"] not in ("command", "event")}
        self.commands = {e["name"]: e for e in entries if e["meta-type"] == "command"}
        self.events = {e["name"]: e for e in entries if e["meta-type"] == "event"}

    def check_reply(self, command, value):
        self.check(self.commands[command]["ret-type"], value, command)

    def check(self, name, value, where):
        t = self.types[name]
        getattr(self, "_" + t["meta-type"])(t, value, where)

    def _builtin(self, t, value, where):
        python = {"string": str, "int": int, "boolean": bool, "number": (int, float)}
        if t["json-type"] in python:
            assert isinstance(value, python[t["json-type"]]), (where, t, value)
            assert t["json-type"] != "int" or not isinstance(value, bool), (where, t, value)

    def _enum(self, t, value, where):
        assert value in t["values"], (where, t, value)

    def _array(self, t, value, where):
        assert isinstance(value, list), (where, value)
        for i, v in enumerate(value):
            self.check(t["element-type"], v, "%s[%d]" % (where, i))

    def _object(self, t, value, where):
        members = {m["name"]: m for m in t["members"]}
        assert isinstance(value, dict) and set(value) <= set(members), (where, value)
        for n, m in members.items():
            if n in value:
                self.check(m["type"], value[n], "%s.%s" % (where, n))
            else:
                assert "default" in m, (where, n)


class Client:
    def __init__(self, path, timeout=30.0):
        self.timeout = timeout
        self.events = []  # received and not yet asked for, oldest first
        self._buffer = b""
        self._next_id = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
            self.greeting = self.receive()["QMP"]
        except BaseException:
            self._socket.close()
            raise

    @classmethod
    def wait_for(cls, path, timeout=30.0):
        """Connects as soon as a machine listens at path."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return cls(path, timeout)
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self._socket.close()

    def send_raw(self, data):
        self._socket.sendall(data)

    def receive(self, timeout=None):
        """The next object from the server, whatever it is."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while b"\n" not in self._buffer:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._socket.recv(65536)
            if not data:
                raise Closed("the control socket was closed")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line.decode("ascii"))

    def negotiate(self, oob=False):
        return self.execute("qmp_capabilities", **({"enable": ["oob"]} if oob else {}))

    def execute(self, command, oob=False, **arguments):
        """Runs a command and returns what it returned. Argument names are written with _ for -."""
        self._next_id += 1
        request = {"exec-oob" if oob else "execute": command, "id": self._next_id}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.send_raw(json.dumps(request).encode("ascii") + b"\r\n")
        return self._reply(self._next_id)

    def _reply(self, wanted):
        while True:
            reply = self.receive()
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply and reply.get("id", wanted) == wanted:
                raise Error(reply["error"])
            elif reply.get("id") == wanted:
                return reply["return"]

    def wait_event(self, name, timeout=None):
        """The next event of this name, received before or still to come; others are kept."""
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        seen = 0
        while True:
            for i in range(seen, len(self.events)):
                if self.events[i]["event"] == name:
                    return self.events.pop(i)
            seen = len(self.events)
            try:
                message = self.receive(max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                raise TimeoutError("no event %s within %g s" % (name, limit)) from None
            if "event" in message:
                self.events.append(message)


def _value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def main(argv):
    if len(argv) < 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    arguments = dict(a.split("=", 1) for a in argv[3:])
    try:
        with Client(argv[1]) as client:
            client.negotiate()
            result = client.execute(argv[2], **{k: _value(v) for k, v in arguments.items()})
    except (OSError, Closed, Error) as e:
        print("qmp.py: %s" % e, file=sys.stderr)
        return 1
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
