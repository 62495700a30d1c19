"""Train `builtin:plaza` from nothing and write it as ONNX: `python tools/train_plaza/train.py`."""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import platform
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, when run as a script

from tools.train_plaza.losses import loss
from tools.train_plaza.network import Exported, PlazaNet, cell_centres
from tools.train_plaza.pictures import HEIGHT, TRAIN_SEED, WIDTH, Album, Sample

WEIGHTS = Path(__file__).parents[2] / "src" / "argus" / "vision" / "models" / "weights" / "plaza.onnx"
NAMES = {0: "person", 1: "vehicle"}


def main() -> None:
    """Render, train, export; measuring is `evaluate.py`'s work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--per-scene", type=int, default=12)
    parser.add_argument("--steps", type=int, default=3200, help="batches shown; the schedule follows them")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="1 where other work wants the cores")
    parser.add_argument("--window", type=int, nargs=2, default=(224, 352), help="height and width shown")
    parser.add_argument(
        "--whole", type=float, default=0.05, help="share of the time, at the end, with whole pictures"
    )
    parser.add_argument("--album", type=Path, default=Path(tempfile.gettempdir()) / "argus-plaza-album")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)

    began = time.perf_counter()
    album = Album(
        given.album / f"{given.scenes}x{given.per_scene}", TRAIN_SEED, given.scenes, given.per_scene
    )
    print(f"album: {len(album)} pictures, {time.perf_counter() - began:.0f} s", flush=True)
    net = PlazaNet(len(NAMES))
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters", flush=True)
    began = time.perf_counter()
    best, shown = train(net, album, given)
    spent = time.perf_counter() - began
    given.out.parent.mkdir(parents=True, exist_ok=True)
    export(best, given.out)
    card = {
        "name": "builtin:plaza",
        "script": "tools/train_plaza/train.py",
        "licence": "Apache-2.0",
        "seed": given.seed,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "parameters": sum(p.numel() for p in net.parameters()),
        "training": {
            "pictures": len(album),
            "scene_seeds": [TRAIN_SEED, TRAIN_SEED + given.scenes - 1],
            "seconds": round(spent),
            "steps": given.steps,
            "batch": given.batch,
            "epochs": round(shown / len(album), 1),
        },
        "input": [HEIGHT, WIDTH],
        "labels": list(NAMES.values()),
        "sha256": hashlib.sha256(given.out.read_bytes()).hexdigest(),
        "bytes": given.out.stat().st_size,
    }
    given.out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"{given.out}: {card['bytes']:,} bytes, {spent:.0f} s; now run tools/train_plaza/evaluate.py")


def train(net: PlazaNet, album: Album, given: argparse.Namespace) -> tuple[PlazaNet, int]:
    """Train for the given steps; return the averaged network and the number of pictures shown."""
    net.to(memory_format=torch.channels_last)  # with bf16, 2.9 times as fast as f32 on a CPU with AMX
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.03}, {"params": others, "weight_decay": 0.0}], lr=given.rate
    )
    average = copy.deepcopy(net).eval()
    began = time.perf_counter()
    shown = 0
    sums = [0.0, 0.0, 0]
    for step, samples in zip(range(given.steps), _ahead(album, given), strict=False):
        done = step / given.steps
        # Warm up, then down a cosine to nothing.
        rate = given.rate * min(1.0, (step + 1) / 60) * (0.5 * (1 + math.cos(math.pi * done)) * 0.98 + 0.02)
        for group in optimiser.param_groups:
            group["lr"] = rate
        images, truth, classes, real, ignored = _collate(samples)
        with torch.autocast("cpu", torch.bfloat16):
            logits, reach = net(images)
        centres = cell_centres(*images.shape[2:])
        score_loss, box_loss = loss(logits, reach, centres, truth, classes, real, ignored)
        total = score_loss + 2.0 * box_loss
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        shown += len(samples)
        keep = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for mine, theirs in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs, 1 - keep)
                else:
                    mine.copy_(theirs)
        sums = [sums[0] + score_loss.item(), sums[1] + box_loss.item(), sums[2] + 1]
        if step % 50 == 49:
            clock = time.perf_counter() - began
            print(
                f"{clock:5.0f} s  step {step + 1}  score {sums[0] / sums[2]:.3f}"
                f"  box {sums[1] / sums[2]:.3f}  {clock / shown * 1000:.1f} ms a picture",
                flush=True,
            )
            sums = [0.0, 0.0, 0]
    return average, shown


def _ahead(album: Album, given: argparse.Namespace) -> Iterator[list[Sample]]:
    """Yield batches, made a little ahead in another thread, the same ones for the same seed."""
    ready: queue.Queue[list[Sample]] = queue.Queue(4)

    def work() -> None:
        rng = np.random.default_rng(given.seed)
        order: list[int] = []
        for step in range(given.steps):
            if len(order) < given.batch:
                order.extend(rng.permutation(len(album)).tolist())
            numbers, order = order[: given.batch], order[given.batch :]
            # Whole pictures cost three times as much as windows: they come last, to settle the scores.
            height, width = given.window if step < (1 - given.whole) * given.steps else (HEIGHT, WIDTH)
            ready.put([album.varied(number, rng, height, width) for number in numbers])

    threading.Thread(target=work, daemon=True).start()
    for _ in range(given.steps):
        yield ready.get()


def _collate(samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    stack = np.stack([sample.image[..., ::-1] for sample in samples])
    images = torch.from_numpy(stack).permute(0, 3, 1, 2).to(memory_format=torch.channels_last).float() / 255
    asked = [~sample.ignore for sample in samples]
    most = max(1, *(int(a.sum()) for a in asked))
    spare = max(1, *(int((~a).sum()) for a in asked))
    truth, ignored = torch.zeros(len(samples), most, 4), torch.zeros(len(samples), spare, 4)
    classes, real = (
        torch.zeros(len(samples), most, dtype=torch.long),
        torch.zeros(len(samples), most, dtype=torch.bool),
    )
    for i, (sample, wanted) in enumerate(zip(samples, asked, strict=True)):
        n, k = int(wanted.sum()), int((~wanted).sum())
        truth[i, :n] = torch.from_numpy(sample.xyxy[wanted])
        classes[i, :n] = torch.from_numpy(sample.class_id[wanted]).long()
        real[i, :n] = True
        ignored[i, :k] = torch.from_numpy(sample.xyxy[~wanted])
    return images, truth, classes, real, ignored


def export(net: PlazaNet, path: Path) -> None:
    """Write the network as ONNX with the metadata that says how to read it."""
    import onnx

    whole = Exported(net.eval().to(memory_format=torch.contiguous_format), HEIGHT, WIDTH).eval()
    torch.onnx.export(
        whole,
        (torch.zeros(1, 3, HEIGHT, WIDTH),),
        str(path),
        input_names=["images"],
        output_names=["output0"],
        dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(path))
    facts = {
        "description": "Argus builtin:plaza, trained on the synthetic plaza",
        "author": "Argus",
        "license": "Apache-2.0",
        "task": "detect",
        "names": str(NAMES),
        "stride": "32",
        "imgsz": str([HEIGHT, WIDTH]),
        "batch": "1",
    }
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    # The exporter forgets what it could know of the output; readers choose a layout by it.
    shape = model.graph.output[0].type.tensor_type.shape
    shape.dim[1].dim_value, shape.dim[2].dim_value = 4 + len(NAMES), len(whole.centres)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


if __name__ == "__main__":
    main()
