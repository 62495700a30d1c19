"""A real RTSP camera of the lab: GStreamer's server and encoder in a process, behind a network that can fail.

What happens to the picture and to the server is asked of the process (`rtsp_process`), what happens on
the way of the proxy (`proxy`).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self, cast

import cv2
from pydantic import ValidationError

from argus.core.errors import ArgusError, SpecError
from argus.core.frame import Image
from argus.vision.lab.carrier import Weather
from argus.vision.lab.effects import EFFECTS
from argus.vision.lab.faults import fault_named
from argus.vision.lab.film import film_of
from argus.vision.lab.packets import PacketEdit, damaged, lost, shifted
from argus.vision.lab.proxy import Proxy
from argus.vision.lab.rtsp_process import RtspProcess

_USER: Final = "lab"
_NEEDED: Final = 0.4
"""Bytes per pixel and second, about, that the stream takes; a slow line carries half of it."""
_KEY_EVERY_S: Final = 1.0
_WEATHER: Final[dict[str, Weather]] = {"drop": "cut", "stall": "stalled", "half-open": "half-open"}
_EDITS: Final[dict[str, Callable[[int], PacketEdit]]] = {
    "packet-loss": lambda seed: lost(0.03, seed),
    "corrupt": lambda seed: damaged(0.05, seed),
    "clock-jump": lambda _: shifted(3600.0),
}
"""By the name of the fault; a seed chooses the packets."""


class RtspCamera:
    """See `LabCamera`; runs from here on.

    It carries its stream over TCP alone, and encodes while somebody watches.
    """

    kind: Literal["rtsp"] = "rtsp"

    def __init__(
        self, *, width: int = 320, height: int = 240, fps: float = 10.0, people: int = 5, seed: int = 7
    ) -> None:
        """Draw what it sees, and start it.

        Args:
            width: Columns of the picture, divisible by 16.
            height: Rows, likewise.
            fps: Pictures per second.
            people: How many come and go; 0 leaves the square empty.
            seed: Chooses the square and the people, and which packets are harmed: others at each `begin`.

        Raises:
            SpecError: a value is out of range.
            ArgusError: GStreamer's server does not start; the message names what to install.
        """
        if width % 16 or height % 16:
            raise SpecError(
                f"size {width}x{height}: both sides of an encoded picture must be divisible by 16"
            )
        try:
            self._film = film_of(width, height, fps, people, seed)
        except ValidationError as error:
            facts = "; ".join(f"{one['loc'][0]}={one['input']}: {one['msg']}" for one in error.errors())
            raise SpecError(f"the RTSP camera of the lab: {facts}") from None
        self._fps = fps
        self._pixels = width * height
        self._seed = seed
        self._password = secrets.token_hex(8)
        self._turn = threading.Lock()
        self._fault: str | None = None
        self._closed = False
        self._process = self._started()
        try:
            self._proxy = Proxy(self._process.port)
        except BaseException:
            self._process.kill()
            raise

    @property
    def url(self) -> str:
        """What `open_source` and a `CameraSpec` are given; the password is this camera's own."""
        return f"rtsp://{_USER}:{self._password}@127.0.0.1:{self._proxy.port}/camera"

    @property
    def pid(self) -> int:
        """The number of the server's process; another one after `kill` was healed."""
        return self._process.pid

    def begin(self, fault: str) -> None:
        """Fail so from now on; see `LabCamera.begin`.

        Raises:
            ArgusError: the camera is closed, or its server does not obey.
        """
        name = fault_named(fault, self.kind).name
        with self._turn:
            self._expect_open()
            self._heal()
            self._fault = name
            self._begin(name)

    def heal(self) -> None:
        """Be as before; see `LabCamera.heal`.

        Raises:
            ArgusError: the camera is closed, or its server does not obey.
        """
        with self._turn:
            self._expect_open()
            self._heal()

    def close(self) -> None:
        """End the server and the network; idempotent."""
        with self._turn:
            self._closed = True
            self._proxy.close()
            self._process.kill()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _begin(self, fault: str) -> None:
        tell = self._process.tell
        if fault in _WEATHER:
            self._proxy.set_weather(_WEATHER[fault])
        elif fault in _EDITS:
            self._seed += 1
            self._proxy.set_edit(_EDITS[fault](self._seed))
        elif fault in EFFECTS:
            self._show(self._process, fault)
        elif fault == "freeze":
            tell("hold", on=True)
        elif fault == "slow-key-frames":
            tell("key-frames", every_s=10.0)
        elif fault == "slow":
            self._proxy.set_limit(_NEEDED / 2 * self._pixels)
        elif fault == "wrong-codec":
            tell("serve", stream="unknown")
            self._proxy.cut()
        elif fault == "wrong-credentials":
            tell("credentials", user=_USER, password=secrets.token_hex(8))
            self._proxy.cut()
        elif fault == "kill":
            self._process.kill()
            self._proxy.set_weather("cut")  # nobody listens: the proxy is not to be seen

    def _heal(self) -> None:
        fault = self._fault
        tell = self._process.tell
        if fault in _WEATHER:
            self._proxy.set_weather("fair")
        elif fault in _EDITS:
            self._proxy.set_edit(None)
        elif fault in EFFECTS:
            self._show(self._process, None)
        elif fault == "freeze":
            tell("hold", on=False)
        elif fault == "slow-key-frames":
            tell("key-frames", every_s=_KEY_EVERY_S)
        elif fault == "slow":
            self._proxy.set_limit(None)
        elif fault == "wrong-codec":
            tell("serve", stream="video")
            self._proxy.cut()
        elif fault == "wrong-credentials":
            tell("credentials", user=_USER, password=self._password)
        elif fault == "kill":
            self._process = self._started()
            self._proxy.set_upstream(self._process.port)
            self._proxy.set_weather("fair")
        self._fault = None  # not before: what could not be healed is tried again

    def _started(self) -> RtspProcess:
        process = RtspProcess(self._fps)
        try:
            process.tell("credentials", user=_USER, password=self._password)
            process.tell("key-frames", every_s=_KEY_EVERY_S)
            self._show(process, None)
        except BaseException:
            process.kill()
            raise
        return process

    def _show(self, process: RtspProcess, fault: str | None) -> None:
        """Have the film played, with what this fault does to its pictures."""
        pictures = self._film.loop()
        if fault is not None:
            pictures = [EFFECTS[fault](picture, index) for index, picture in enumerate(pictures)]
        height, width = pictures[0].shape[:2]
        payload = b"".join(_planes(picture) for picture in pictures)
        process.tell("play", width=width, height=height, pictures=len(pictures), payload=payload)

    def _expect_open(self) -> None:
        if self._closed:
            raise ArgusError("the RTSP camera of the lab is closed: make another")


def _planes(picture: Image) -> bytes:
    """Return a picture as I420: brightness, then both colours at half the size."""
    return cast("bytes", cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes())
