"""A node that gives the objects of successive frames their ids.

How is `argus.vision.tracking`; one tracker per source, so that one node may follow several cameras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from argus.core.detections import Detections
from argus.core.errors import ArgusError
from argus.core.resources.track import TrackSpec
from argus.flow.node import ConsumerNode
from argus.flow.nodes.frame_detections import FrameDetections, size_of

if TYPE_CHECKING:
    from argus.vision.tracking.protocol import Tracker as Following
    from argus.vision.vocabulary import Vocabulary


class Tracker(ConsumerNode):
    """Takes `Detections` and sends the same with `track_id`. Give it all of them: DURABLE, or every frame.

    Its params are those of `TrackSpec`; changing them while it runs ends all tracks.
    """

    Params = TrackSpec
    params: TrackSpec

    def setup(self) -> None:
        """Begin without tracks.

        Raises:
            UnknownName: no such tracker.
            SpecError: it needs the picture, which does not come here.
        """
        from argus.vision.tracking import load_tracker

        if self.params.camera_motion or self.params.appearance_model is not None:
            raise ArgusError(
                f"{self.name}: camera_motion and appearance_model look at the picture, and only detections "
                "come here: leave them out, or track in a pipeline (`argus run`)"
            )
        load_tracker(self.params)
        self._sources: dict[str, tuple[Following, Vocabulary]] = {}

    def loop(self, data: Detections) -> Detections:
        """Return the detections with their ids."""
        if not isinstance(data, Detections):
            raise ArgusError(
                f"{self.name} got a {type(data).__name__}, and follows Detections: link it to a detector"
            )
        assert self.message is not None
        origin = self.message.header.origin
        following, vocabulary = self._of(origin.source)
        tracked = following.update(vocabulary.translate(data), origin.time_s)
        size = size_of(data)
        return tracked if size is None else FrameDetections.of(tracked, *size)

    def on_params(self, changed: frozenset[str]) -> None:
        """Begin anew."""
        self.setup()

    def _of(self, source: str) -> tuple[Following, Vocabulary]:
        if source not in self._sources:
            from argus.vision.tracking import load_tracker
            from argus.vision.vocabulary import Vocabulary

            self._sources[source] = load_tracker(self.params), Vocabulary()
        return self._sources[source]
