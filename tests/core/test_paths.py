"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import ArgusError
from argus.core.paths import expanded
from argus.core.resources.model import ModelSpec
from argus.vision.models.load import find_weights
from argus.vision.sources import open_source

NOBODY = "~nobody-of-this-name/x.onnx"


def test_a_home_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded("~/a/x.onnx") == Path("/home/ada/a/x.onnx")
    assert expanded(Path("~/a")) == Path("/home/ada/a")
    assert expanded("a/~b") == Path("a/~b")


def test_the_home_of_nobody_is_a_file_that_is_not_there() -> None:
    assert expanded(NOBODY) == Path(NOBODY)
    with pytest.raises(ArgusError, match="nobody-of-this-name"):
        open_source(NOBODY)
    with pytest.raises(ArgusError, match="nobody-of-this-name"):
        find_weights(ModelSpec(path=NOBODY))
