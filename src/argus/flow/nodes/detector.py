"""A node that looks at frames with a model, and says what is in them.

What models there are is `argus.vision.models`; what becomes of the objects is `tracker` and `zones`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from argus.core.errors import ArgusError, UnknownName
from argus.core.frame import Frame
from argus.core.resources.model import Engine, Precision, Side
from argus.core.resources.spec import Names, Spec
from argus.flow.node import ConsumerNode
from argus.flow.nodes.frame_detections import FrameDetections

if TYPE_CHECKING:
    from argus.core.detections import Detections
    from argus.vision.models.protocols import Detector as Model

_LOADED_WITH = frozenset(
    {"model", "iou", "engine", "device", "precision", "input_size", "threads", "trusted"}
)
"""Params that mean another model; the rest is a filter over what it finds."""


class Detector(ConsumerNode):
    """Takes frames (or pictures) and sends the `Detections` of each; by `frame` also the frame itself."""

    outputs: ClassVar[tuple[str, ...]] = ("out", "frame")

    class Params(Spec):
        """Which model, and what of its findings is sent. All can be changed while it runs."""

        model: str = Field(min_length=1)
        """A file, a name in the registry, or `builtin:people`, `builtin:motion`, `builtin:plaza`."""
        confidence: float | None = Field(default=None, ge=0, le=1)
        """Objects below this score are left out; None: as the model is registered, or 0.25."""
        classes: Names | None = None
        """Only objects of these classes; None: all."""
        iou: float | None = Field(default=None, ge=0, le=1)
        """See `ModelSpec`, as for those that follow; None: as the model is registered."""
        engine: Engine = "auto"
        device: str = Field(default="auto", min_length=1)
        precision: Precision = "auto"
        input_size: tuple[Side, Side] | None = None
        threads: int | None = Field(default=None, ge=1, le=1024)
        trusted: bool = False

    params: Params

    def setup(self) -> None:
        """Load the model.

        Raises:
            ModelError: it cannot be loaded.
            UnknownName: a class is none of the model's.
        """
        self._taken = self.params
        self._floor = self.params.confidence
        self._model: Model = self._loaded()
        self._expect_classes(self._model)

    def loop(self, data: Any) -> None:
        """Send what is in a frame."""
        frame = self._frame(data)
        [found] = self._model.detect([frame])
        self.send(FrameDetections.of(self._filtered(found), frame.width, frame.height))
        self.send(data, "frame")

    def on_params(self, changed: frozenset[str]) -> None:
        """Filter anew; load another model only where that is meant.

        Raises:
            ArgusError: that cannot be; all is as it was.
        """
        faint = self.params.confidence is None or (
            self._floor is not None and self.params.confidence < self._floor
        )
        new: Model | None = None
        try:
            if changed & _LOADED_WITH or ("confidence" in changed and faint):
                new = self._loaded()
            self._expect_classes(new or self._model)
        except ArgusError:
            if new is not None:
                new.close()
            self.params = self._taken
            raise
        self._taken = self.params
        if new is not None:
            old, self._model, self._floor = self._model, new, self.params.confidence
            old.close()

    def teardown(self) -> None:
        """Free the model."""
        model = getattr(self, "_model", None)
        if model is not None:
            model.close()

    def _loaded(self) -> Model:
        from argus.vision.models import load_detector

        params = self.params
        said: dict[str, Any] = {name: getattr(params, name) for name in _LOADED_WITH - {"model"}}
        said["confidence"] = params.confidence
        unsaid = {"engine": "auto", "device": "auto", "precision": "auto", "trusted": False}
        given = {k: v for k, v in said.items() if v is not None and unsaid.get(k) != v}
        if self.replicas == 1:
            given["streams"] = 1  # one frame at a time is looked at: on all cores
        model = load_detector(params.model, **given)
        self.log.info("detector.loaded", model=model.name, engine=getattr(model, "description", ""))
        return model

    def _expect_classes(self, model: Model) -> None:
        for name in self.params.classes or ():
            if model.labels and name not in model.labels:
                raise UnknownName("class", name, model.labels)

    def _filtered(self, found: Detections) -> Detections:
        import numpy as np

        keep = np.ones(len(found), np.bool_)
        if self.params.confidence is not None:
            keep &= found.confidence >= self.params.confidence
        if self.params.classes is not None:
            wanted = np.array([label in self.params.classes for label in found.labels], np.bool_)
            keep &= wanted[found.class_id]
        return found if keep.all() else found.take(keep)

    def _frame(self, data: Any) -> Frame:
        """Return the frame, also where a picture came without one."""
        if isinstance(data, Frame):
            return data
        from datetime import UTC, datetime, timedelta

        from argus.vision.pictures import ArrayPicture

        header = self.message.header if self.message is not None else None
        try:
            picture = ArrayPicture(data)
        except (AttributeError, ValueError) as error:
            kind = (
                f"an array of {data.dtype} {data.shape}"
                if hasattr(data, "dtype")
                else f"a {type(data).__name__}"
            )
            raise ArgusError(
                f"{self.name} got {kind}, and looks at frames: send it a Frame, or a picture as "
                "uint8 (H, W, 3) BGR"
            ) from error
        if header is None:
            return Frame(picture, self.name, 0, 0.0, datetime.now(UTC))
        at = datetime.now(UTC) - timedelta(seconds=max(0.0, header.age_s()))
        return Frame(picture, header.origin.source, header.origin.index, header.origin.time_s, at)
