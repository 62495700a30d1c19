"""A node that gives the objects of successive frames their ids.

How is `argus.vision.tracking`; one tracker per source, so that one node may follow several cameras.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from argus.core.detections import Detections
from argus.core.errors import ArgusError
from argus.core.resources.track import TrackSpec
from argus.flow.node import ConsumerNode
from argus.flow.nodes.frame_detections import FrameDetections, size_of

if TYPE_CHECKING:
    from argus.vision.tracking.protocol import Tracker as Following
    from argus.vision.vocabulary import Vocabulary


_SAY_AGAIN_S: Final = 10.0


class Tracker(ConsumerNode):
    """Takes `Detections` and sends the same with `track_id`. Give it all of them: DURABLE, or every frame.

    They must come in order. What comes after something newer is left out and said: behind replicas, link it
    `QoS.DURABLE(ordered=True)`. Its params are those of `TrackSpec`; changing them while it runs ends all
    tracks.
    """

    Params = TrackSpec
    params: TrackSpec

    def setup(self) -> None:
        """Begin without tracks.

        Raises:
            UnknownName: no such tracker.
            SpecError: it needs the picture, which does not come here.
        """
        from argus.vision.tracking import load_solver, load_tracker

        if self.params.camera_motion or self.params.appearance_model is not None:
            raise ArgusError(
                f"{self.name}: camera_motion and appearance_model look at the picture, and only detections "
                "come here: leave them out, or track in a pipeline (`argus run`)"
            )
        load_tracker(self.params)
        # Beside, so that neither what starts nor the first crowd waits for it.
        threading.Thread(target=load_solver, name="argus-settle").start()
        self._sources: dict[str, tuple[Following, Vocabulary]] = {}
        self._newest: dict[str, tuple[int, int]] = {}
        self._late, self._said_s = 0, float("-inf")

    def loop(self, data: Detections) -> Detections | None:
        """Return the detections with their ids."""
        if not isinstance(data, Detections):
            raise ArgusError(
                f"{self.name} got a {type(data).__name__}, and follows Detections: link it to a detector"
            )
        assert self.message is not None
        origin = self.message.header.origin
        at = origin.life, origin.index
        if at < self._newest.get(origin.source, at):
            self._leave_out()
            return None
        self._newest[origin.source] = at
        following, vocabulary = self._of(origin.source)
        tracked = following.update(vocabulary.translate(data), origin.time_s)
        size = size_of(data)
        return tracked if size is None else FrameDetections.of(tracked, *size)

    def on_params(self, changed: frozenset[str]) -> None:
        """Begin anew."""
        self.setup()

    def _leave_out(self) -> None:
        self._late += 1
        now_s = time.monotonic()
        if now_s - self._said_s >= _SAY_AGAIN_S:
            self._said_s = now_s
            self.log.warning(
                "tracker.out_of_order",
                left_out=self._late,
                remedy="behind replicas, link it QoS.DURABLE(ordered=True)",
            )

    def _of(self, source: str) -> tuple[Following, Vocabulary]:
        if source not in self._sources:
            from argus.vision.tracking import load_tracker
            from argus.vision.vocabulary import Vocabulary

            self._sources[source] = load_tracker(self.params), Vocabulary()
        return self._sources[source]
