"""How a model of each task is asked about crops: its words made into answers. No thread, and no queue.

Whose turn it is at the model is `lane`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from argus.vision.branches.asking import Answer, Named, Request
from argus.vision.branches.cutting import cut, evened, moved, part, pixels
from argus.vision.models.load import AnyModel, task_of
from argus.vision.models.protocols import Classification, Classifier, Detector, Embedder

Task = Literal["detect", "classify", "embed"]


def branch_task(model: AnyModel) -> Task:
    """Return what a model does for a branch; a segmenter is a detector."""
    kind = task_of(model)
    return "classify" if kind == "classify" else "embed" if kind == "embed" else "detect"


def answers_of(model: AnyModel, requests: Sequence[Request]) -> Sequence[Answer]:
    """Return what a model says of each picture, all asked in one call; boxes in pixels of the full frame.

    Raises:
        ModelUnavailable: the engine failed.
        ValueError: what it said makes no sense.
        Exception: whatever else a model raises.
    """
    task = branch_task(model)
    if task == "detect":
        return _detect(cast("Detector", model), requests)
    pictures = [pixels(request.frame, request.xyxy, request.margin) for request in requests]
    if task == "classify":
        answers: Sequence[Answer] = [_best(c) for c in cast("Classifier", model).classify(pictures)]
    else:
        answers = list(cast("Embedder", model).embed(pictures))
    if len(answers) != len(requests):
        raise ValueError(f"{len(answers)} answers for {len(requests)} pictures")
    return answers


def _detect(model: Detector, requests: Sequence[Request]) -> Sequence[Answer]:
    cuts = [cut(r.frame, r.xyxy, r.margin) for r in requests]
    places = [c and evened(r.frame, c) for r, c in zip(requests, cuts, strict=True)]
    frames = [
        r.frame if place is None else replace(r.frame, picture=part(r.frame, place))
        for r, place in zip(requests, places, strict=True)
    ]
    found = model.detect(frames)
    for seen in found:
        if len(seen) and not 0 <= int(seen.class_id.min()) <= int(seen.class_id.max()) < len(seen.labels):
            raise ValueError(f"class ids {seen.class_id.tolist()} for {len(seen.labels)} labels")
    return [
        seen if place is None else moved(seen, place[0], place[2])
        for seen, place in zip(found, places, strict=True)
    ]


def _best(classification: Classification) -> Named:
    best = int(np.argmax(classification.probabilities))
    return Named(classification.labels[best], float(classification.probabilities[best]))
