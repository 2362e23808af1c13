# SPDX-License-Identifier: BSD-2-Clause
"""Chromium without a window, driven over its debugging pipe. Standard library only.

    with browser.Browser() as b:
        b.open("/tmp/page.html")
        b.key("ArrowRight")
        print(b.js("document.title"))

As a program: browser.py PAGE[#FRAGMENT] PICTURE.png [dark] [print] [WIDTH[xHEIGHT]] [JS] saves a screenshot of
the page, of its whole length where no height is said.
"""

import base64
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib


def program():
    return shutil.which("chromium")


class Failed(Exception):
    """The browser answered with an error, or the page threw one."""


class Browser:
    def __init__(self, width=1280, height=900):
        self.size = (width, height)
        self.messages = []  # what pages wrote to the console, and what they threw
        self.requests = []  # the addresses that pages asked for
        self._buffer, self._id, self._session = b"", 0, None
        self._folder = tempfile.mkdtemp(prefix="browser.")
        to_child, self._out = os.pipe()
        self._in, from_child = os.pipe()
        self._process = self._start(to_child, from_child)
        os.close(to_child)
        os.close(from_child)
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    # It reads commands from descriptor 3 and writes answers to 4; no shell lies between.
    def _start(self, to_child, from_child):
        def descriptors():
            a, b = os.dup(to_child), os.dup(from_child)  # neither is 3 or 4 when dup2 comes
            os.dup2(a, 3)
            os.dup2(b, 4)
        arguments = [program(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--remote-debugging-pipe", "--user-data-dir=" + self._folder, "--no-first-run",
                     "--disable-dev-shm-usage", "--disable-background-networking",
                     "--disable-component-update", "about:blank"]
        environment = dict(os.environ, HOME=self._folder, XDG_CONFIG_HOME=self._folder,
                           XDG_CACHE_HOME=self._folder, TMPDIR=self._folder)
        return subprocess.Popen(arguments, preexec_fn=descriptors, close_fds=False, env=environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def _attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Network", "Log":
            self.call(domain + ".enable")
        self.resize(*self.size)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        try:
            self._session = None
            self.call("Browser.close", timeout=5)
            self._process.wait(10)
        except (OSError, TimeoutError, Failed, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # its helpers too, if any is left
        except ProcessLookupError:
            pass
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        for _ in range(50):  # helpers that still end may write there
            shutil.rmtree(self._folder, ignore_errors=True)
            if not os.path.exists(self._folder):
                break
            time.sleep(0.1)

    def call(self, method, timeout=60, **parameters):
        self._id += 1
        request = {"id": self._id, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._out, json.dumps(request).encode() + b"\0")
        answer = self._until(lambda m: m.get("id") == self._id, timeout)
        if "error" in answer:
            raise Failed("%s: %s" % (method, answer["error"]["message"]))
        return answer["result"]

    def _until(self, wanted, timeout):
        deadline = time.monotonic() + timeout
        while True:
            while b"\0" not in self._buffer:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self._in], [], [], left)[0]:
                    raise TimeoutError("the browser does not answer")
                data = os.read(self._in, 1 << 20)
                if not data:
                    raise Failed("the browser has ended")
                self._buffer += data
            line, self._buffer = self._buffer.split(b"\0", 1)
            message = json.loads(line)
            self._note(message)
            if wanted(message):
                return message

    def _note(self, message):
        method, p = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(p["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(json.dumps(p["args"]))
        elif method == "Log.entryAdded":
            self.messages.append(p["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(p["request"]["url"])

    def open(self, page, fragment="", timeout=60):
        """Loads a file and waits until its scripts have run."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=pathlib.Path(page).resolve().as_uri() + fragment, timeout=timeout)
        self.until("document.readyState === 'complete' && document.body.dataset.ready === 'yes'", timeout)

    def until(self, expression, timeout=30):
        deadline = time.monotonic() + timeout
        while not self.js(expression):
            if time.monotonic() > deadline:
                raise TimeoutError("not within %g s: %s; %s" % (timeout, expression, self.messages))
            time.sleep(0.05)

    def js(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise Failed(json.dumps(r["exceptionDetails"]))
        return r["result"].get("value")

    def text(self, selector):
        return self.js("document.querySelector(%s).textContent" % json.dumps(selector))

    def key(self, key, modifiers=0):
        printable = len(key) == 1
        codes = {"Enter": 13, "Tab": 9, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
                 "ArrowDown": 40}
        more = {"text": key} if printable else {"text": "\r"} if key == "Enter" else {}
        code = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=modifiers, **more, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers, **code)

    def type(self, string):
        for c in string:
            self.key(c)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type="mouse" + kind, x=x, y=y, **more)

    def click(self, x, y):
        self.mouse("Pressed", x, y, button="left", clickCount=1)
        self.mouse("Released", x, y, button="left", clickCount=1)

    def resize(self, width, height):
        self.size = (width, height)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def media(self, dark=False, printed=False):
        self.call("Emulation.setEmulatedMedia", media="print" if printed else "screen",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path, whole=False):
        if whole:
            self.resize(self.size[0], int(self.js("document.body.scrollHeight")) + 2)
            time.sleep(0.3)
        png = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(png))

    def pixel(self, x, y):
        """Red, green and blue of one point, as shown. Of a picture of one pixel every PNG filter is none."""
        clip = {"x": int(x), "y": int(y), "width": 1, "height": 1, "scale": 1}
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png", clip=clip)["data"])
        at, data = 8, b""
        while at < len(png):
            length = int.from_bytes(png[at:at + 4], "big")
            if png[at + 4:at + 8] == b"IDAT":
                data += png[at + 8:at + 8 + length]
            at += 12 + length
        return tuple(zlib.decompress(data)[1:4])

    def pdf(self, path):
        data = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))


def main(argv):
    if len(argv) < 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    page, _, fragment = argv[1].partition("#")
    size = next((a for a in argv[3:] if re.fullmatch(r"\d+(x\d+)?", a)), "1280")
    width, _, height = size.partition("x")
    scripts = [a for a in argv[3:] if a not in ("dark", "print", size)]
    with Browser(int(width), int(height or 900)) as b:
        b.media("dark" in argv, "print" in argv)
        b.open(page, "#" + fragment if fragment else "")
        for script in scripts:
            b.js(script)
        time.sleep(0.3)
        if argv[2].endswith(".pdf"):
            b.pdf(argv[2])
        else:
            b.screenshot(argv[2], whole=not height)
        for message in b.messages:
            print(message, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
