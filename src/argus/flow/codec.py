"""What a node may send, as bytes, and back: pictures, detections, arrays, dataclasses and plain values.

MessagePack with large buffers beside it, never pickle: reading a message runs no code of its sender.
Arrays come back as views of where the message lies, read-only; who changes one copies it first.

Source: MessagePack specification, extension types 1 to 7 as below; a timestamp is its own extension -1.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np

from argus.core.errors import ArgusError
from argus.flow.message import Header
from argus.flow.wire import MessageDamaged, Packed

_ARRAY, _BUFFER, _OBJECT, _FRAME, _DETECTIONS, _TUPLE, _JPEG = range(1, 8)
_APART: Final = 1024
"""From so many bytes on, an array or a string of bytes lies in a buffer of its own."""
_PLAIN: Final = (str, int, float, bool, type(None), datetime)


class ValueUnsendable(ArgusError, TypeError):
    """A node returned something that cannot travel."""


class Unknown(dict[str, Any]):
    """A dataclass that the process which got it does not know: its fields, and `__type__`.

    It goes on as that dataclass to those who know it, unless fields were added or removed.
    """

    def __init__(self, module: str, name: str, fields: Mapping[str, Any]) -> None:
        """Hold the fields of `name` in `module`."""
        super().__init__(fields, __type__=f"{module}:{name}")
        self.kind = module, name
        self._names = self.keys() - set()

    @property
    def whole(self) -> bool:
        """Whether it has its fields, and no others."""
        return self.keys() == self._names


class _Ticket(msgspec.Struct, frozen=True, array_like=True):
    header: Header
    value: msgspec.Raw


_tickets: Final = msgspec.msgpack.Decoder(_Ticket)


class Encoder:
    """Turns values into messages; one per sending thread."""

    def __init__(self, *, jpeg: int | None = None) -> None:
        """Send pictures raw, or as JPEG of a quality of 1..100."""
        self._jpeg = jpeg
        self._buffers: list[memoryview] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._alike: tuple[Any, Any, Any] = (None, None, None)
        """Shape and type of the last array that was sent by itself, and what is told of those."""

    def encode(self, header: Header, value: Any) -> Packed:
        """Return the message; large arrays are not copied, so they must not change until it is laid.

        Raises:
            ValueUnsendable: the value, or something in it, cannot travel.
        """
        if type(value) is np.ndarray:
            shape, dtype, told = self._alike
            # Pictures of one size, one after the other: what is run seldom is slow, so little is run.
            if value.shape == shape and value.dtype is dtype and value.flags.c_contiguous:
                return Packed(self._encoder.encode((header, told)), (value.data.cast("B"),))
        self._buffers = []
        try:
            told = self._told(value, "the value")
            packed = Packed(self._encoder.encode((header, told)), tuple(self._buffers))
        except ValueUnsendable:
            raise
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueUnsendable(f"the value holds what cannot travel: {error}") from error
        if type(value) is np.ndarray and self._buffers and _is_simple(value.dtype) and self._jpeg is None:
            self._alike = value.shape, value.dtype, told
        return packed

    def _told(self, value: Any, what: str) -> Any:
        """Return the value as MessagePack can say it."""
        kind = type(value)
        if kind in _PLAIN:
            if kind is datetime and value.tzinfo is None:  # it would arrive as text
                raise ValueUnsendable(f"{what} is a time without a zone: send `datetime.now(UTC)`, say")
            return value
        if kind is dict:
            for key in value:
                if type(key) not in {str, int}:
                    raise ValueUnsendable(f"{what}: a key is {key!r}: use text or whole numbers")
            return {key: self._told(item, f"{what}[{key!r}]") for key, item in value.items()}
        if kind is list:
            return [self._told(item, f"{what}[{i}]") for i, item in enumerate(value)]
        if kind is tuple:
            return self._ext(_TUPLE, [self._told(item, f"{what}[{i}]") for i, item in enumerate(value)])
        if isinstance(value, np.ndarray):
            return self._array(value, what)
        if isinstance(value, bytes | bytearray | memoryview):
            data = memoryview(value).cast("B") if len(value) else memoryview(b"")
            return self._ext(_BUFFER, (self._keep(data), "", ())) if data.nbytes >= _APART else bytes(value)
        if isinstance(value, np.generic):
            return value.item() if value.dtype.kind in "biufSU" else self._array(np.asarray(value), what)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._object(value, what)
        if isinstance(value, Unknown):
            told = self._told(dict(value), what)
            named = {key: item for key, item in told.items() if key != "__type__"}
            return self._ext(_OBJECT, (*value.kind, named)) if value.whole else told
        if isinstance(value, str | int | float):  # enumerations and the like
            return kind.__mro__[-2](value) if kind.__mro__[-2] in {str, int, float} else value
        raise ValueUnsendable(
            f"{what} is {_name(kind)}, which cannot travel: send numpy arrays, dataclasses, dicts, lists, "
            "text, numbers, bytes, Frame or Detections"
        )

    def _array(self, value: np.ndarray[Any, Any], what: str) -> Any:
        if isinstance(value, np.ma.MaskedArray):
            raise ValueUnsendable(f"{what}: a masked array cannot travel: send its data and its mask")
        if value.dtype.kind not in "biufcmM":
            raise ValueUnsendable(f"{what}: an array of {value.dtype} cannot travel: use plain numbers")
        if self._jpeg is not None and _is_picture(value):
            return self._ext(_JPEG, self._keep(_as_jpeg(value, self._jpeg)))
        value = np.ascontiguousarray(value) if value.ndim else value
        facts = (value.dtype.str, value.shape)
        if value.nbytes < _APART:
            return self._ext(_ARRAY, (value.tobytes(), *facts))
        return self._ext(_BUFFER, (self._keep(value.view(np.uint8).reshape(-1).data), *facts))

    def _object(self, value: Any, what: str) -> Any:
        kind = type(value)
        from argus.core.detections import Detections
        from argus.core.frame import Frame

        if kind is Frame:
            told = self._told(value.bgr, what)
            facts = (value.source, value.index, value.time_s, value.captured_at, value.file, value.received_s)
            return self._ext(_FRAME, (told, *facts))
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        told = {name: self._told(item, f"{what}.{name}") for name, item in fields.items()}
        if kind is Detections:
            return self._ext(_DETECTIONS, told)
        return self._ext(_OBJECT, (kind.__module__, kind.__qualname__, told))

    def _keep(self, data: memoryview) -> int:
        self._buffers.append(data)
        return len(self._buffers) - 1

    def _ext(self, code: int, content: Any) -> msgspec.msgpack.Ext:
        return msgspec.msgpack.Ext(code, self._encoder.encode(content))


def decode(header: bytes | memoryview, buffers: Sequence[memoryview] = ()) -> tuple[Header, Any]:
    """Return header and value of a message; arrays are read-only views of `buffers`.

    Raises:
        MessageDamaged: the bytes are no message.
    """
    try:
        ticket = _tickets.decode(header)
        told = bytes(ticket.value)
        known = _alike.get(told) if len(told) < _SHORT else None
        if known is not None and known[2] == buffers[0].nbytes:
            # Not by `ndarray`, which keeps the owner of the memory and not the view that a loan counts by.
            array = np.frombuffer(buffers[0], known[1]).reshape(known[0])
            array.flags.writeable = False
            return ticket.header, array
        value = msgspec.msgpack.Decoder(ext_hook=lambda c, d: _read(c, d, buffers)).decode(told)
        if buffers and type(value) is np.ndarray and len(told) < _SHORT:
            _remember(told, value)
    except Exception as error:
        # Bytes that say what cannot be may fail anywhere, in a dataclass's own checks as well.
        raise MessageDamaged(f"the message cannot be read: {error}") from error
    return ticket.header, value


_alike: Final[dict[bytes, tuple[tuple[int, ...], np.dtype[Any], int]]] = {}
"""Shape, type and bytes of arrays that came by themselves, by what was told of them: as of the one before."""
_REMEMBERED: Final = 64
_SHORT: Final = 100
"""Bytes of what is told of an array by itself, at most."""


def _remember(told: bytes, value: np.ndarray[Any, Any]) -> None:
    what = msgspec.msgpack.decode(told)
    if what.code == _BUFFER and msgspec.msgpack.decode(what.data)[0] == 0:
        if len(_alike) >= _REMEMBERED:
            _alike.clear()
        _alike[told] = value.shape, value.dtype, value.nbytes


def peek(header: bytes | memoryview) -> Header:
    """Return what is said of a message, without reading its value.

    Raises:
        MessageDamaged: the bytes are no message.
    """
    try:
        return _tickets.decode(header).header
    except msgspec.MsgspecError as error:
        raise MessageDamaged(f"the message cannot be read: {error}") from error


def _read(code: int, data: memoryview, buffers: Sequence[memoryview]) -> Any:
    content = msgspec.msgpack.Decoder(ext_hook=lambda c, d: _read(c, d, buffers)).decode(data)
    return _READERS[code](content, buffers)


def _read_array(content: Any, _: Sequence[memoryview]) -> Any:
    raw, dtype, shape = content
    return np.frombuffer(raw, np.dtype(dtype)).reshape(shape)


def _read_buffer(content: Any, buffers: Sequence[memoryview]) -> Any:
    at, dtype, shape = content
    if not dtype:
        return bytes(buffers[at])
    result = np.frombuffer(buffers[at], np.dtype(dtype)).reshape(shape)
    result.flags.writeable = False
    return result


def _read_jpeg(content: Any, buffers: Sequence[memoryview]) -> Any:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(buffers[content], np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise MessageDamaged("the message holds a JPEG that cannot be decoded")
    return pixels


def _read_object(content: Any, _: Sequence[memoryview]) -> Any:
    module, name, fields = content
    kind = _dataclass(module, name)
    if kind is None:
        return Unknown(module, name, fields)
    settable = {f.name for f in dataclasses.fields(kind) if f.init}
    return kind(**{name: item for name, item in fields.items() if name in settable})


def _read_frame(content: Any, _: Sequence[memoryview]) -> Any:
    from argus.core.frame import Frame
    from argus.vision.pictures import ArrayPicture

    pixels, source, index, time_s, captured_at, file, received_s = content
    return Frame(ArrayPicture(pixels), source, index, time_s, captured_at, file, received_s)


def _read_detections(content: Mapping[str, Any], _: Sequence[memoryview]) -> Any:
    from argus.core.detections import Detections, Masks

    fields = dict(content)
    masks = fields.get("masks")
    if isinstance(masks, Mapping):  # a `Masks` that could not be found, which cannot be
        fields["masks"] = Masks(tuple(masks["bits"]), masks["origins"])
    return Detections(**fields)


_READERS: Final[Mapping[int, Callable[[Any, Sequence[memoryview]], Any]]] = {
    _ARRAY: _read_array,
    _BUFFER: _read_buffer,
    _OBJECT: _read_object,
    _FRAME: _read_frame,
    _DETECTIONS: _read_detections,
    _TUPLE: lambda content, _: tuple(content),
    _JPEG: _read_jpeg,
}


def _dataclass(module: str, name: str) -> type[Any] | None:
    """Return a dataclass that is loaded already or is ours; no other module is imported for a message."""
    if module not in sys.modules:
        if not module.startswith("argus."):
            return None
        importlib.import_module(module)
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None


def _is_simple(dtype: np.dtype[Any]) -> bool:
    """Return whether memory of such numbers can be seen as bytes without numpy."""
    return dtype.isnative and dtype.kind in "biuf"


def _is_picture(value: np.ndarray[Any, Any]) -> bool:
    return (
        value.dtype == np.uint8
        and value.size > 0
        and ((value.ndim == 3 and value.shape[2] == 3) or (value.ndim == 2 and min(value.shape) >= 16))
    )


def _as_jpeg(value: np.ndarray[Any, Any], quality: int) -> memoryview:
    import cv2

    good, data = cv2.imencode(".jpg", value, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueUnsendable(f"a picture of {value.shape} cannot be made a JPEG")
    return data.reshape(-1).data


def _name(kind: type[Any]) -> str:
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"a {where}{kind.__qualname__}"
