"""Detect people and vehicles in a few frames of the built-in plaza, and print them."""

from argus import load_detector, open_source


def main() -> None:
    detector = load_detector("builtin:plaza")
    with open_source("synthetic:plaza?frames=5&fps=2&seed=3") as source:
        for frame in source:
            detections = detector.detect([frame])[0]
            found = ", ".join(
                f"{name} {score:.2f}"
                for name, score in zip(detections.class_name, detections.confidence.tolist(), strict=True)
            )
            print(f"{frame.time_s:4.1f} s: {found or 'nothing'}")
    detector.close()


if __name__ == "__main__":
    main()
