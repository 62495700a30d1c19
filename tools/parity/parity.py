"""Print how every golden network fares on either engine and precision, as a Markdown table.

python tools/parity/parity.py DATA [--only NAME] [--precision f32,auto] [--verbose]
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import structlog

sys.path.insert(0, str(Path(__file__).parents[2]))

from tools.parity.golden import Score, compare, frames, golden_files, read_golden, thresholds

from argus.core.errors import ArgusError
from argus.vision.models import AsyncDetector, load_detector


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with golden/, images/ and models/")
    parser.add_argument("--only", default="", help="part of a network's name")
    parser.add_argument("--precision", default="f32,auto")
    parser.add_argument("--engine", default="openvino,onnxruntime,auto")
    parser.add_argument("--verbose", action="store_true", help="list what is missed, lost and extra")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    columns = "network|asked|runs on|golden|matched|lost|extra|max Δ|median Δ|masks ≥ 0.9|verdict"
    print(f"| {columns.replace('|', ' | ')} |")
    print("|---|---|---|--:|--:|--:|--:|--:|--:|--:|---|")
    failed = 0
    for file in golden_files(options.data):
        golden = read_golden(file)
        if options.only not in file.name:
            continue
        for engine in options.engine.split(","):
            for precision in options.precision.split(","):
                if (engine, precision) == ("auto", "f32"):
                    continue
                failed += not row(options.data, golden, engine, precision, verbose=options.verbose)
    return min(failed, 1)


def row(data: Path, golden: dict[str, object], engine: str, precision: str, *, verbose: bool) -> bool:
    """Print one line; return whether it is as it must be."""
    weights = data / str(golden["model"])
    limits = thresholds(golden)
    started = time.perf_counter()
    try:
        detector = load_detector(weights, engine=engine, precision=precision, **limits)
    except ArgusError as error:
        print(f"| {weights.stem} | {engine} {precision} | {error} |||||||| - |")
        return True
    loaded_s = time.perf_counter() - started
    score = Score()
    pairs = list(frames(data, golden))
    for (entry, _), seen in zip(pairs, detector.detect([frame for _, frame in pairs]), strict=True):
        compare(score, entry, seen, limits["confidence"])
    well = score.exact if precision == "f32" else score.faithful
    deltas = score.differences or [0.0]
    masks = f"{np.mean([v >= 0.9 for v in score.mask_ious]):.1%}" if score.mask_ious else ""
    runs_on = getattr(cast("AsyncDetector", detector), "description", "")
    print(
        f"| {weights.stem} | {engine} {precision} | {runs_on} "
        f"| {score.golden} | {score.matched} | {len(score.lost)} | {len(score.extra)} | "
        f"{max(deltas):.4f} | {np.median(deltas):.4f} | {masks} "
        f"| {'as asked' if well else 'NOT as asked'} |",
        flush=True,
    )
    if verbose:
        print(f"    loaded in {loaded_s:.2f} s")
        for kind in ("missed", "lost", "extra"):
            for line in getattr(score, kind):
                print(f"    {kind}: {line}")
        if score.mask_ious:
            print("    masks below 0.9:", [round(v, 3) for v in score.mask_ious if v < 0.9])
    detector.close()
    return well


if __name__ == "__main__":
    raise SystemExit(main())
