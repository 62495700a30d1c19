"""A real headless Chromium, spoken to over its own protocol: opens a page, asks it, takes its picture.

Source: Chrome DevTools Protocol, domains Page, Runtime, Emulation, Log and Target.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.conftest import need
from tests.sources.settling import comes_true

_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Page:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.complaints: list[str] = []
        """What it said on its console that was no plain message."""
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **details: Any) -> Any:
        """Return the answer of the browser."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": details}))
        until = time.monotonic() + 30
        while time.monotonic() < until:
            told = json.loads(self._socket.recv(timeout=30))
            self._note(told)
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
        raise AssertionError(f"the browser does not answer {method}")

    def open(self, url: str, *, width: int = 1400, height: int = 1000, scheme: str = "dark") -> None:
        """Go to an address, in a window of some size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """Return what a piece of script comes to."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def becomes(self, script: str, within_s: float = 20.0) -> bool:
        """Return whether a piece of script comes to something true, within some time."""
        return comes_true(lambda: bool(self.value(script)), within_s)

    def shoot(self, path: Path, *, whole: bool = True) -> None:
        """Take a picture of it, as PNG."""
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def _note(self, told: dict[str, Any]) -> None:
        method, details = told.get("method"), told.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"].get("exception", details)))
        elif method == "Log.entryAdded" and details["entry"]["level"] in {"warning", "error"}:
            self.complaints.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")


def pixels(selector: str) -> str:
    """Return a piece of script that comes to the RGBA bytes of a picture or canvas, row by row.

    They are read from a copy: who reads a page's own canvas twice makes the browser complain of the page.
    """
    return f"""(() => {{ const of = document.querySelector('{selector}');
        const width = of.naturalWidth ?? of.width, height = of.naturalHeight ?? of.height;
        const copy = new OffscreenCanvas(width || 1, height || 1);
        const pen = copy.getContext('2d', {{ willReadFrequently: true }});
        if (width && height) pen.drawImage(of, 0, 0);
        return pen.getImageData(0, 0, copy.width, copy.height).data; }})()"""


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own; it is gone afterwards."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need(chromium is not None, "no Chromium to look at the page with (apt-get install chromium)")
    assert chromium is not None
    profile = folder / "profile"
    process = subprocess.Popen(
        [chromium, *_QUIET, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        assert comes_true(lambda: port_file.is_file() and len(port_file.read_text().splitlines()) == 2, 60)
        port, path = port_file.read_text().splitlines()
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as root:
            root.send(
                json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}})
            )
            told: dict[str, Any] = {}
            while told.get("id") != 1:
                told = json.loads(root.recv(timeout=30))
            target = told["result"]["targetId"]
            with connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_size=None) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
