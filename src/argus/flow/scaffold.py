"""The folder of a new system, which runs at once: a drawn scene, a detector, a counter, a page.

Texts only; each is meant to be changed by whoever gets it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from argus.core.errors import OutputError, SpecError
from argus.core.paths import expanded

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_MAIN: Final = '''"""{name}: a camera, a detector, what is counted, and a page that shows it."""

from argus import QoS, System

sys = System("{name}")

camera = sys.node("nodes/camera", fps=10)
finder = sys.node("nodes/finder", confidence=0.4)
counter = sys.node("nodes/counter")
gateway = sys.node("argus.flow.nodes.gateway", port={port})

sys.link(camera).to(finder, qos=QoS.REALTIME).to(counter, qos=QoS.DURABLE)
sys.link(camera).to(gateway)
sys.link(finder).to(gateway)

if __name__ == "__main__":
    sys.run()
'''

_CAMERA: Final = '''"""Frames of a camera; without one, of a drawn plaza."""

from pydantic import BaseModel

from argus import Frame, ProducerNode, open_source


class Camera(ProducerNode):
    """Sends one frame per call of `loop`; how often that is, `fps` in main.py says."""

    class Params(BaseModel):
        """What can be set in main.py, and by `argus flow set camera …` while it runs."""

        url: str = "synthetic:plaza?fps=10"
        """A file, `rtsp://…`, `/dev/video0`, or a drawn scene."""

    params: Params

    def setup(self) -> None:
        """Open the source."""
        self.source = open_source(self.params.url)
        self.frames = iter(self.source)

    def loop(self) -> Frame | None:
        """Return the next frame, and end the stream after the last one."""
        frame = next(self.frames, None)
        if frame is None:
            self.finish()
        return frame

    def teardown(self) -> None:
        """Close the source."""
        self.source.close()

    def on_params(self, changed: frozenset[str]) -> None:
        """Open another source; where that fails, the one before goes on."""
        before = self.source
        self.setup()
        before.close()
'''

_FINDER: Final = '''"""What is in a frame."""

from pydantic import BaseModel, Field

from argus import ConsumerNode, Detections, Frame, load_detector


class Finder(ConsumerNode):
    """Sends the objects of each frame that it gets."""

    class Params(BaseModel):
        """What can be set in main.py, and by `argus flow set finder confidence=0.6` while it runs."""

        model: str = "builtin:plaza"
        """An ONNX file, a name of the registry, or one that is built in."""
        confidence: float = Field(default=0.25, ge=0, le=1)
        """Objects that score lower are left out."""

    params: Params

    def setup(self) -> None:
        """Load the model, once."""
        self.detector = load_detector(self.params.model, confidence=self.params.confidence)

    def loop(self, data: Frame) -> Detections:
        """Return what is in a frame."""
        return self.detector.detect([data])[0]

    def on_params(self, changed: frozenset[str]) -> None:
        """Load it again with what has changed."""
        self.setup()
'''

_COUNTER: Final = '''"""How many objects there are, once a second."""

from collections import Counter as Count

from argus import Detections, SinkNode


class Counter(SinkNode):
    """Prints; see it with `argus flow logs counter -f`."""

    def setup(self) -> None:
        """Begin at the first second."""
        self.next_s = 0.0

    def loop(self, data: Detections) -> None:
        """Print how many of each class a frame shows, at most once a second of the camera's time."""
        now_s = self.message.header.origin.time_s
        if now_s >= self.next_s:
            self.next_s = now_s + 1.0
            counts = Count(str(name) for name in data.class_name)
            found = ", ".join(f"{count} {name}" for name, count in counts.items())
            print(f"{now_s:7.1f} s: {found or 'nobody'}", flush=True)
'''

_TOML: Final = """# What this node needs besides Argus, for an image of its own (`argus deploy`).
[node]
file = "node.py"
dependencies = []
"""

_README: Final = """# {name}

```sh
argus flow run main.py
```

opens <http://127.0.0.1:{port}/dashboard>. Ctrl-C ends it.

| file | what it is |
|---|---|
| `main.py` | the nodes, and the links between them |
| `nodes/camera` | where frames come from: a drawn plaza, until you give it a camera |
| `nodes/finder` | a detector |
| `nodes/counter` | prints what was found |

Then:

```sh
argus flow top                            # rates, ages and drops of every node and link
argus flow set finder confidence=0.6      # changes it while it runs
argus flow graph main.py --format svg -o graph.svg
argus flow run main.py --debug            # one process, one thread: breakpoints work
argus flow run main.py --params camera.url=rtsp://user:secret@10.0.0.5/stream1
```
"""


def scaffold(folder: str | Path, *, port: int = 8080) -> list[Path]:
    """Write a new system into a folder that does not exist, or is empty; return the files.

    Args:
        folder: Its name becomes the system's.
        port: Where its page will be.

    Raises:
        SpecError: the folder holds something, or its name cannot be a system's.
        OutputError: it cannot be written.
    """
    path = expanded(folder)
    name = path.absolute().name
    if not _LABEL.fullmatch(name):
        raise SpecError(
            f"{name}: this becomes the system's name, which has small letters, digits and dashes, at most 63"
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SpecError(f"{path}: something is there already: name a folder that is not")
    texts = {
        "main.py": _MAIN.format(name=name, port=port),
        "README.md": _README.format(name=name, port=port),
        **{f"nodes/{node}/node.py": text for node, text in _NODES.items()},
        **{f"nodes/{node}/node.toml": _TOML for node in _NODES},
    }
    try:
        for file, text in texts.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(path, error.strerror or error) from error
    return [path / file for file in texts]


_NODES: Final = {"camera": _CAMERA, "finder": _FINDER, "counter": _COUNTER}
