"""How specs are read: frozen, no unknown field, one clear line for each thing that is wrong."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from argus.core.errors import SpecError, did_you_mean
from argus.core.secrets import Secrets


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""Names in order; one alone needs no list."""


class Spec(BaseModel):
    """Base of all specs: values never change, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, populate_by_name=True)

    @classmethod
    def read(cls, data: Any, where: str, *, at: Sequence[str] = (), secrets: Secrets | None = None) -> Self:
        """Return the spec that `data` describes.

        Args:
            data: Mappings, lists and scalars, as YAML or JSON gives them.
            where: What people call the place that `data` came from: a file, an option.
            at: The path to `data` in it, such as `("pipelines", "gate")`.
            secrets: Values that no message may show.

        Raises:
            SpecError: `data` is not such a spec; every fault is listed, `where` stands before each.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError("\n".join(explain(error, cls, where, at=at, secrets=secrets))) from None


def explain(
    error: ValidationError,
    model: type[BaseModel],
    where: str,
    *,
    at: Sequence[str] = (),
    secrets: Secrets | None = None,
) -> list[str]:
    """Return one line per fault: the place, what is wrong, and the nearest known name for a strange one."""
    lines = []
    for place, message in findings(error, model, secrets=secrets):
        path = ".".join((*at, place) if place else at)
        lines.append(f"{where}: {path}: {message}" if path else f"{where}: {message}")
    return lines


def findings(
    error: ValidationError, model: type[BaseModel], *, secrets: Secrets | None = None
) -> list[tuple[str, str]]:
    """Return place and message of each fault; the place is a path of fields, empty for the whole."""
    found = [_read(raw, model, secrets or Secrets({})) for raw in error.errors(include_url=False)]
    misspelt = {fault.meant for fault in found if fault.meant}
    faults: dict[str, list[_Fault]] = {}
    for fault in found:
        if not (fault.missing and fault.place in misspelt):
            faults.setdefault(fault.place, []).append(fault)
    told = []
    for place, here in faults.items():
        # Of a union each arm complains: of the arms that were not even meant nobody wants to hear.
        deeper = any(other.startswith(f"{place}.") for other in faults)
        said = [f for f in here if not (f.other_kind and (deeper or len(here) > 1))]
        said = said or ([] if deeper else here)
        if said:
            told.append((place, "; or ".join(dict.fromkeys(f.message for f in said)) + said[0].got))
    return told


@dataclass(frozen=True, slots=True)
class _Fault:
    place: str
    message: str
    got: str = ""
    other_kind: bool = False
    """A text where a mapping is wanted, and the like."""
    missing: bool = False
    meant: str | None = None
    """Place of the known field that a strange one looks like."""


_KINDS = {
    "string_type": "expected a text",
    "dict_type": "expected names and their values (a mapping)",
    "model_type": "expected fields and their values (a mapping)",
    "model_attributes_type": "expected fields and their values (a mapping)",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "none_required": "expected nothing",
}
_SHADOWED = {*_KINDS, "too_short"}


def _read(raw: Any, model: type[BaseModel], secrets: Secrets) -> _Fault:
    """Put one of pydantic's findings into our words."""
    type_: str = raw["type"]
    loc: tuple[int | str, ...] = raw["loc"]
    strange = type_ == "extra_forbidden"
    parts, fields = _walk(model, loc[:-1] if strange else loc)
    place = ".".join(parts)
    if strange:
        name = str(loc[-1])
        hint = did_you_mean(name, fields)
        near = re.search(r"'(.*)'", hint)
        meant = ".".join((*parts, near[1])) if near else None
        hint = hint or f"; known here: {', '.join(sorted(fields))}"
        return _Fault(".".join((*parts, name)), f"unknown field{hint}", meant=meant)
    if type_ == "missing":
        return _Fault(place, "this field is required", missing=True)
    if type_ == "literal_error":
        known = re.findall(r"'([^']*)'", raw["ctx"]["expected"])
        hint = did_you_mean(str(raw["input"]), known) if isinstance(raw["input"], str) else ""
        message = f"expected {raw['ctx']['expected']}{hint}" if not hint else f"unknown value{hint}"
    else:
        text = _KINDS.get(type_) or secrets.hide(raw["msg"]).removeprefix("Value error, ")
        message = (text[0].lower() + text[1:]).replace("tuple", "list").replace(" after validation", "")
    value = secrets.hide_in(raw["input"])
    # A whole mapping says less than the message does.
    told = isinstance(value, Mapping) or repr(value) in message
    return _Fault(place, message, "" if told else f" (got {_short(value)})", type_ in _SHADOWED)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _walk(model: type[BaseModel], loc: Sequence[int | str]) -> tuple[list[str], set[str]]:
    """Follow pydantic's path through the types.

    Returns:
        The path as the user wrote it, without the names that pydantic adds for the arms of a union, and the
        fields that are known where it ends.
    """
    place: list[str] = []
    here: list[Any] = [model]
    for part in loc:
        following = [inner for arm in here for inner in _inside(arm, part)]
        if following:
            place.append(str(part))
            here = following
        else:
            here = [arm for arm in here if getattr(arm, "__name__", None) == part] or here
    known = {
        field.alias or name
        for arm in here
        if isinstance(arm, type) and issubclass(arm, BaseModel)
        for name, field in arm.model_fields.items()
    }
    return place, known


def _inside(arm: Any, part: int | str) -> list[Any]:
    """Return the types that stand at `part` inside a type; none where it has no such part."""
    if isinstance(arm, type) and issubclass(arm, BaseModel):
        return [
            inner
            for name, field in arm.model_fields.items()
            if part in {name, field.alias}
            for inner in _arms(field.annotation)
        ]
    origin, arguments = typing.get_origin(arm), typing.get_args(arm)
    if origin in {dict, Mapping} and isinstance(part, str) and part != "[key]":
        return _arms(arguments[1])
    if origin in {tuple, list, Sequence} and isinstance(part, int):
        repeated = origin is not tuple or arguments[-1] is Ellipsis
        if repeated or part < len(arguments):
            return _arms(arguments[0 if repeated else part])
    return []


def _arms(annotation: Any) -> list[Any]:
    """Return the types that a value may have: the arms of a union, what `Annotated` wraps."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _arms(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        return [inner for arm in typing.get_args(annotation) for inner in _arms(arm)]
    return [annotation]
