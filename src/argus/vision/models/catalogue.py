"""Detectors that can be pulled by a short name: permissive licences only, each with its checksum.

The checksums are those that several unrelated public projects state for the same addresses. A file
that differs is refused, so an entry can grow stale but never turn into something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argus.core.errors import UnknownName
from argus.vision.models.catalogue_labels import COCO
from argus.vision.models.pull_address import WeightsAddress

_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_HUB = "https://huggingface.co/onnx-community"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A detector that its authors let everybody use."""

    name: str
    title: str
    url: str
    sha256: str
    size_mb: float
    """Size of the download in millions of bytes."""
    input_size: tuple[int, int]
    """Width and height in pixels."""
    accuracy: float
    """Mean average precision on COCO val2017 (IoU 0.50:0.95), in percent, as its authors state it."""
    layout: str
    """How the output is read, as `ModelSpec.layout`."""
    origin: str
    """Where the authors publish it."""
    licence: str = "Apache-2.0"
    labels: tuple[str, ...] = COCO

    @property
    def address(self) -> WeightsAddress:
        """Where the weights lie, and what they must be."""
        return WeightsAddress(self.url, self.sha256)

    def to_json(self) -> dict[str, Any]:
        """Return what `argus models list --catalogue` prints."""
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "size_mb": self.size_mb,
            "input_size": list(self.input_size),
            "coco_map": self.accuracy,
            "labels": len(self.labels),
            "origin": self.origin,
            "url": self.url,
            "sha256": self.sha256,
        }


def _entries(*entries: CatalogueEntry) -> Mapping[str, CatalogueEntry]:
    return {entry.name: entry for entry in entries}


CATALOGUE = _entries(
    CatalogueEntry(
        name="yolox-nano",
        title="YOLOX-Nano",
        url=f"{_YOLOX}/yolox_nano.onnx",
        sha256="c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        size_mb=3.7,
        input_size=(416, 416),
        accuracy=25.8,
        layout="yolox",
        origin="https://github.com/Megvii-BaseDetection/YOLOX",
    ),
    CatalogueEntry(
        name="yolox-tiny",
        title="YOLOX-Tiny",
        url=f"{_YOLOX}/yolox_tiny.onnx",
        sha256="427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        size_mb=20.2,
        input_size=(416, 416),
        accuracy=32.8,
        layout="yolox",
        origin="https://github.com/Megvii-BaseDetection/YOLOX",
    ),
    CatalogueEntry(
        name="yolox-s",
        title="YOLOX-S",
        url=f"{_YOLOX}/yolox_s.onnx",
        sha256="c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        size_mb=35.9,
        input_size=(640, 640),
        accuracy=40.5,
        layout="yolox",
        origin="https://github.com/Megvii-BaseDetection/YOLOX",
    ),
    CatalogueEntry(
        name="nanodet-plus-m",
        title="NanoDet-Plus-m",
        url="https://github.com/RangiLyu/nanodet/releases/download/v1.0.0-alpha-1/nanodet-plus-m_416.onnx",
        sha256="59d2f166088889c902f523bf08079391993491324f0d84847e3c4016a8f7cc3d",
        size_mb=4.8,
        input_size=(416, 416),
        accuracy=30.4,
        layout="nanodet-plus",
        origin="https://github.com/RangiLyu/nanodet",
    ),
    CatalogueEntry(
        name="d-fine-n",
        title="D-FINE-N",
        url=f"{_HUB}/dfine_n_coco-ONNX/resolve/main/onnx/model.onnx",
        sha256="0f684f409618ee8a822410e754a29caa817d1aa16283ce89cad936d0a48e2f35",
        size_mb=15.3,
        input_size=(640, 640),
        accuracy=42.8,
        layout="detr",
        origin="https://github.com/Peterande/D-FINE",
    ),
    CatalogueEntry(
        name="d-fine-s",
        title="D-FINE-S",
        url=f"{_HUB}/dfine_s_coco-ONNX/resolve/a3cf03147a9b86c78475139115c8ac142577352d/onnx/model.onnx",
        sha256="cd8a49a945feda6d28c6304ae8ae85c2759ba1d78a5a83a22c5ce8db82ef7238",
        size_mb=41.5,
        input_size=(640, 640),
        accuracy=48.5,
        layout="detr",
        origin="https://github.com/Peterande/D-FINE",
    ),
    CatalogueEntry(
        name="d-fine-m",
        title="D-FINE-M",
        url=f"{_HUB}/dfine_m_coco-ONNX/resolve/main/onnx/model.onnx",
        sha256="70aaa837978a06ba44ad17398c7079ae5a1a7b1a9032b5d7053981e1ada02d6b",
        size_mb=78.6,
        input_size=(640, 640),
        accuracy=52.3,
        layout="detr",
        origin="https://github.com/Peterande/D-FINE",
    ),
    CatalogueEntry(
        name="rt-detr-v2-s",
        title="RT-DETRv2-S (ResNet-18)",
        url=f"{_HUB}/rtdetr_v2_r18vd-ONNX/resolve/936f90b6a476c6da4dfe053fc521af55285976ba/onnx/model.onnx",
        sha256="583a236ac21c95a7fd94f284fc21485e42355bfef82c27011ba78fbc09ee87e2",
        size_mb=81.1,
        input_size=(640, 640),
        accuracy=48.1,
        layout="detr",
        origin="https://github.com/lyuwenyu/RT-DETR",
    ),
)


def entry_named(name: str) -> CatalogueEntry:
    """Return the entry of a name.

    Raises:
        UnknownName: the catalogue has none; the message lists them.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise UnknownName("model of the catalogue", name, CATALOGUE) from None
