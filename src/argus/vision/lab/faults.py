"""What can go wrong with a camera of the lab, and what must be said of it.

A catalogue: nothing fails here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.camera import CameraState

CameraKind = Literal["synthetic", "rtsp"]

LOST_AFTER_S: Final = 5.0
"""`CameraSpec.lost_after` that the times below suppose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    name: str
    title: str
    """The same in words for people."""
    kinds: frozenset[CameraKind]
    """Cameras that can do it."""
    expect: CameraState | None
    """What must be said of the camera; None: nothing, and frames must simply go on."""
    within_s: float
    """Seconds after which it must have been said, at the defaults of `HealthSpec` and `LOST_AFTER_S`; where
    nothing must be said, seconds to watch that."""

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "fault": self.name,
            "title": self.title,
            "cameras": sorted(self.kinds),
            "expected": self.expect,
            "within_s": self.within_s,
        }


_BOTH: Final = frozenset[CameraKind](("synthetic", "rtsp"))
_RTSP: Final = frozenset[CameraKind](("rtsp",))
_GONE_S: Final = LOST_AFTER_S + 1.0

FAULTS: Final[tuple[Fault, ...]] = (
    Fault("freeze", "one picture again and again", _BOTH, "frozen", 15),
    Fault("black", "a black picture", _BOTH, "dark", 15),
    Fault("blur", "out of focus", _BOTH, "blurred", 15),
    Fault("cover", "something before the lens", _BOTH, "covered", 15),
    Fault("move", "looks elsewhere", _BOTH, "moved", 15),
    Fault("drop", "connections cut and refused", _BOTH, "lost", _GONE_S),
    Fault("stall", "no byte comes, the connection stays", _BOTH, "lost", _GONE_S),
    Fault("half-open", "the connection swallows all, new ones get no answer", _RTSP, "lost", _GONE_S),
    Fault("kill", "power cut, then power again", _RTSP, "lost", _GONE_S),
    Fault("wrong-codec", "serves a codec that nobody knows", _RTSP, "lost", _GONE_S),
    Fault("wrong-credentials", "wants another password", _BOTH, "lost", _GONE_S),
    Fault("slow-key-frames", "a whole picture every 10 s only", _RTSP, None, 15),
    Fault("resolution", "another size of picture", _BOTH, None, 12),
    Fault("clock-jump", "its clock jumps by an hour", _BOTH, None, 12),
    Fault("packet-loss", "three packets of a hundred are lost", _RTSP, None, 12),
    Fault("slow", "a line too thin for the stream", _RTSP, None, 12),
    Fault("corrupt", "some packets or pictures are damaged", _BOTH, None, 12),
)
"""In the order in which the lab goes through them."""


def fault_named(name: str, kind: CameraKind) -> Fault:
    """Return the fault of that name.

    Raises:
        UnknownName: there is none.
        SpecError: a camera of this kind cannot do it; the message lists what it can.
    """
    can = [fault.name for fault in FAULTS if kind in fault.kinds]
    for fault in FAULTS:
        if fault.name == name:
            if kind in fault.kinds:
                return fault
            raise SpecError(f"a camera of kind {kind!r} cannot do {name!r}; it can: {', '.join(can)}")
    raise UnknownName("fault", name, can)
