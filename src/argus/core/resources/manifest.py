"""Documents as drafts: what somebody wants, checked and in full, with every `${NAME}` as it was written.

The same documents through `argus.core.resources.files` mean the same; there the references are filled in at
once, here when somebody is about to use them (`filled`). Nothing that is named is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from argus.core.errors import SpecError
from argus.core.resources.beside import with_paths_beside
from argus.core.resources.declared import Declared, Fault, ManifestError, declared_in
from argus.core.resources.resource import Draft
from argus.core.resources.spec import Spec, findings
from argus.core.resources.yaml_text import LARGEST_BYTES, parse_documents
from argus.core.secrets import Secrets

__all__ = ["Fault", "ManifestError", "filled", "read_drafts", "read_drafts_text", "read_spec"]

_REFERENCE: Final = "a `${NAME}` can stand only where a text is wanted: write the value itself"


def read_drafts(documents: Sequence[Any], where: str, *, folder: Path | None = None) -> tuple[Draft, ...]:
    """Return what documents declare, in their order; the short form and the envelope give equal drafts.

    Args:
        documents: Mappings, lists and scalars, as YAML or JSON gives them.
        where: What people call the place that they came from: a file, `request`.
        folder: Relative paths of weights and recordings that exist in it become absolute; None: none do.

    Raises:
        ManifestError: something in them is impossible; every fault is listed.
    """
    declared, faults = declared_in(documents, where)
    drafts = []
    for one in declared:
        spec = read_spec(one, where)
        if isinstance(spec, list):
            faults += spec
            continue
        try:
            full = _plain(spec)
        except (ValueError, OverflowError, TypeError) as error:
            message = f"holds a value that JSON cannot: {str(error)[:120]}"
            faults.append(fault_in(one, where, "", message))
            continue
        if folder is not None:
            with_paths_beside(one.kind.name, full, folder)
        drafts.append(
            Draft(
                kind=one.kind.name,
                name=one.name,
                spec=full,
                labels=one.labels,
                annotations=one.annotations,
                resource_version=one.resource_version,
            )
        )
    if faults:
        raise ManifestError(sorted(faults, key=lambda fault: fault.document))
    return tuple(drafts)


def read_drafts_text(text: str, where: str, *, folder: Path | None = None) -> tuple[Draft, ...]:
    """Return what a text in YAML or JSON declares; see `read_drafts`.

    Raises:
        ManifestError: as there.
        SpecError: it is neither YAML nor JSON, too large or empty.
    """
    return read_drafts(read_text(text, where), where, folder=folder)


def read_text(text: str, where: str) -> list[Any]:
    """Return the documents of a text in YAML or JSON.

    Raises:
        SpecError: it is neither, larger than a file of resources may be, or empty.
    """
    if len(text) > LARGEST_BYTES:
        raise SpecError(f"{where}: larger than {LARGEST_BYTES // 2**20} MiB; these are no resources")
    documents = parse_documents(text, where)
    if not documents:
        raise SpecError(f"{where}: the file is empty")
    return documents


def filled(spec: dict[str, Any], secrets: Secrets, where: str) -> dict[str, Any]:
    """Return a spec with each `${NAME}` in its texts replaced, and `$$` by `$`.

    Raises:
        SpecError: a variable is not set.
    """
    return {key: _filled(value, secrets, f"{where}.{key}") for key, value in spec.items()}


def read_spec(declared: Declared, where: str, secrets: Secrets | None = None) -> Spec | list[Fault]:
    """Return the spec of what was declared, or what is wrong with it.

    Args:
        declared: What a document says.
        where: What people call the place that it came from.
        secrets: Where `${NAME}` is looked up; None: references stay as they are written.
    """
    data, alone = declared.spec, declared.kind.text_is
    try:
        if secrets is not None:
            place = f"{where}: {declared.place}"
            try:
                data = _filled(data, secrets, place)
            except SpecError as error:
                return [fault_in(declared, where, "", str(error).removeprefix(f"{place}: "), line=str(error))]
        if alone is not None and isinstance(data, str):
            data = {alone: data}
        if secrets is None:
            wrong = [
                fault_in(declared, where, at, message)
                for at, message in ((at, _wrong_reference(text)) for at, text in references(data))
                if message is not None
            ]
            if wrong:
                return wrong
        return declared.kind.spec.model_validate(data)
    except ValidationError as error:
        # The values of the environment are texts, so a field of numbers could never be checked before.
        referring = [] if secrets is not None else [at for at, _ in references(data)]
        return [
            fault_in(declared, where, at, _REFERENCE if at in referring else message)
            for at, message in findings(error, declared.kind.spec, secrets=secrets)
        ]
    except RecursionError:
        return [fault_in(declared, where, "", "nested too deeply for a spec")]


def fault_in(declared: Declared, where: str, at: str, message: str, *, line: str | None = None) -> Fault:
    """Return a fault at a place in a spec."""
    path = f"{declared.path}.{at}" if at else declared.path
    place = f"{declared.place}.{at}" if at else declared.place
    line = line or f"{where}: {place}: {message}"
    return Fault(declared.document, declared.kind.name, declared.name, path, message, line)


def references(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield place and text of each text with a `$` in it."""
    if isinstance(value, str):
        if "$" in value:
            yield at, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from references(item, f"{at}.{number}" if at else str(number))


def _filled(value: Any, secrets: Secrets, where: str) -> Any:
    """Return the same value with each `${NAME}` in its texts replaced."""
    if isinstance(value, str):
        return secrets.fill(value, where) if "$" in value else value
    if isinstance(value, dict):
        return {key: _filled(item, secrets, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, secrets, f"{where}.{number}") for number, item in enumerate(value)]
    return value


class _EveryName(dict[str, str]):
    """An environment in which all variables are set: what fails in it is no name."""

    def __missing__(self, key: str) -> str:
        return ""


def _wrong_reference(text: str) -> str | None:
    try:
        Secrets(_EveryName()).fill(text, "")
    except SpecError as error:
        return str(error).removeprefix(": ")
    return None


def _plain(spec: Spec) -> dict[str, Any]:
    """Return a spec as JSON says it, defaults filled in; what JSON cannot say raises."""
    # Twice through JSON, so that what is compared with what was kept is the same to the last number.
    plain: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(spec.model_dump(mode="json", by_alias=True))
    )
    return plain
