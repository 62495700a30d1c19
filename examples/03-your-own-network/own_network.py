"""Load an ONNX network by its path, say how to run it, and see what it is and finds.

Usage: own_network.py [WEIGHTS [SOURCE]]; without weights, a copy of the network that ships with Argus.
"""

import sys
import tempfile
from importlib import resources
from pathlib import Path

from argus import ModelSpec, load_detector, open_source


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "mine.onnx"
        if len(sys.argv) == 1:
            shipped = resources.files("argus.vision.models") / "weights" / "plaza.onnx"
            weights.write_bytes(shipped.read_bytes())
        source = sys.argv[2] if len(sys.argv) > 2 else "synthetic:plaza?frames=5&fps=2"
        spec = ModelSpec(path=str(weights), confidence=0.4, engine="auto", precision="f32")
        detector = load_detector(spec)
        print(f"{detector.name} knows {', '.join(detector.labels)}")
        with open_source(source) as frames:
            for frame in frames:
                print(f"frame {frame.index}: {len(detector.detect([frame])[0])} objects")
        detector.close()


if __name__ == "__main__":
    main()
