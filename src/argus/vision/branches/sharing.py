"""Models that are opened once each and shared by all who look with them, and how another takes over.

A model stands in a lane of its own, and a lane has one model for all its life. To swap is to open another
lane beside it and to move over those that it looks for: where that one cannot be opened, nothing has changed.
What a lane looks at is its own: crops those of `lane`, frames those of `argus.vision.engine.lane`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from argus.core.errors import ModelUnavailable
from argus.core.resources.model import ModelSpec

MemberT = TypeVar("MemberT")


class SharedLane(Protocol[MemberT]):
    """A model with the thread that runs it, and those that it looks for."""

    failure: ModelUnavailable | None
    """Why it takes nothing more; None: it works."""

    @property
    def members(self) -> tuple[MemberT, ...]:
        """Who is looked for."""
        ...

    def attach(self, member: MemberT, /) -> None:
        """Look for one more."""
        ...

    def detach(self, member: MemberT, /) -> None:
        """Look for it no longer; what was taken is finished."""
        ...

    def close(self) -> None:
        """Finish what was taken, and close the model; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lane is opened for; equal ones share it."""

    model: ModelSpec


WantedT = TypeVar("WantedT", bound=Wanted)
LaneT = TypeVar("LaneT", bound=SharedLane)  # type: ignore[type-arg]  # of whichever members


@dataclass(eq=False, slots=True)
class OpenLane(Generic[WantedT, LaneT]):
    """A lane and what it was opened for."""

    lane: LaneT
    spec: WantedT
    shared: bool = True
    """False: it was opened for one alone, whatever others want."""


class SharedLanes(Generic[WantedT, LaneT, MemberT]):
    """The open models of one kind. Safe from any thread; opening one blocks only who wants one."""

    def __init__(self, make: Callable[[WantedT], LaneT]) -> None:
        """Begin with none; `make` opens a model and starts its lane."""
        self._make = make
        self._lanes: tuple[OpenLane[WantedT, LaneT], ...] = ()
        self._closing: list[threading.Thread] = []
        self._closed = False
        self.changing = threading.RLock()
        """Held while a model is opened, so that two who want the same one share it; and by whoever opens one
        to move others to it, for what nobody uses is closed."""

    @property
    def all(self) -> tuple[OpenLane[WantedT, LaneT], ...]:
        """Those that are open."""
        return self._lanes

    def of(self, member: MemberT) -> OpenLane[WantedT, LaneT] | None:
        """Return the one that looks for somebody."""
        return next((opened for opened in self._lanes if member in opened.lane.members), None)

    def open(self, spec: WantedT, members: Collection[MemberT] = ()) -> OpenLane[WantedT, LaneT]:
        """Return the lane of a model, opened if it is not yet, or has failed.

        Args:
            spec: What is wanted.
            members: Who wants it: what was opened for them alone, and is what they want, looks on.

        Raises:
            ModelError: it cannot be opened.
        """
        with self.changing:
            if self._closed:
                raise ModelUnavailable(f"model {spec.model.path}: what would look with it was closed")
            for known in self._lanes:
                own = bool(members) and all(member in known.lane.members for member in members)
                if (known.shared or own) and known.spec == spec and known.lane.failure is None:
                    return known
            return self._add(OpenLane(self._make(spec), spec))

    def attach(
        self, member: MemberT, spec: WantedT, *, after: MemberT | None = None
    ) -> OpenLane[WantedT, LaneT]:
        """Let a model look for somebody, opened if need be, and no longer the one before.

        Args:
            member: For whom.
            spec: What is wanted.
            after: Whose place it takes: what was opened for that one alone may look on.

        Raises:
            ModelError: it cannot be opened; the one before looks on.
        """
        with self.changing:
            opened = self.open(spec, [member if after is None else after])
            self.move([member], opened)
            return opened

    def move(self, members: Iterable[MemberT], to: OpenLane[WantedT, LaneT]) -> None:
        """Let another lane look for some, from the next on that they bring; close what nobody uses then."""
        with self.changing:
            self.hand_over(members, to)
            self.retire()

    def hand_over(self, members: Iterable[MemberT], to: OpenLane[WantedT, LaneT]) -> None:
        """Do as `move` does and close nothing: others may be on their way to what was opened for them."""
        with self.changing:
            for member in members:
                before = self.of(member)
                if before is to:
                    continue
                to.lane.attach(member)
                if before is not None:
                    before.lane.detach(member)

    def release(self, member: MemberT) -> None:
        """Look for somebody no longer."""
        with self.changing:
            before = self.of(member)
            if before is not None:
                before.lane.detach(member)
            self.retire()

    def retire(self) -> None:
        """Close the models that nobody uses any more."""
        with self.changing:
            unused = [opened for opened in self._lanes if not opened.lane.members]
            self._lanes = tuple(opened for opened in self._lanes if opened not in unused)
            for opened in unused:
                # Beside, for closing waits for what is under way.
                closing = threading.Thread(target=opened.lane.close, name="argus-close-model", daemon=True)
                self._closing = [*(t for t in self._closing if t.is_alive()), closing]
                closing.start()

    def close(self) -> None:
        """Close all models; idempotent."""
        with self.changing:
            self._closed = True
            lanes, self._lanes = self._lanes, ()
            closing, self._closing = self._closing, []
        for opened in lanes:
            opened.lane.close()
        for thread in closing:
            thread.join()

    def _add(self, opened: OpenLane[WantedT, LaneT]) -> OpenLane[WantedT, LaneT]:
        self._lanes = (*self._lanes, opened)
        return opened
