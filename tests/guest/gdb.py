# SPDX-License-Identifier: BSD-2-Clause
"""A client of GDB's remote serial protocol, as GDB's manual has it; Python's library alone."""
import re
import socket
import time

NAMES = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
         "r13", "r14", "r15", "rip", "eflags"]


class Client:
    def __init__(self, place, limit=120):
        """place: the path of a UNIX socket, or HOST:PORT."""
        host, _, port = place.rpartition(":")
        end = time.monotonic() + 30
        while True:
            try:
                if host:
                    self.sock = socket.create_connection((host.strip("[]"), int(port)))
                else:
                    self.sock = socket.socket(socket.AF_UNIX)
                    self.sock.connect(place)
                break
            except OSError:
                if not host:
                    self.sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.sock.settimeout(limit)
        self.buf = b""
        self.ack = True

    def byte(self):
        if not self.buf:
            self.buf = self.sock.recv(65536)
            if not self.buf:
                raise EOFError("the stub hung up")
        b, self.buf = self.buf[:1], self.buf[1:]
        return b

    def receive(self):
        """The data of the next packet."""
        while self.byte() != b"$":
            pass
        data = b""
        while True:
            b = self.byte()
            if b == b"#":
                break
            data += b
        claimed = int(self.byte() + self.byte(), 16)
        assert claimed == sum(data) & 0xFF, data
        if self.ack:
            self.sock.sendall(b"+")
        return re.sub(rb"}(.)", lambda m: bytes([m[1][0] ^ 0x20]), data, flags=re.S).decode()

    def send(self, data):
        raw = data.encode()
        self.sock.sendall(b"$%s#%02x" % (raw, sum(raw) & 0xFF))

    def ask(self, data):
        self.send(data)
        return self.receive()

    def ok(self, data):
        got = self.ask(data)
        assert got == "OK", (data, got)

    def interrupt(self):
        self.sock.sendall(b"\x03")

    def no_ack(self):
        self.ok("QStartNoAckMode")
        self.ack = False

    # registers, memory

    def description(self):
        text, at = "", 0
        while True:
            part = self.ask("qXfer:features:read:target.xml:%x,400" % at)
            text += part[1:]
            at += len(part) - 1
            if part[0] == "l":
                break
        regs = re.findall(r'<reg name="(\w+)" bitsize="(\d+)"', text)
        self.regs = {name: (n, int(bits) // 8) for n, (name, bits) in enumerate(regs)}
        return text

    def reg(self, name):
        n, _ = self.regs[name]
        return int.from_bytes(bytes.fromhex(self.ask("p%x" % n)), "little")

    def set_reg(self, name, value):
        n, size = self.regs[name]
        return self.ask("P%x=%s" % (n, value.to_bytes(size, "little").hex()))

    def read(self, at, n):
        got = self.ask("m%x,%x" % (at, n))
        return None if got[0] == "E" else bytes.fromhex(got)

    def write(self, at, data):
        return self.ask("M%x,%x:%s" % (at, len(data), data.hex()))

    # running

    def go(self, data="vCont;c"):
        """Runs and returns the stop's signal and its pairs."""
        return self.stopped(self.ask(data))

    def stopped(self, reply):
        assert reply[0] == "T", reply
        return int(reply[1:3], 16), dict(p.split(":") for p in reply[3:].split(";") if p)

    def console(self, line):
        """monitor LINE."""
        self.send("qRcmd," + line.encode().hex())
        text = ""
        while True:
            got = self.receive()
            if got == "OK":
                return text.replace("\r", "")
            assert got[0] == "O", got
            text += bytes.fromhex(got[1:]).decode()


def symbols(elf, *names):
    import subprocess
    out = subprocess.run(["nm", elf], check=True, capture_output=True, text=True).stdout
    table = {f[2]: int(f[0], 16) for f in (line.split() for line in out.splitlines())
             if len(f) == 3}
    return [table[n] for n in names]


def hung_up_on(place):
    """Whether one more client is not served."""
    other = Client(place)
    try:
        other.ask("?")
        return False
    except (EOFError, OSError):
        return True
    finally:
        other.sock.close()
