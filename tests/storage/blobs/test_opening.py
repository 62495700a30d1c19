"""An address says which store of blobs is meant, or why none is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from argus.core.errors import MissingExtra, SpecError, UnknownName
from argus.storage.blob_folder import FolderBlobs
from argus.storage.opening import open_blobs


def test_a_path_and_a_file_address_are_a_folder(tmp_path: Path) -> None:
    open_blobs(str(tmp_path / "one two")).put("a", b"x")
    found = open_blobs(f"file://{tmp_path}/one%20two")
    assert isinstance(found, FolderBlobs)
    assert [info.key for info in found.list()] == ["a"]


def test_memory_of_one_name_is_one_store() -> None:
    open_blobs("memory://here").put("a/b", b"x")
    assert [info.key for info in open_blobs("memory://here").list()] == ["a/b"]
    assert list(open_blobs("memory://elsewhere").list()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "an empty address"),
        ("ftp://host/x", "unknown kind of address for blobs 'ftp://'"),
        ("s3:///x", "the bucket is missing"),
        ("s3://key:verysecret@bucket/x", "credentials do not belong here"),
        ("s3://bucket/../x", "leads to another folder"),
        ("s3://bucket/x?endpoint=http://minio", "did you mean 'endpoint_url'"),
        ("gs://bucket?endpoint_url=x", "unknown option"),
        ("file://otherhost/x", "file:///PATH"),
        ("file://", "file:///PATH"),
        ("s3://[::1", "no address"),
    ],
)
def test_an_impossible_address_is_refused_without_its_secrets(url: str, message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("?", r"\?")) as caught:
        open_blobs(url)
    assert "verysecret" not in str(caught.value)


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"file://, gs://, memory://, s3://"):
        open_blobs("azure://x")


@pytest.mark.parametrize(
    ("url", "module", "extra"), [("s3://b/x", "s3fs", "s3"), ("gs://b/x", "gcsfs.core", "gcs")]
)
def test_a_missing_extra_is_named(url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    with pytest.raises(MissingExtra, match=rf"argus-vision\[{extra}\]"):
        open_blobs(url)
