"""Recorder and player: what was sent comes back as it was, in its time, also of a file that was cut."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from argus.core.detections import Detections
from argus.core.errors import OutputError, SourceNotFound, SourceUnreadable, SpecError, UnknownName
from argus.core.frame import Frame
from argus.flow.nodes.frame_detections import FrameDetections
from argus.flow.nodes.player import Player
from argus.flow.nodes.recorder import Recorder
from argus.flow.replaying import read_recording, topics_of
from argus.vision.pictures import ArrayPicture
from tests.flow.nodes.driving import Bench, on_bench
from tests.sources.settling import comes_true


def picture(seed: int = 0, side: int = 96) -> np.ndarray[Any, np.dtype[np.uint8]]:
    ramp = np.linspace(0, 200, side, dtype=np.float32)[None, :, None] + seed
    return np.broadcast_to(ramp, (side // 2, side, 3)).astype(np.uint8).copy()


def frame(index: int) -> Frame:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Frame(ArrayPicture(picture(index)), "yard", index, index / 10, at, received_s=1.5)


def boxes() -> FrameDetections:
    found = Detections(
        np.array([[1.25, 2.125, 30.0625, 40]], np.float32),
        np.array([0.123456789], np.float32),
        np.array([1], np.int32),
        ("person", "car"),
        track_id=np.array([7], np.int64),
        embedding=np.ones((1, 700), np.float32) / 26.46,
    )
    return FrameDetections.of(found, 96, 48)


def played(path: Path, **params: Any) -> Bench:
    with on_bench(Player(), path=str(path), **{"rate": None, **params}) as bench:
        while bench.turn():
            pass
    return bench


def recorded(path: Path, *values: Any, **params: Any) -> Path:
    with on_bench(Recorder(), path=str(path), **params) as recorder:
        for index, value in enumerate(values):
            recorder.give(value, "camera->recorder", index=index)
    return path


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    other = {
        "text": "ä",
        "few": [1, 2.5, None],
        "raw": b"\0\1" * 3000,
        "array": np.arange(5000, dtype=np.int16),
    }
    path = recorded(tmp_path / "a.mcap", frame(3), boxes(), other, picture(9), pictures="raw")
    back = [s.value for s in played(path).sent]
    first, objects, third, fourth = back
    assert np.array_equal(first.bgr, frame(3).bgr)
    assert (first.source, first.index, first.captured_at, first.received_s) == (
        "yard",
        3,
        frame(3).captured_at,
        1.5,
    )
    assert isinstance(objects, FrameDetections)
    assert (objects.width, objects.labels) == (96, ("person", "car"))
    for name in ("xyxy", "confidence", "track_id", "embedding"):
        assert np.array_equal(getattr(objects, name), getattr(boxes(), name))
    assert third.pop("array").tolist() == list(range(5000))
    assert third == {k: v for k, v in other.items() if k != "array"}
    assert np.array_equal(fourth, picture(9))


def test_pictures_as_jpeg_are_small_and_come_back_nearly_as_they_were(tmp_path: Path) -> None:
    large = recorded(tmp_path / "raw.mcap", *map(frame, range(5)), pictures="raw")
    small = recorded(tmp_path / "jpeg.mcap", *map(frame, range(5)))
    assert small.stat().st_size * 2 < large.stat().st_size
    last = played(small).sent[-1].value
    assert np.abs(last.bgr.astype(int) - frame(4).bgr).max() <= 6
    assert last.time_s == 0.4


def test_times_are_those_at_which_it_was_sent_and_came(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with on_bench(Recorder(), path=str(path)) as recorder:
        before_ns = time.time_ns()
        recorder.give({"n": 0}, "camera->recorder")
        time.sleep(0.25)
        recorder.give({"n": 1}, "camera->recorder", index=1)
        after_ns = time.time_ns()
    first, second = read_recording(path)
    assert (
        before_ns - 2_000_000
        <= first.sent_ns
        <= first.received_ns
        <= second.received_ns
        <= after_ns + 2_000_000
    )
    assert 0.25 <= (second.sent_ns - first.sent_ns) / 1e9 < 1


def test_other_tools_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with on_bench(Recorder(), path=str(path)) as recorder:
        recorder.give(frame(3), "camera->recorder", index=3)
        recorder.give(boxes(), "yolo->recorder", index=3)
        recorder.give([{"type": "zone.entered"}], "zones.late->recorder", index=3)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()} == {
            "camera": "foxglove.CompressedImage",
            "yolo": "argus.Message",
            "zones.late": "argus.Message",
        }
        assert {s.encoding for s in summary.schemas.values()} == {"jsonschema"}
        messages = {c.topic: json.loads(m.data) for _, c, m in reader.iter_messages()}
    image = messages["camera"]
    assert image["format"] == "jpeg"
    assert set(image["timestamp"]) == {"sec", "nsec"}
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(image["data"]), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (48, 96, 3)
    [one] = messages["yolo"]["value"]
    assert (one["class"], one["track_id"], one["xyxy"][0]) == ("car", 7, 1.25)
    assert messages["zones.late"]["value"] == [{"type": "zone.entered"}]


def test_a_raw_picture_is_foxgloves_raw_image(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mcap", picture(3), pictures="raw")
    with path.open("rb") as file:
        [(schema, _, message)] = make_reader(file).iter_messages()
    assert schema is not None
    told = json.loads(message.data)
    facts = {k: told[k] for k in ("width", "height", "encoding", "step")}
    assert (schema.name, facts) == (
        "foxglove.RawImage",
        {"width": 96, "height": 48, "encoding": "bgr8", "step": 288},
    )


def test_it_is_played_with_the_distances_it_had(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with on_bench(Recorder(), path=str(path)) as recorder:
        for index, pause_s in enumerate((0.0, 0.1, 0.3)):
            time.sleep(pause_s)
            recorder.give({"n": index}, "camera->recorder", index=index)
    sent = [m.sent_ns / 1e9 for m in read_recording(path)]

    def lateness(rate: float) -> float:
        """Return by how much any message was too early or too late."""
        with on_bench(Player(), path=str(path), rate=rate) as player:
            times = []
            while player.turn():
                times.append(time.monotonic())
        return max(abs((times[i] - times[0]) - (sent[i] - sent[0]) / rate) for i in (1, 2))

    # A machine with much else to do may be late, but not each time.
    for rate in (1.0, 10.0):
        assert any(lateness(rate) < 0.05 for _ in range(5))


def test_the_rate_can_be_changed_while_it_plays(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with on_bench(Recorder(), path=str(path)) as recorder:
        for index in range(4):
            recorder.give({"n": index}, "camera->recorder", index=index)
            time.sleep(0.2)
    with on_bench(Player(), path=str(path), rate=0.01) as player:
        assert player.turn()
        player.change(rate=1000)
        began_s = time.monotonic()
        while player.turn():
            pass
        assert time.monotonic() - began_s < 5
    assert [s.value["n"] for s in player.sent] == [0, 1, 2, 3]


def test_another_recording_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    first = recorded(tmp_path / "a.mcap", *[{"n": n} for n in range(3)])
    second = recorded(tmp_path / "b.mcap", *[{"n": n} for n in range(10, 12)])
    with on_bench(Player(), path=str(first), rate=None) as player:
        assert player.turn()
        assert player.turn()
        with pytest.raises(SourceNotFound, match="there is no such recording"):
            player.change(path=str(tmp_path / "nothing.mcap"))
        player.change(path=str(second))
        while player.turn():
            pass
    assert [(s.value["n"], s.index) for s in player.sent] == [(0, 0), (1, 1), (10, 2), (11, 3)]


def test_a_loop_goes_on_with_index_and_time(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mcap", *[{"n": n} for n in range(3)])
    with on_bench(Player(), path=str(path), rate=None, loop=True) as player:
        for _ in range(7):
            assert player.turn()
    assert [s.index for s in player.sent] == list(range(7))
    assert np.allclose([s.time_s or 0.0 for s in player.sent], np.arange(7) / 10)
    assert [s.value["n"] for s in player.sent] == [0, 1, 2, 0, 1, 2, 0]


def test_which_topic_must_be_said_where_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with on_bench(Recorder(), path=str(path)) as recorder:
        recorder.give({"n": 0}, "camera->recorder")
        recorder.give({"n": 1}, "yolo->recorder")
        recorder.give({"n": 2}, "yolo->recorder", index=1)
    assert topics_of(path) == {"camera": 1, "yolo": 2}
    with pytest.raises(SpecError, match="camera, yolo: give topic"):
        played(path)
    with pytest.raises(UnknownName, match="did you mean 'camera'"):
        played(path, topic="kamera")
    assert [s.value["n"] for s in played(path, topic="yolo").sent] == [1, 2]


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    for number in range(3):
        recorded(tmp_path / "a.mcap", {"n": number})
    assert [played(tmp_path / name).sent[0].value["n"] for name in ("a.mcap", "a-2.mcap", "a-3.mcap")] == [
        0,
        1,
        2,
    ]


def test_a_full_file_is_followed_by_the_next(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", *[{"n": n} for n in range(5)], max_messages=2)
    files = sorted(tmp_path.iterdir(), key=lambda p: p.stat().st_mtime_ns)
    assert [s.value["n"] for file in files for s in played(file).sent] == [0, 1, 2, 3, 4]


def test_what_was_recorded_at_home_is_played_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with on_bench(Recorder(), path="~/walk.mcap") as bench:
        bench.give({"n": 1})
    with on_bench(Player(), path="~/walk.mcap") as bench:
        assert bench.turn()
    assert [sent.value for sent in bench.sent] == [{"n": 1}]


@pytest.mark.parametrize("path", [".", "/"])
def test_a_path_that_names_no_file_is_said_in_setup(path: str) -> None:
    with (
        pytest.raises(OutputError, match="it is a folder: name a file in it"),
        on_bench(Recorder(), path=path),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_said_in_setup(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot write"),
        on_bench(Recorder(), path=str(tmp_path / "file" / "a.mcap")),
    ):
        pass


def test_a_full_disk_is_not_filled_with_recordings_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Writer) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with on_bench(Recorder(), path=str(tmp_path / "a.mcap")) as recorder:
        recorder.give({"n": 0}, "camera->recorder", index=0)
        with monkeypatch.context() as patched:
            patched.setattr(Writer, "flush", full)
            for _ in range(5):
                with pytest.raises(OutputError, match="No space left"):
                    recorder.give({"n": 1}, "camera->recorder", index=1)
        recorder.give({"n": 1}, "camera->recorder", index=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.mcap", "a.mcap"]


KILLED = """
import sys
from tests.flow.nodes.driving import on_bench
from tests.flow.nodes.test_recordings import frame
from argus.flow.nodes.recorder import Recorder
with on_bench(Recorder(), path=sys.argv[1]) as recorder:
    for index in range(100_000):
        recorder.give(frame(index % 40), "camera->recorder", index=index)
        print(index, flush=True)
"""


def test_what_was_recorded_before_a_kill_is_there_and_the_next_process_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    with process, process.stdout as said:
        last = -1
        for line in said:
            if line.strip().isdigit():
                last = int(line)
            if last >= 30:
                break
        process.send_signal(signal.SIGKILL)
        rest = [int(line) for line in said.read().split("\n") if line.strip().isdigit()]
        last = max([last, *rest])
    indices = [s.index for s in played(path).sent]
    assert indices[: last + 1] == list(range(last + 1))
    assert len(indices) <= last + 2
    recorded(path, {"n": 1})
    assert (tmp_path / "a-2.mcap").exists()


def test_a_file_cut_anywhere_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    whole = recorded(tmp_path / "a.mcap", *[{"n": n} for n in range(8)]).read_bytes()
    cut = tmp_path / "cut.mcap"
    seen = set()
    for size in [*range(8, len(whole), 97), len(whole) - 1]:
        cut.write_bytes(whole[:size])
        values = [m.value["n"] for m in read_recording(cut)]
        assert values == list(range(len(values)))
        seen.add(len(values))
    assert seen == set(range(9))


def test_damaged_bytes_end_in_one_clear_error(tmp_path: Path) -> None:
    whole = bytearray(recorded(tmp_path / "a.mcap", *[{"n": n} for n in range(8)]).read_bytes())
    broken = tmp_path / "broken.mcap"
    random = np.random.default_rng(7)
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(8, len(data), 4):
            data[place] = random.integers(0, 256)
        broken.write_bytes(data)
        with contextlib.suppress(SourceUnreadable):
            assert len(list(read_recording(broken))) <= 8
    broken.write_bytes(b"no recording at all")
    with pytest.raises(SourceUnreadable, match="does not begin as an MCAP file does"):
        played(broken)
    with pytest.raises(SourceNotFound):
        played(tmp_path / "nothing.mcap")


@pytest.mark.parametrize("compression", [CompressionType.LZ4, CompressionType.ZSTD])
def test_damaged_bytes_of_a_compressed_recording_end_in_that_error_too(
    tmp_path: Path, compression: CompressionType
) -> None:
    path = tmp_path / "other.mcap"
    with path.open("wb") as file:
        writer = Writer(file, compression=compression)
        writer.start()
        channel = writer.register_channel("x", "json", writer.register_schema("any", "jsonschema", b"{}"))
        for number in range(50):
            writer.add_message(channel, number, json.dumps({"n": number}).encode(), number, number)
        writer.finish()
    data = bytearray(path.read_bytes())
    for place in range(100, 200):
        data[place] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable, match=r"other\.mcap is damaged near byte"):
        list(read_recording(path))


def test_a_picture_of_no_bytes_ends_in_that_error_too(tmp_path: Path) -> None:
    path = tmp_path / "other.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("x", "json", writer.register_schema("any", "jsonschema", b"{}"))
        writer.add_message(channel, 0, json.dumps({"format": "jpeg", "data": ""}).encode(), 0)
        writer.finish()
    with pytest.raises(SourceUnreadable, match="a message of x cannot be read"):
        list(read_recording(path))


def test_a_recording_of_another_program_is_played_as_dicts_and_pictures(tmp_path: Path) -> None:
    path = tmp_path / "other.mcap"
    data = base64.b64encode(cv2.imencode(".png", picture(5))[1].tobytes()).decode()
    raw = {"width": 96, "height": 48, "encoding": "bgr8", "step": 288}
    texts = [
        {"data": data, "format": "png"},
        {"speed": 3.5},
        {**raw, "data": base64.b64encode(picture(5).tobytes()).decode()},
    ]
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("x", "json", writer.register_schema("any", "jsonschema", b"{}"))
        for number, text in enumerate(texts):
            writer.add_message(channel, number * 1000, json.dumps(text).encode(), number * 1000, number)
        writer.finish()
    first, second, third = [s.value for s in played(path).sent]
    assert np.array_equal(first, picture(5))
    assert second == {"speed": 3.5}
    assert np.array_equal(third, picture(5))


def test_a_stop_is_heard_in_a_long_silence(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mcap", {"n": 0}, {"n": 1})
    with on_bench(Player(), path=str(path), rate=0.0001) as player:
        assert player.turn()
        player.stop()
        began_s = time.monotonic()
        player.node.loop()  # type: ignore[attr-defined]
        assert time.monotonic() - began_s < 1
    assert comes_true(lambda: len(player.sent) == 1)
