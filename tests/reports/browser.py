"""A real browser for tests, driven over its own debugging protocol: no further package is needed."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
SWITCHES = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync "
    "--disable-component-update --disable-default-apps --hide-scrollbars --remote-debugging-port=0 "
    "--remote-allow-origins=*"
)


def find_browser() -> str | None:
    """The path of a Chromium on this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "ArrowRight": (39, ""), " ": (32, " ")}
"""Key → its number and the text that it types."""


class Browser:
    """One page of a headless Chromium. Use it as a context manager."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.mkdtemp()
        self.process = subprocess.Popen(
            [program, *SWITCHES.split(), f"--user-data-dir={self.profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.numbers = itertools.count(1)
        self.events: list[dict] = []
        self.socket = websocket.create_connection(self._address(), timeout=60)
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        # what a page shows must not need a network
        self.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)

    def _address(self) -> str:
        port = Path(self.profile) / "DevToolsActivePort"
        for _ in range(300):
            if port.is_file() and len(lines := port.read_text().split("\n")) > 1:
                with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json") as answer:
                    pages = [t for t in json.load(answer) if t["type"] == "page"]
                if pages:
                    return pages[0]["webSocketDebuggerUrl"]
            time.sleep(0.1)
        raise RuntimeError("the browser did not start")

    def send(self, method: str, **parameters: Any) -> int:
        """One call of the protocol, without waiting for its answer; its number."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return number

    def call(self, method: str, **parameters: Any) -> dict:
        """One call of the protocol and its answer; events that come meanwhile are kept."""
        number = self.send(method, **parameters)
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                return message.get("result", message)
            self.events.append(message)

    def open(self, file: Path, *, width: int = 1280, height: int = 900, dark: bool = False, how: str = "") -> None:
        """Show a file in a window of this width; `how` is put behind its address."""
        self.events.clear()
        self.scheme(dark=dark)
        self.resize(width, height)
        self._load("Page.navigate", url=file.as_uri() + how)

    def reload(self) -> None:
        """Load the page once more."""
        self.events.clear()
        self._load("Page.reload")

    def _load(self, method: str, **parameters: Any) -> None:
        self.call(method, **parameters)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(json.loads(self.socket.recv()))

    def scheme(self, *, dark: bool) -> None:
        """The reader's wish: a dark or a light page."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def resize(self, width: int, height: int = 900) -> None:
        """The size of the window; narrow ones are phones."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700
        )

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page (the debugger may run it, the page may not)."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other: Tab, Enter, ArrowRight or a letter."""
        for key in keys:
            code, text = KEYS.get(key, (ord(key.upper()[0]), key))
            given = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
            last = self.send("Input.dispatchKeyEvent", type="keyUp", **given)
        while not any(e.get("id") == last for e in self.events):
            self.events.append(json.loads(self.socket.recv()))

    def settle(self) -> None:
        """Wait until the page is drawn with what was changed on it."""
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def requests(self) -> list[str]:
        """Addresses that the page asked for, besides itself."""
        sent = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in sent[1:] if not url.startswith("data:")]

    def complaints(self) -> list[str]:
        """What the console says: errors, warnings, violations of the page's policy."""
        entries = [e["params"]["entry"] for e in self.events if e.get("method") == "Log.entryAdded"]
        errors = [e for e in self.events if e.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
        return [e["text"] for e in entries] + [json.dumps(e["params"])[:200] for e in errors]

    def printed(self, **wishes: Any) -> bytes:
        """The page as a PDF with its outline."""
        return base64.b64decode(self.call("Page.printToPDF", generateDocumentOutline=True, **wishes)["data"])

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """A screenshot of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.call("Browser.close")
        self.socket.close()
        self.process.wait(20)
        shutil.rmtree(self.profile, ignore_errors=True)
