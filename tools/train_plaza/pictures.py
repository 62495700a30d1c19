"""Pictures to learn from: many plazas of many sizes, rendered once, varied every time they are shown.

Training seeds and evaluation seeds never meet: the former start at 10 000, the latter at 900 000.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.vision.synthetic import Plaza, PlazaTruth

HEIGHT, WIDTH = 384, 640
TRAIN_SEED, EVAL_SEED = 10_000, 900_000
SIZES = (
    (1280, 720),
    (1280, 720),
    (640, 360),
    (640, 360),
    (960, 540),
    (854, 480),
    (480, 270),
    (640, 480),
    (800, 600),
    (1920, 1080),
)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture as the network gets it."""

    image: NDArray[np.uint8]
    """(HEIGHT, WIDTH, 3) BGR, letterboxed on 114."""
    xyxy: NDArray[np.float32]
    """(N, 4) pixels of `image`."""
    class_id: NDArray[np.int32]
    ignore: NDArray[np.bool_]
    """(N,) True where an object is not asked for."""


def letterbox(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float, float, float]:
    """Return the picture scaled into the middle of the input, the scale, and the left and top margin."""
    height, width = image.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    w, h = round(width * scale), round(height * scale)
    canvas = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
    left, top = (WIDTH - w) // 2, (HEIGHT - h) // 2
    canvas[top : top + h, left : left + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return canvas, scale, left, top


def rendered(first_seed: int, scenes: int, per_scene: int) -> Iterator[tuple[NDArray[np.uint8], PlazaTruth]]:
    """Yield `per_scene` pictures, at their own size, of each of `scenes` plazas, and what is in them."""
    for seed in range(first_seed, first_seed + scenes):
        rng = np.random.default_rng(seed)
        width, height = SIZES[seed % len(SIZES)]
        people = int(rng.integers(0, 22)) if rng.random() < 0.7 else 8
        vehicles, night = int(rng.integers(0, 7)), bool(rng.random() < 0.2)
        plaza = Plaza(width, height, 25, people, vehicles, seed, night=night)
        for _ in range(per_scene):
            yield plaza.render(int(rng.integers(0, 25 * 600)))


def _boxed(image: NDArray[np.uint8], truth: PlazaTruth) -> Sample:
    boxed, scale, left, top = letterbox(image)
    xyxy = truth.xyxy * np.float32(scale) + np.array([left, top, left, top], np.float32)
    return Sample(boxed, xyxy, truth.class_id, truth.ground_truth().ignore)


def _worn(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the picture as a worse camera or a compressed stream would give it."""
    if rng.random() < 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2))), np.uint8)
    if rng.random() < 0.25:
        grain = rng.normal(0, rng.uniform(2, 9), image.shape)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


class Album:
    """Rendered pictures in one file on disk, and the variation they are shown with."""

    def __init__(self, folder: Path, first_seed: int, scenes: int, per_scene: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        pictures, labels = folder / "pictures.npy", folder / "labels.npz"
        count = scenes * per_scene
        if not labels.exists():
            store = np.lib.format.open_memmap(pictures, "w+", np.uint8, (count, HEIGHT, WIDTH, 3))
            rows = []
            rng = np.random.default_rng([first_seed, scenes])
            for number, (image, truth) in enumerate(rendered(first_seed, scenes, per_scene)):
                sample = _boxed(_worn(image, rng), truth)
                store[number] = sample.image
                for box, class_id, ignore in zip(sample.xyxy, sample.class_id, sample.ignore, strict=True):
                    rows.append((number, *box.tolist(), int(class_id), int(ignore)))
            store.flush()
            np.savez(labels, rows=np.array(rows, np.float32).reshape(-1, 7))
        self._pictures = np.load(pictures, mmap_mode="r")
        rows_by = np.load(labels)["rows"]
        self._rows = [rows_by[rows_by[:, 0] == number, 1:] for number in range(count)]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._rows)

    def varied(self, number: int, rng: np.random.Generator, height: int, width: int) -> Sample:
        """Return a window of (height, width) of the picture, scaled, turned over and recoloured at random."""
        image = self._pictures[number]
        rows = self._rows[number].copy()
        # Half of the windows look for somebody, so that few of them are empty.
        scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.5))))
        w, h = width / scale, height / scale
        if len(rows) and rng.random() < 0.7:
            box = rows[int(rng.integers(len(rows)))]
            cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            x0, y0 = cx - rng.uniform(0.1, 0.9) * w, cy - rng.uniform(0.1, 0.9) * h
        else:
            x0, y0 = rng.uniform(-0.1, 1.1) * (WIDTH - w), rng.uniform(-0.1, 1.1) * (HEIGHT - h)
        x0 = float(np.clip(x0, min(-0.1 * w, WIDTH - 0.9 * w), max(-0.1 * w, WIDTH - 0.9 * w)))
        y0 = float(np.clip(y0, min(-0.1 * h, HEIGHT - 0.9 * h), max(-0.1 * h, HEIGHT - 0.9 * h)))
        flip = rng.random() < 0.5
        matrix = np.array([[scale, 0, -x0 * scale], [0, scale, -y0 * scale]])
        if flip:
            matrix[0] = (-scale, 0, width + x0 * scale)
        window = cv2.warpAffine(
            image,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(114, 114, 114),
        )
        if len(rows):
            xs, ys = (rows[:, 0:3:2] - x0) * scale, (rows[:, 1:4:2] - y0) * scale
            if flip:
                xs = width - xs[:, ::-1]
            whole = (xs[:, 1] - xs[:, 0]) * (ys[:, 1] - ys[:, 0])
            xs, ys = xs.clip(0, width), ys.clip(0, height)
            left = (xs[:, 1] - xs[:, 0]) * (ys[:, 1] - ys[:, 0])
            keep = left > 4
            slim = np.minimum(xs[:, 1] - xs[:, 0], ys[:, 1] - ys[:, 0]) < 3
            ignore = (rows[:, 5] > 0) | (left < 0.3 * whole) | slim
            boxes = np.stack((xs[:, 0], ys[:, 0], xs[:, 1], ys[:, 1]), 1)[keep]
            classes, ignore = rows[keep, 4], ignore[keep]
        else:
            boxes, classes, ignore = np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool)
        return Sample(
            _recoloured(np.asarray(window, np.uint8), rng),
            boxes.astype(np.float32),
            classes.astype(np.int32),
            ignore,
        )


def _recoloured(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        turn, colour = rng.integers(-8, 9), rng.uniform(0.6, 1.4)
        table = np.arange(256)
        hue = ((table + turn) % 180).astype(np.uint8)
        saturation = np.clip(table * colour, 0, 255).astype(np.uint8)
        tables = np.stack((hue, saturation, table.astype(np.uint8)), 1)[None]
        image = np.asarray(cv2.cvtColor(cv2.LUT(hsv, tables), cv2.COLOR_HSV2BGR), np.uint8)
    gain, shift = rng.uniform(0.65, 1.35), rng.uniform(-20, 20)
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain, beta=max(shift, 0.0)), np.uint8)
