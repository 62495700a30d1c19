"""What may travel, and that it arrives as it was."""

from __future__ import annotations

import enum
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argus.core.detections import Detections, Masks
from argus.core.frame import Frame
from argus.flow.codec import Encoder, ValueUnsendable, decode, peek
from argus.flow.message import Header, Hop, Origin
from argus.flow.wire import MessageDamaged, unlay
from argus.vision.pictures import ArrayPicture

HEADER = Header("cam/1/7", Origin("cam", 7, 0.25, 123), (Hop("cam", 1, 2),))


def there_and_back(value: Any, *, jpeg: int | None = None) -> Any:
    """Return a value after its way over a wire."""
    lies = Encoder(jpeg=jpeg).encode(HEADER, value).to_bytes()
    data, buffers = unlay(memoryview(bytes(lies)))
    header, result = decode(data, buffers)
    assert header == HEADER
    assert peek(data) == HEADER
    return result


class Colour(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    score: float
    name: str = "?"


@dataclass
class Outer:
    picture: NDArray[np.uint8]
    parts: tuple[Inner, ...]
    by_name: dict[str, Inner] = field(default_factory=dict)
    made: int = field(init=False, default=3)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=3000),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers(0, 99), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(plain)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert there_and_back(value) == value


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8", "?", "c8", ">i4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (40, 50, 3)])
def test_arrays_keep_shape_type_and_values(dtype: str, shape: tuple[int, ...]) -> None:
    value = np.full(shape, 3, dtype)
    got = there_and_back(value)
    assert got.dtype == value.dtype
    assert got.shape == value.shape
    assert np.array_equal(got, value)


def test_a_part_of_an_array_travels_as_that_part() -> None:
    whole = np.arange(40_000).reshape(200, 200)
    assert np.array_equal(there_and_back(whole[10:150:3, ::-1]), whole[10:150:3, ::-1])


def test_large_arrays_are_not_copied_and_cannot_be_written_to() -> None:
    value = np.arange(100_000, dtype=np.uint8)
    packed = Encoder().encode(HEADER, {"a": value})
    assert np.shares_memory(np.frombuffer(packed.buffers[0], np.uint8), value)
    lies = packed.to_bytes()
    _, buffers = unlay(memoryview(lies))
    _, got = decode(*unlay(memoryview(lies)))
    assert np.shares_memory(got["a"], np.frombuffer(buffers[0], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        got["a"][0] = 1


arrays = st.builds(
    lambda dtype, shape, order, part: (
        np.arange(np.prod(shape)).astype(dtype).reshape(shape, order=order)[part:]
    ),
    st.sampled_from(["u1", "<f4", ">f4", "i8", "f2", "?", "c8", "M8[s]"]),
    st.sampled_from([(64, 64), (32, 128), (4096,), (3, 700, 3), (2, 3)]),
    st.sampled_from(["C", "F"]),
    st.sampled_from([0, 1]),
)


@given(st.lists(arrays, max_size=6), st.sampled_from([None, 80]))
def test_arrays_one_after_the_other_come_back_each_as_it_was(values: list[Any], jpeg: int | None) -> None:
    """What is remembered of one that was like it changes nothing."""
    encoder = Encoder(jpeg=jpeg)
    for value in values:
        for sent in (value, [value]):  # by itself and within something
            packed = encoder.encode(HEADER, sent)
            data, buffers = unlay(memoryview(bytes(packed.to_bytes())))
            result = decode(data, buffers)[1]
            result = result if sent is value else result[0]
            assert (result.dtype, result.shape) == (value.dtype, value.shape)
            assert result.base is None or not result.flags.writeable
            if jpeg is None or value.dtype != np.uint8:
                np.testing.assert_array_equal(result, value)


def test_a_dataclass_comes_back_as_one() -> None:
    value = Outer(np.full((30, 40, 3), 7, np.uint8), (Inner(0.5), Inner(0.25, "x")), {"a": Inner(1.0)})
    got = there_and_back(value)
    assert isinstance(got, Outer)
    assert got.parts == value.parts
    assert got.by_name == value.by_name
    assert np.array_equal(got.picture, value.picture)
    assert got.made == 3


def test_a_dataclass_nobody_here_knows_is_a_mapping() -> None:
    kind: Any = dataclass(
        type("Stranger", (), {"__annotations__": {"a": int}, "__module__": "no.such.module"})
    )
    assert there_and_back(kind(4)) == {"a": 4, "__type__": "no.such.module:Stranger"}


def test_a_dataclass_goes_on_as_one_through_whoever_does_not_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Encoder().encode(HEADER, [Inner(0.5, "x")]).to_bytes()

    def by_a_stranger(change: Callable[[Any], Any]) -> Any:
        with monkeypatch.context() as elsewhere:
            elsewhere.delitem(sys.modules, Inner.__module__)
            _, [seen] = decode(*unlay(memoryview(data)))
            handed_on = Encoder().encode(HEADER, [change(seen)]).to_bytes()
        return decode(*unlay(memoryview(handed_on)))[1][0]

    told = {"score": 0.5, "name": "x", "__type__": f"{__name__}:Inner"}
    assert by_a_stranger(lambda seen: seen) == Inner(0.5, "x")
    assert by_a_stranger(lambda seen: seen | {"more": 1}) == {**told, "more": 1}
    assert by_a_stranger(lambda seen: [seen.pop("name"), seen][1]) == {
        "score": 0.5,
        "__type__": f"{__name__}:Inner",
    }


def test_a_frame_keeps_its_pixels_and_its_place() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    frame = Frame(ArrayPicture(pixels), "gate", 5, 0.2, datetime.now(UTC), None, 12.5)
    got = there_and_back(frame)
    assert isinstance(got, Frame)
    assert (got.source, got.index, got.time_s, got.captured_at, got.received_s) == (
        "gate",
        5,
        0.2,
        frame.captured_at,
        12.5,
    )
    assert np.array_equal(got.bgr, pixels)


def test_detections_keep_everything() -> None:
    masks = Masks(
        (np.ones((4, 5), np.bool_), np.zeros((2, 2), np.bool_)), np.array([[1, 2], [3, 4]], np.int32)
    )
    seen = Detections(
        np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32),
        np.array([0.5, 0.75], np.float32),
        np.array([0, 1], np.int32),
        ("person", "car"),
        np.array([3, 0], np.int64),
        masks,
        np.ones((2, 512), np.float32),
    )
    [got] = there_and_back([seen])
    assert isinstance(got, Detections)
    assert np.array_equal(got.xyxy, seen.xyxy)
    assert got.track_id is not None
    assert got.track_id.tolist() == [3, 0]
    assert got.labels == ("person", "car")
    assert got.masks is not None
    assert np.array_equal(got.masks.bits[0], masks.bits[0])
    assert np.array_equal(got.masks.origins, masks.origins)
    assert got.embedding is not None
    assert got.embedding.shape == (2, 512)


def test_pictures_travel_as_jpeg_where_a_link_says_so() -> None:
    ramp = np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None].repeat(240, 0).repeat(3, 2)
    raw = Encoder().encode(HEADER, ramp).size
    small = Encoder(jpeg=90).encode(HEADER, ramp).size
    got = there_and_back(ramp, jpeg=90)
    assert small < raw / 10
    assert np.abs(got.astype(int) - ramp.astype(int)).max() < 8


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 10, 3), (10, 0, 3)])
def test_a_picture_without_pixels_is_no_jpeg_and_travels_all_the_same(shape: tuple[int, ...]) -> None:
    assert there_and_back(np.zeros(shape, np.uint8), jpeg=90).shape == shape


def test_numbers_of_numpy_and_enumerations_are_plain_values() -> None:
    assert there_and_back([np.float32(0.5), np.int64(3), Colour.RED]) == [0.5, 3, "red"]


@pytest.mark.parametrize(
    "value", [2**70, {2**70: 1}, "\ud800", memoryview(bytes(4096))[::2], np.longdouble(1)]
)
def test_what_the_encoder_itself_refuses_is_a_value_that_cannot_travel(value: Any) -> None:
    with pytest.raises(ValueUnsendable, match="the value holds what cannot travel: "):
        Encoder().encode(HEADER, {"a": value})


def test_what_cannot_travel_is_named_with_its_place() -> None:
    with pytest.raises(ValueUnsendable, match=r"\['a'\]\[1\].*_thread.lock.*send numpy arrays"):
        Encoder().encode(HEADER, {"a": [1, threading.Lock()]})
    with pytest.raises(ValueUnsendable, match="a key is"):
        Encoder().encode(HEADER, {(1, 2): 3})
    with pytest.raises(ValueUnsendable, match="plain numbers"):
        Encoder().encode(HEADER, np.array([object()]))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (datetime(2026, 1, 2), r"\['a'\] is a time without a zone"),
        (np.ma.masked_less(np.arange(5), 2), r"\['a'\]: a masked array cannot travel"),
    ],
    ids=["time", "masked"],
)
def test_what_would_arrive_as_something_else_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ValueUnsendable, match=why):
        Encoder().encode(HEADER, {"a": value})


def test_an_encoder_is_as_good_as_new_after_a_failure() -> None:
    encoder = Encoder()
    with pytest.raises(ValueUnsendable):
        encoder.encode(HEADER, [np.zeros(5000), threading.Lock()])
    data, buffers = unlay(memoryview(encoder.encode(HEADER, np.ones(5000)).to_bytes()))
    assert np.array_equal(decode(data, buffers)[1], np.ones(5000))


@given(st.binary(max_size=400), st.integers(0, 300))
def test_damaged_bytes_are_said_to_be_damaged(noise: bytes, cut: int) -> None:
    good = bytes(Encoder().encode(HEADER, {"a": np.zeros(2000), "b": [1, "x"]}).to_bytes())
    for data in (noise, good[:cut], good[:cut] + noise + good[cut + len(noise) :]):
        try:
            header, buffers = unlay(memoryview(data))
            decode(header, buffers)
        except MessageDamaged:
            continue


@pytest.mark.parametrize("dtype", ["|O", "O,i8", "|V8"])
@pytest.mark.parametrize("code", [1, 2])
def test_bytes_of_a_stranger_are_never_taken_for_objects(dtype: str, code: int) -> None:
    lies = msgspec.msgpack.Ext(code, msgspec.msgpack.encode((bytes(4096) if code == 1 else 0, dtype, (4,))))
    header = msgspec.msgpack.encode((HEADER, lies))
    with pytest.raises(MessageDamaged):
        decode(header, [memoryview(bytes(4096))])


def test_what_is_like_an_array_that_came_before_but_has_lost_its_buffer_is_damaged() -> None:
    packed = Encoder().encode(HEADER, np.zeros(4096, np.uint8))
    assert decode(packed.header, packed.buffers)[1].shape == (4096,)
    for buffers in ((), (memoryview(bytes(4095)),), (memoryview(bytes(4097)),)):
        with pytest.raises(MessageDamaged):
            decode(packed.header, buffers)


def test_an_array_that_says_another_size_than_its_buffer_has_is_damaged() -> None:
    lies = msgspec.msgpack.Ext(2, msgspec.msgpack.encode((0, "|u1", (1 << 40,))))
    with pytest.raises(MessageDamaged):
        decode(msgspec.msgpack.encode((HEADER, lies)), [memoryview(bytes(4096))])
