"""What is in a frame."""

from pydantic import BaseModel

from argus import ConsumerNode, Detections, Frame, load_detector


class Yolo(ConsumerNode):
    """Sends the detections of each frame. `argus flow set yolo confidence=0.6` works while it runs."""

    class Params(BaseModel):
        model: str
        confidence: float = 0.25

    def setup(self) -> None:
        self.detector = load_detector(self.params.model)

    def loop(self, data: Frame) -> Detections:
        [found] = self.detector.detect([data])
        return found.take(found.confidence >= self.params.confidence)

    def teardown(self) -> None:
        self.detector.close()
