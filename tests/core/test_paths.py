"""Paths as people write them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, cast

import pytest

from argus.core.errors import ArgusError
from argus.core.paths import expanded
from argus.core.resources.manifest import read_drafts_text
from argus.core.resources.model import ModelSpec
from argus.storage.blobs import Blobs
from argus.stream.batch_files import recordings_of
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


TOO_LONG = f"{'a' * 300}.x"


def test_a_name_that_is_too_long_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgusError, match="File name too long"):
        open_source(TOO_LONG)
    with pytest.raises(ArgusError, match="there is no such file"):
        find_weights(ModelSpec(path=TOO_LONG))
    with pytest.raises(ArgusError, match="does not exist"):
        recordings_of(TOO_LONG, cast("Blobs", None))
    document = f"jobs: {{night: {{source: {TOO_LONG}, pipeline: p}}}}"
    [draft] = read_drafts_text(document, "here", folder=tmp_path)
    assert draft.spec["source"] == TOO_LONG


def test_a_folder_that_is_closed_to_us_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def closed(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith("/closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(ArgusError, match="Permission denied"):
        open_source("/closed/street.mp4")
    with pytest.raises(ArgusError, match="no such file"):
        find_weights(ModelSpec(path="/closed/x.onnx"))
