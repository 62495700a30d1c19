"""Frames of a video, at its own speed."""

from pydantic import BaseModel

from argus import Frame, ProducerNode, open_source


class Camera(ProducerNode):
    """Sends every frame of a source; `fps` in the system's file is its speed."""

    class Params(BaseModel):
        url: str

    def setup(self) -> None:
        self.source = open_source(self.params.url)
        self.frames = iter(self.source)

    def loop(self) -> Frame:
        frame = next(self.frames, None)
        if frame is None:
            self.finish()
        assert frame is not None
        return frame

    def teardown(self) -> None:
        self.source.close()
