"""The registry of models: versions, fingerprints, damage."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from argus.core.errors import ModelUnreadable, OutputError, SpecError, UnknownName
from argus.vision.models.registry import ModelFacts, Registry
from argus.vision.models.registry_files import verify
from argus.vision.models.registry_lock import locked


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def weights(folder: Path, content: bytes = b"weights", name: str = "net.onnx") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_registered_model_is_found_by_its_name(registry: Registry, tmp_path: Path) -> None:
    registry.register(weights(tmp_path), name="people")
    assert registry.resolve("people").path.read_bytes() == b"weights"


def test_the_record_tells_all_that_is_known(registry: Registry, tmp_path: Path) -> None:
    facts = ModelFacts(
        task="detect",
        layout="yolov8",
        labels=("person", "car"),
        input_size=(640, 384),
        licence="MIT",
        reading={"layout": "yolov8"},
        metadata={"author": "somebody"},
    )
    before = datetime.now(UTC)
    made = registry.register(
        weights(tmp_path), name="people", source="https://example.org/net.onnx", facts=facts
    )
    told = registry.find("people").to_json()
    assert told["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert (told["name"], told["version"], told["task"], told["layout"]) == (
        "people",
        "1",
        "detect",
        "yolov8",
    )
    assert (told["labels"], told["input_size"], told["licence"]) == (["person", "car"], [640, 384], "MIT")
    assert (told["size_bytes"], told["source"]) == (7, "https://example.org/net.onnx")
    assert told["metadata"] == {"author": "somebody"}
    assert before <= made.model.record.created <= datetime.now(UTC)
    assert made.model.overrides == {"labels": ["person", "car"], "layout": "yolov8"}


def test_new_content_is_the_next_version_and_the_name_alone_means_the_newest(
    registry: Registry, tmp_path: Path
) -> None:
    for content in (b"one", b"two", b"three"):
        registry.register(weights(tmp_path, content), name="people")
    assert registry.resolve("people").record.reference == "people@3"
    assert registry.resolve("people@2").path.read_bytes() == b"two"


def test_the_same_content_is_registered_once(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(weights(tmp_path), name="people")
    again = registry.register(weights(tmp_path, name="renamed.onnx"), name="people")
    assert (first.created, again.created) == (True, False)
    assert again.model.record == first.model.record
    assert len(registry.models()) == 1


def test_the_same_weights_read_in_another_way_are_another_version(registry: Registry, tmp_path: Path) -> None:
    facts = [
        ModelFacts(labels=("person",)),
        ModelFacts(labels=("human",)),
        ModelFacts(reading={"layout": "yolox"}),
    ]
    made = [registry.register(weights(tmp_path), name="people", facts=told).model.record for told in facts]
    assert [record.version for record in made] == ["1", "2", "3"]
    assert len({record.fingerprint for record in made}) == 3
    assert len({record.sha256 for record in made}) == 1


def test_a_version_can_be_given_and_numbers_go_on_after_the_highest(
    registry: Registry, tmp_path: Path
) -> None:
    registry.register(weights(tmp_path, b"one"), name="people", version="2024-06")
    registry.register(weights(tmp_path, b"two"), name="people", version="7")
    assert registry.register(weights(tmp_path, b"three"), name="people").model.record.version == "8"
    assert registry.resolve("people@2024-06").path.read_bytes() == b"one"


def test_a_version_never_changes_its_content(registry: Registry, tmp_path: Path) -> None:
    registry.register(weights(tmp_path, b"one"), name="people", version="1")
    with pytest.raises(SpecError, match=r"people@1 holds other content: leave the version out"):
        registry.register(weights(tmp_path, b"two"), name="people", version="1")
    assert registry.resolve("people@1").path.read_bytes() == b"one"


def test_external_data_comes_along_and_belongs_to_the_fingerprint(registry: Registry, tmp_path: Path) -> None:
    weights(tmp_path, b"tensors", "net.onnx.data")
    made = registry.register(weights(tmp_path), name="large")
    assert made.model.path.with_name("net.onnx.data").read_bytes() == b"tensors"
    assert made.model.record.size_bytes == 14
    weights(tmp_path, b"others!", "net.onnx.data")
    assert registry.register(weights(tmp_path), name="large").created


@pytest.mark.parametrize("name", [".net.onnx", "model.json"])
def test_a_file_name_that_the_registry_cannot_keep_is_refused(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ModelUnreadable, match=r"no file of this name can be registered; give it another"):
        registry.register(weights(tmp_path, name=name), name="people")
    assert registry.models() == []


@pytest.mark.parametrize("name", ["People", "", "a_b", "-a", "../escape", "a/b", "x" * 64])
def test_a_name_that_is_no_dns_label_is_refused_with_the_nearest_that_is(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SpecError, match=r"lower-case letters, digits and '-', such as '[a-z]"):
        registry.register(weights(tmp_path), name=name)
    assert not registry.folder.exists()


@pytest.mark.parametrize("version", ["", "../1", "a b", ".hidden"])
def test_a_version_that_no_folder_can_carry_is_refused(
    registry: Registry, tmp_path: Path, version: str
) -> None:
    with pytest.raises(SpecError, match="model version"):
        registry.register(weights(tmp_path), name="people", version=version)


def test_an_unknown_name_lists_the_known_ones_and_the_nearest(registry: Registry, tmp_path: Path) -> None:
    registry.register(weights(tmp_path), name="people")
    with pytest.raises(UnknownName, match="unknown model 'peple'; did you mean 'people'"):
        registry.resolve("peple")
    with pytest.raises(UnknownName, match="unknown version of people '9'; known: 1"):
        registry.resolve("people@9")


def test_a_missing_and_an_empty_file_are_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(
        ModelUnreadable, match=r"none\.onnx: no such file or directory; give the path of weights"
    ):
        registry.register(tmp_path / "none.onnx", name="people")
    with pytest.raises(ModelUnreadable, match=r"net\.onnx: this file is empty"):
        registry.register(weights(tmp_path, b""), name="people")


def test_a_file_of_another_size_is_damage_with_a_remedy(registry: Registry, tmp_path: Path) -> None:
    path = registry.register(weights(tmp_path), name="people").model.path
    path.write_bytes(b"wei")
    with pytest.raises(
        ModelUnreadable, match=r"people@1 is damaged: .* has 3 bytes instead of 7; .*models remove people@1"
    ):
        registry.resolve("people")


def test_a_flipped_bit_is_found_by_the_checksum(registry: Registry, tmp_path: Path) -> None:
    path = registry.register(weights(tmp_path), name="people").model.path
    path.write_bytes(b"weighTs")
    with pytest.raises(ModelUnreadable, match="has another checksum"):
        registry.resolve("people")


def test_a_bit_that_rots_behind_the_clocks_back_is_found_when_every_byte_is_read(
    registry: Registry, tmp_path: Path
) -> None:
    model = registry.register(weights(tmp_path), name="people").model
    stat = model.path.stat()
    model.path.write_bytes(b"weighTs")
    os.utime(model.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    registry.resolve("people")  # the cheap look believes size and time
    with pytest.raises(ModelUnreadable, match="has another checksum"):
        verify(model, every_byte=True)


def test_a_file_that_was_only_touched_is_sound(registry: Registry, tmp_path: Path) -> None:
    path = registry.register(weights(tmp_path), name="people").model.path
    os.utime(path, ns=(1, 1))
    assert registry.resolve("people").path == path


def test_a_missing_file_is_damage(registry: Registry, tmp_path: Path) -> None:
    registry.register(weights(tmp_path), name="people").model.path.unlink()
    with pytest.raises(ModelUnreadable, match="is missing"):
        registry.resolve("people")


def test_registering_the_same_weights_again_mends_a_damaged_version(
    registry: Registry, tmp_path: Path
) -> None:
    made = registry.register(weights(tmp_path), name="people")
    made.model.path.write_bytes(b"broken")
    again = registry.register(weights(tmp_path), name="people")
    assert not again.created
    assert registry.resolve("people@1").path.read_bytes() == b"weights"
    assert len(registry.models()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "name": "people"}'])
def test_a_damaged_record_is_named_with_its_folder(registry: Registry, tmp_path: Path, text: str) -> None:
    model = registry.register(weights(tmp_path), name="people").model
    (model.folder / "model.json").write_text(text)
    with pytest.raises(
        ModelUnreadable, match=r"model\.json: this is no record of a model .*remove the folder"
    ):
        registry.resolve("people")


def test_a_record_cannot_point_out_of_its_folder(registry: Registry, tmp_path: Path) -> None:
    model = registry.register(weights(tmp_path), name="people").model
    record = json.loads((model.folder / "model.json").read_text())
    record["files"][0]["name"] = "../../../secret"
    (model.folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(ModelUnreadable, match="this is no record of a model"):
        registry.resolve("people")


def test_fields_of_a_later_argus_are_ignored(registry: Registry, tmp_path: Path) -> None:
    model = registry.register(weights(tmp_path), name="people").model
    record = json.loads((model.folder / "model.json").read_text())
    (model.folder / "model.json").write_text(json.dumps({**record, "calibration": {"images": 100}}))
    assert registry.resolve("people").record == model.record


def test_a_removed_version_leaves_the_others(registry: Registry, tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        registry.register(weights(tmp_path, content), name="people")
    with pytest.raises(SpecError, match=r"'people' has 2 versions; name one: people@1, people@2"):
        registry.remove("people")
    registry.remove("people@2")
    assert [model.record.reference for model in registry.models()] == ["people@1"]
    registry.remove("people")
    assert registry.names() == []
    assert not (registry.folder / "people").exists()


def test_a_version_is_found_while_another_of_its_name_is_being_removed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = registry.register(weights(tmp_path, b"kept"), name="people").model
    registry.register(weights(tmp_path, b"gone"), name="people")
    listed = Path.glob

    def listed_before_it_goes(folder: Path, pattern: str) -> list[Path]:
        found = list(listed(folder, pattern))
        monkeypatch.undo()
        registry.remove("people@2")
        return found

    monkeypatch.setattr(Path, "glob", listed_before_it_goes)
    assert registry.find("people@1").folder == kept.folder


def test_the_models_can_be_listed_while_one_is_being_removed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register(weights(tmp_path, b"kept"), name="kept")
    registry.register(weights(tmp_path, b"gone"), name="gone")
    scan = os.scandir

    def scan_after_it_went(path: Any) -> Any:
        if Path(path).name == "gone":
            monkeypatch.undo()
            registry.remove("gone")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_after_it_went)
    assert [model.record.name for model in registry.models()] == ["kept"]


def test_removing_what_is_not_there_is_an_error_and_changes_nothing(registry: Registry) -> None:
    with pytest.raises(UnknownName, match="unknown model 'people'; known: none"):
        registry.remove("people")
    assert not registry.folder.exists()


def test_a_number_is_not_given_twice_while_a_higher_one_stands(registry: Registry, tmp_path: Path) -> None:
    for content in (b"one", b"two", b"three"):
        registry.register(weights(tmp_path, content), name="people")
    registry.remove("people@2")
    assert registry.register(weights(tmp_path, b"four"), name="people").model.record.version == "4"


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        Registry(tmp_path / "file" / "models").register(weights(tmp_path), name="people")


def test_who_waits_too_long_for_another_process_is_told_which(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "the registry of models", patience_s=1):
        with pytest.raises(
            OutputError, match=f"process {os.getpid()} is still busy with the registry of models"
        ):
            with locked(tmp_path / "lock", "the registry of models", patience_s=0.05):
                pass


def test_a_file_system_without_locks_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("argus.vision.models.registry_lock.fcntl.flock", refuses)
    with pytest.raises(OutputError, match=r"cannot write .*\.lock: it cannot be locked: No locks available"):
        Registry(tmp_path / "models").register(weights(tmp_path), name="people")


def test_a_disk_without_room_for_the_note_of_the_lock_keeps_nobody_from_removing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    registry.register(weights(tmp_path), name="people")
    monkeypatch.setattr("argus.vision.models.registry_lock.os.pwrite", full)
    registry.remove("people")
    assert registry.models() == []


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", "work", patience_s=1):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", "work", patience_s=0):
        pass
