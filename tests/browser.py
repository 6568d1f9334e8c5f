"""A real Chromium without a screen, driven over its DevTools protocol: no driver and no further package.

Guarantee: it has a profile of its own, and ends with its block. Limit: one page at a time; values are JSON.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DEADLINE_SECONDS = 30.0
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --mute-audio "
    "--disable-extensions --disable-default-apps --remote-debugging-port=0"
).split()


class Browser:
    """`async with Browser(folder) as browser: await browser.open(url)`."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._numbers = itertools.count(1)
        self.messages: list[str] = []

    async def __aenter__(self) -> Self:
        assert CHROMIUM is not None
        self._process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._session = aiohttp.ClientSession()
        try:
            port = await self._port()
            async with self._session.get(f"http://127.0.0.1:{port}/json") as answer:
                targets = await answer.json()
            (url,) = [each["webSocketDebuggerUrl"] for each in targets if each["type"] == "page"]
            self._socket = await self._session.ws_connect(url, max_msg_size=0)
            for domain in ("Page", "Runtime", "Log"):
                await self.call(f"{domain}.enable")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        self._process.kill()
        self._process.wait()

    async def _port(self) -> int:
        file = self._profile / "DevToolsActivePort"
        give_up = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < give_up:
            if file.exists() and (lines := file.read_text().split()):
                return int(lines[0])
            assert self._process.poll() is None, "the browser ended"
            await asyncio.sleep(0.05)
        raise AssertionError("the browser did not start")

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                message = json.loads(await self._socket.receive_str())
                if message.get("id") == number:
                    assert "error" not in message, message["error"]
                    result: dict[str, Any] = message["result"]
                    return result
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Keeps what the page complains of: errors of scripts, of loading, of its policy."""
        if message["method"] == "Runtime.exceptionThrown":
            self.messages.append(str(message["params"]["exceptionDetails"]))
        elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] in ("warning", "error"):
            entry = message["params"]["entry"]
            self.messages.append(f"{entry['text']} {entry.get('url', '')}")

    async def open(self, url: str) -> None:
        """Goes to a page."""
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        done = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def until(self, expression: str, what: str = "") -> Any:
        """Polls until an expression is true; returns its value."""
        give_up = time.monotonic() + DEADLINE_SECONDS
        expression = f"((found) => found instanceof Node ? true : found)({expression})"
        while time.monotonic() < give_up:
            # While a page is loading there may be nothing to ask about.
            found = await self.value(f"(() => {{ try {{ return {expression} }} catch {{ return null }} }})()")
            if found:
                return found
            await asyncio.sleep(0.05)
        shown = await self.value("document.body.innerText")
        raise AssertionError(f"{what or expression}: not within {DEADLINE_SECONDS} s; the page says: {shown[:2000]}")

    async def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Makes the window so large."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    async def theme(self, name: str) -> None:
        """`light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def picture(self, path: Path, *, whole: bool = True) -> None:
        """Takes a picture of the page."""
        done = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(done["data"]))

    async def press(self, key: str, code: int) -> None:
        """Presses and releases a key."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    async def type(self, text: str) -> None:
        """Types into what has the focus."""
        await self.call("Input.insertText", text=text)
