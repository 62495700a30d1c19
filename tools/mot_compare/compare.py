"""Our tracker beside those of the `trackers` package, on the MOT sequences with their given detections.

Run it with a Python that has `trackers` and `trackeval` and finds Argus; see README.md beside this file.
Every tracker gets the same detections and has one setting, its default, for all sequences.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tools.mot_compare.sequences import (
    SEQUENCES,
    Floats,
    Sequence,
    TrackFrame,
    follow,
    load_sequence,
    trackeval_data,
)

from argus.core.detections import Detections
from argus.vision.tracking import load_tracker

NAMES = ("HOTA", "MOTA", "IDF1", "switches")
ALL = "all frames"


def ours() -> TrackFrame:
    """Return Argus' tracker at its defaults."""
    tracker = load_tracker()

    def track(boxes: Floats, scores: Floats, time_s: float) -> tuple[Floats, NDArray[np.int64]]:
        class_id = np.zeros(len(boxes), np.int32)
        given = Detections(boxes.astype(np.float32), scores.astype(np.float32), class_id, ("person",))
        found = tracker.update(given, time_s)
        assert found.track_id is not None
        known = found.track_id > 0
        return found.xyxy[known].astype(np.float64), found.track_id[known]

    return track


def peer(kind: Callable[[], Any]) -> TrackFrame:
    """Return a tracker of the `trackers` package at its defaults."""
    import supervision as sv

    tracker = kind()

    def track(boxes: Floats, scores: Floats, time_s: float) -> tuple[Floats, NDArray[np.int64]]:
        del time_s  # their defaults count frames
        class_id = np.zeros(len(boxes), int)
        given = sv.Detections(boxes.astype(np.float32), None, scores.astype(np.float32), class_id)
        found = tracker.update(given)
        ids = np.asarray(found.tracker_id, np.int64) if len(found) else np.zeros(0, np.int64)
        return found.xyxy[ids >= 0].astype(np.float64), ids[ids >= 0]

    return track


def contenders() -> dict[str, Callable[[], TrackFrame]]:
    """Return what is compared: a name and how to make a fresh tracker."""
    import trackers

    peers = {
        "SORT": trackers.SORTTracker,
        "ByteTrack": trackers.ByteTrackTracker,
        "OC-SORT": trackers.OCSORTTracker,
    }
    made: dict[str, Callable[[], TrackFrame]] = {"Argus": ours}
    for name, kind in peers.items():
        made[f"trackers {name}"] = partial(peer, kind)
    return made


def measure(sequences: list[Sequence], make: Callable[[], TrackFrame]) -> dict[str, dict[str, float]]:
    """Return the metrics per sequence, their mean, and those of all frames taken as one."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    with contextlib.redirect_stdout(io.StringIO()):
        metrics = (HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False}))
    parts = {}
    for sequence in sequences:
        data = trackeval_data(sequence, list(follow(sequence, make())))
        parts[sequence.name] = [metric.eval_sequence(data) for metric in metrics]
    rows = {name: _figures(*results) for name, results in parts.items()}
    mean = {key: float(np.mean([row[key] for row in rows.values()])) for key in NAMES}
    whole = [
        metric.combine_sequences({name: results[i] for name, results in parts.items()})
        for i, metric in enumerate(metrics)
    ]
    return {**rows, "mean": mean, ALL: _figures(*whole)}


def _figures(hota: Any, clear: Any, identity: Any) -> dict[str, float]:
    return {
        "HOTA": 100 * float(np.mean(hota["HOTA"])),
        "MOTA": 100 * float(clear["MOTA"]),
        "IDF1": 100 * float(identity["IDF1"]),
        "switches": float(clear["IDSW"]),
    }


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return a markdown table: a line per sequence and tracker, then the means; the best of each in bold."""
    lines = [f"| sequence | tracker | {' | '.join(NAMES)} |", f"|---|---|{'---|' * len(NAMES)}"]
    for place in next(iter(results.values())):
        best = {
            key: (min if key == "switches" else max)(round(rows[place][key], 1) for rows in results.values())
            for key in NAMES
        }
        for tracker, rows in results.items():
            cells = [
                f"{rows[place][key]:.{0 if key == 'switches' and place != 'mean' else 1}f}" for key in NAMES
            ]
            bold = [
                f"**{cell}**" if round(rows[place][key], 1) == best[key] else cell
                for key, cell in zip(NAMES, cells, strict=True)
            ]
            lines.append(f"| {place} | {tracker} | {' | '.join(bold)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    here = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ARGUS_TEST_DATA", here)))
    parser.add_argument("--out", type=Path, help="write the table here as well")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    sequences = [load_sequence(chosen.data / "mot" / name) for name in SEQUENCES]
    text = table({name: measure(sequences, make) for name, make in contenders().items()})
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
