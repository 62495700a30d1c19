"""What classes are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import ModelUnreadable, SpecError, UnknownName
from argus.core.resources.model import ModelSpec
from argus.vision.models.labels import choose_labels, class_ids, labels_in_metadata, labels_of_spec


@pytest.mark.parametrize(
    "text",
    [
        "{0: 'cat', 1: 'dog'}",
        "['cat', 'dog']",
        '{"0": "cat", "1": "dog"}',
        "{1: 'dog', 0: 'cat'}",
    ],
)
def test_names_in_metadata_are_read_as_data(text: str) -> None:
    assert labels_in_metadata({"names": text}) == ("cat", "dog")


@pytest.mark.parametrize(
    "text", ["", "__import__('os').getpid()", "{0: 'cat', 2: 'dog'}", "'cat'", "{'a': 'b'}", "{"]
)
def test_names_that_are_no_list_of_names_are_no_names(text: str) -> None:
    assert labels_in_metadata({"names": text}) is None


def test_labels_of_the_spec_come_before_those_of_the_network() -> None:
    assert choose_labels("net", 2, ("a", "b"), ("cat", "dog")) == ("a", "b")


def test_a_wrong_number_of_labels_is_said_with_both_numbers() -> None:
    with pytest.raises(SpecError, match=r"net\.onnx: 1 labels were given for a network with 2 classes"):
        choose_labels("net.onnx", 2, ("a",), None)
    with pytest.raises(
        ModelUnreadable, match=r"its metadata name 3 classes and its outputs have 2.*`labels`"
    ):
        choose_labels("net.onnx", 2, None, ("a", "b", "c"))


def test_eighty_classes_without_names_are_those_of_coco() -> None:
    labels = choose_labels("net.onnx", 80, None, None)
    assert (labels[0], labels[2], labels[79]) == ("person", "car", "toothbrush")


def test_other_classes_without_names_are_numbered() -> None:
    assert choose_labels("net.onnx", 3, None, None) == ("class_0", "class_1", "class_2")


def test_a_file_of_labels_has_one_per_line(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("cat\n dog \n\n", encoding="utf-8")
    assert labels_of_spec(ModelSpec(path="net.onnx", labels=str(file))) == ("cat", "dog")


def test_the_mark_that_editors_put_before_a_text_is_no_part_of_the_first_label(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(b"\xef\xbb\xbfcat\r\ndog\r\n")
    assert labels_of_spec(ModelSpec(path="net.onnx", labels=str(file))) == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "fact"), [(None, "No such file"), (b"", "it is empty"), (b"\xff\xfe\x00", "no text in UTF-8")]
)
def test_a_file_of_labels_that_is_none_says_why(tmp_path: Path, content: bytes | None, fact: str) -> None:
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SpecError, match=fact):
        labels_of_spec(ModelSpec(path="net.onnx", labels=str(file)))


def test_wanted_classes_become_ids_and_unknown_ones_are_refused() -> None:
    assert class_ids(("person", "car", "bus"), ("bus", "person")) == frozenset({0, 2})
    assert class_ids(("person",), None) is None
    with pytest.raises(UnknownName, match=r"unknown class 'persn'; did you mean 'person'\?"):
        class_ids(("person", "car"), ("persn",))
