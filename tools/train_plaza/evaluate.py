"""Measure `builtin:plaza` on plazas it has never seen: `python tools/train_plaza/evaluate.py [--write]`.

Runs Argus' own predictor over pictures at their own sizes, by day and night, and prints the average
precision at IoU 0.5. Objects seen less than a quarter, or with a side under 6 pixels in the picture,
are ignored. `--write` puts the figures into the card beside the weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.evaluation import Evaluation, GroundTruth, evaluate
from argus.vision.models.load import load_detector
from argus.vision.pictures import ArrayPicture

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, when run as a script

from tools.train_plaza.pictures import EVAL_SEED, rendered

WEIGHTS = Path(__file__).parents[2] / "src" / "argus" / "vision" / "models" / "weights" / "plaza.onnx"
LABELS = ("person", "vehicle")


def main() -> None:
    """Measure, print, and perhaps write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--per-scene", type=int, default=4)
    parser.add_argument("--engine", default="onnxruntime", choices=["onnxruntime", "openvino"])
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    model = load_detector(
        str(given.weights), engine=given.engine, precision=given.precision, confidence=0.001, iou=0.6
    )
    usual = load_detector(str(given.weights), engine=given.engine, precision=given.precision)
    found: list[Detections] = []
    shown: list[Detections] = []
    truths: list[GroundTruth] = []
    spent: list[float] = []
    for image, truth in rendered(EVAL_SEED, given.scenes, given.per_scene):
        frame = Frame(ArrayPicture(image), "plaza", truth.index, truth.time_s, datetime.now(UTC))
        began = time.perf_counter()
        found.extend(model.detect([frame]))
        spent.append(time.perf_counter() - began)
        shown.extend(usual.detect([frame]))
        truths.append(truth.ground_truth())
    model.close()
    usual.close()
    result = evaluate(found, truths, LABELS)
    strict = evaluate(found, truths, LABELS, iou=0.75)
    defaults = evaluate(shown, truths, LABELS)
    for score in result.classes:
        print(f"{score.label:8s} AP50 {score.average_precision:.4f}  found {score.found} of {score.objects}")
    print(f"mAP50 {result.mean:.4f}  mAP75 {strict.mean:.4f}  {len(truths)} pictures")
    for score in defaults.classes:
        print(f"at the default thresholds: {score.label}, found {score.found}, false {score.false}")
    print(f"{given.engine} {given.precision}: {statistics.median(spent) * 1000:.1f} ms of `detect` a picture")
    if given.write:
        card = given.weights.with_suffix(".json")
        seeds = range(EVAL_SEED, EVAL_SEED + given.scenes)
        write(card, result, strict, defaults, seeds, len(truths))


def write(
    card: Path, result: Evaluation, strict: Evaluation, defaults: Evaluation, seeds: range, pictures: int
) -> None:
    """Put the figures into the card of the weights."""
    facts = json.loads(card.read_text())
    facts["evaluation"] = {
        "script": "tools/train_plaza/evaluate.py",
        "scene_seeds": [seeds[0], seeds[-1]],
        "pictures": pictures,
        "ignored": "objects less than 0.25 visible, or with a side under 6 pixels in the picture",
        "map50": round(result.mean, 4),
        "ap50": {score.label: round(score.average_precision, 4) for score in result.classes},
        "objects": {score.label: score.objects for score in result.classes},
        "map75": round(strict.mean, 4),
        "at_default_thresholds": {
            score.label: {"found": score.found, "false": score.false} for score in defaults.classes
        },
    }
    card.write_text(json.dumps(facts, indent=2) + "\n")
    print(f"wrote {card}")


if __name__ == "__main__":
    main()
