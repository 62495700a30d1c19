"""What documents declare, in either form, before any spec is read.

The short form has sections of names and specs; the envelope is Kubernetes' own. Everything that is wrong is
listed, so that a file is put right in one go. What the specs mean is read by `argus.core.resources.manifest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from argus.core.errors import SpecError, UnknownName, did_you_mean
from argus.core.resources.kinds import Kind, kind_named, kinds
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.resource import API_VERSION
from argus.core.resources.selectors import KEY, VALUE

ENVELOPE: Final = ("apiVersion", "kind", "metadata", "spec")
METADATA: Final = frozenset({
    "name", "labels", "annotations", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "finalizers", "managedFields", "ownerReferences", "generateName", "selfLink",
})  # fmt: skip
"""What Kubernetes writes there; only name, labels, annotations and resourceVersion mean something here."""
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MOST_ANNOTATED: Final = 256 * 1024
"""Characters of all annotations of a resource together, as in Kubernetes."""
_LONGEST_LINE: Final = 1000
_MOST_LINES: Final = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in documents."""

    document: int
    """Which document, from 0."""
    kind: str | None
    """Of the resource, where that is known."""
    name: str | None
    """Likewise."""
    path: str
    """Where in the document, as it is written there: `cameras.gate.fps`, `spec.fps`; empty: all of it."""
    message: str
    line: str
    """All of it in a line for people, with the file and the place."""


class ManifestError(SpecError):
    """Documents that declare something impossible; every fault is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        lines = [_short(fault.line, _LONGEST_LINE) for fault in faults[:_MOST_LINES]]
        if len(faults) > _MOST_LINES:
            lines.append(f"… and {len(faults) - _MOST_LINES} faults more")
        super().__init__("\n".join(lines))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource as a document declares it."""

    document: int
    kind: Kind
    name: str
    spec: Any
    """As it is written."""
    path: str
    """Where the spec stands in its document: `cameras.gate`, or `spec`."""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    resource_version: str | None = None

    @property
    def place(self) -> str:
        """How people find it, whatever the form: `cameras.gate`."""
        return f"{self.kind.plural}.{self.name}"


def declared_in(documents: Sequence[Any], where: str) -> tuple[list[Declared], list[Fault]]:
    """Return what documents declare, in order, and what is wrong with them.

    Args:
        documents: Mappings, lists and scalars, as YAML or JSON gives them.
        where: What people call the place that they came from.
    """
    reading = _Reading(where, several=len(documents) > 1)
    for number, document in enumerate(documents):
        reading.take(number, document)
    return reading.declared, reading.faults


def is_bare_pipeline(document: Mapping[str, Any]) -> bool:
    """Return whether the fields of a pipeline stand at the top of a document."""
    known = {one.alias or name for name, one in PipelineSpec.model_fields.items()}
    return "kind" not in document and "apiVersion" not in document and bool(known & document.keys())


def not_a_mapping(document: Any) -> str:
    """Return what is wrong with a document that is no mapping."""
    found = "a list" if isinstance(document, list) else f"the single value {str(document)[:40]!r}"
    return f"expected fields and their values (a mapping), found {found}"


class _Reading:
    def __init__(self, where: str, *, several: bool) -> None:
        self.declared: list[Declared] = []
        self.faults: list[Fault] = []
        self._where = where
        self._several = several
        self._number = 0
        self._sections = {kind.plural: kind for kind in kinds()}
        self._seen: set[tuple[str, str]] = set()

    def take(self, number: int, document: Any) -> None:
        self._number = number
        if not isinstance(document, dict):
            self._fault("", not_a_mapping(document))
        elif "apiVersion" in document or "kind" in document:
            self._take_envelope(document)
        elif is_bare_pipeline(document):
            message = "the fields of a pipeline stand at the top: put them under `pipelines:` and a name"
            self._fault("", message)
        else:
            self._take_sections(document)

    def _take_sections(self, document: dict[str, Any]) -> None:
        known = [*self._sections, *ENVELOPE]
        for section, entries in document.items():
            if section not in self._sections:
                hint = did_you_mean(section, known) or f"; known here: {', '.join(self._sections)}"
                self._fault(section, f"unknown field{hint}")
            elif isinstance(entries, dict):
                for name, spec in entries.items():
                    path = f"{section}.{name}"
                    self._add(Declared(self._number, self._sections[section], name, spec, path), at=path)
            elif entries is not None:
                self._fault(section, "expected names and their specs (a mapping)")

    def _take_envelope(self, document: dict[str, Any]) -> None:
        before = len(self.faults)
        self._known_fields(document, (*ENVELOPE, "status"), ENVELOPE, ENVELOPE)
        version, kind_name, metadata = (
            document.get("apiVersion"),
            document.get("kind"),
            document.get("metadata"),
        )
        if version is not None and version != API_VERSION:
            message = f"{_short(str(version), 60)!r} is not known; write {API_VERSION}"
            self._fault("apiVersion", message)
        kind = None if kind_name is None else self._kind(kind_name)
        if metadata is not None and not isinstance(metadata, dict):
            self._fault("metadata", "expected fields and their values (a mapping)", kind)
        if not isinstance(metadata, dict):
            return
        self._known_fields(metadata, METADATA, ("name",), ("name", "labels"), "metadata.")
        name = metadata.get("name")
        if name is not None and not isinstance(name, str):
            self._fault("metadata.name", "expected a text", kind)
        labels = self._texts(metadata, "labels", VALUE)
        annotations = self._texts(metadata, "annotations", None)
        given = metadata.get("resourceVersion")
        if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
            self._fault("metadata.resourceVersion", "expected a text", kind)
        if len(self.faults) == before and kind is not None and isinstance(name, str):
            declared = Declared(
                self._number, kind, name, document["spec"], "spec",
                labels, annotations, None if given in {None, ""} else str(given),
            )  # fmt: skip
            self._add(declared, at="metadata.name")

    def _kind(self, name: Any) -> Kind | None:
        try:
            return kind_named(name if isinstance(name, str) else _short(str(name), 60))
        except UnknownName as error:
            known = [kind.name for kind in kinds()]
            line = str(UnknownName(f"kind in {self._here}:", _short(str(name), 60), known))
            self.faults.append(Fault(self._number, None, None, "kind", str(error), line))
            return None

    def _known_fields(
        self,
        fields: dict[str, Any],
        known: Iterable[str],
        required: Sequence[str],
        told: Sequence[str],
        prefix: str = "",
    ) -> None:
        """Tell fields that are unknown, and required ones that are missing and not merely misspelt."""
        meant = set()
        for key in fields:
            if key not in known:
                hint = did_you_mean(key, known)
                meant |= {one for one in required if hint == f"; did you mean {one!r}?"}
                self._fault(f"{prefix}{key}", f"unknown field{hint or '; known here: ' + ', '.join(told)}")
        for key in required:
            if fields.get(key) is None and key not in meant:
                self._fault(f"{prefix}{key}", "this field is required")

    def _texts(self, metadata: dict[str, Any], key: str, value: re.Pattern[str] | None) -> dict[str, str]:
        """Return labels or annotations."""
        texts, path = metadata.get(key), f"metadata.{key}"
        if texts is None:
            return {}
        if not isinstance(texts, dict) or not all(isinstance(one, str) for one in texts.values()):
            self._fault(path, "expected texts and their texts; quote numbers and truths")
            return {}
        for name, text in texts.items():
            if not KEY.fullmatch(name):
                self._fault(
                    path,
                    f"{_short(name, 80)!r} is no key: use at most 63 letters, digits, `-`, `_` and `.`,"
                    " after a domain and `/` or not",
                )
            if value is not None and not value.fullmatch(text):
                self._fault(
                    f"{path}.{name}",
                    f"{_short(text, 80)!r} is no label: use at most 63 letters, digits, `-`, `_` and `.`;"
                    " what is longer goes into `annotations`",
                )
            elif not _encodable(text):
                self._fault(f"{path}.{_short(name, 80)}", "is no text in UTF-8")
        if sum(len(name) + len(text) for name, text in texts.items()) > MOST_ANNOTATED:
            self._fault(path, f"more than {MOST_ANNOTATED // 1024} KiB: keep what is large elsewhere")
        return dict(texts)

    def _add(self, declared: Declared, *, at: str) -> None:
        kind, name = declared.kind, declared.name
        if not NAME.fullmatch(name):
            message = (
                f"{_short(name, 80)!r} is no name: use at most 63 small letters, digits and -,"
                " with a letter or digit first and last"
            )
            line = f"{self._where}: {declared.place}: {message}"
            self.faults.append(Fault(self._number, kind.name, name, at, message, line))
        elif (kind.name, name) in self._seen:
            self._fault("", f"a {kind.name} {name!r} stands in this file twice", kind, name)
        else:
            self._seen.add((kind.name, name))
            self.declared.append(declared)

    @property
    def _here(self) -> str:
        return f"{self._where}: document {self._number + 1}" if self._several else self._where

    def _fault(self, path: str, message: str, kind: Kind | None = None, name: str | None = None) -> None:
        line = f"{self._here}: {path}: {message}" if path else f"{self._here}: {message}"
        self.faults.append(Fault(self._number, kind.name if kind else None, name, path, message, line))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
