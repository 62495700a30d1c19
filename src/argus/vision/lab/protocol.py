"""What a camera of the lab is: something that can be opened, and that fails when it is told to."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from argus.vision.lab.faults import CameraKind


class LabCamera(Protocol):
    """Runs from its making until `close`. Its methods may be called from any thread."""

    @property
    def kind(self) -> CameraKind:
        """Which faults it can do."""
        ...

    @property
    def url(self) -> str:
        """What `open_source` and a `CameraSpec` are given."""
        ...

    def begin(self, fault: str) -> None:
        """Fail so from now on; returns when it does. A fault in force is healed first.

        What is on its way already, in the network and in decoders, still arrives.

        Raises:
            SpecError: there is no such fault, or this camera cannot do it.
        """
        ...

    def heal(self) -> None:
        """Be as before; returns when a newcomer would get pictures. Nothing happens without a fault."""
        ...

    def close(self) -> None:
        """Switch it off; idempotent."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        ...
