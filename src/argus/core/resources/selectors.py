"""Label selectors, as `kubectl -l` has them: `zone=north,tier in (a, b),!old`. Pure.

Source: Kubernetes documentation, "Labels and Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from argus.core.errors import SpecError

Operator = Literal["in", "notin", "exists", "absent"]

KEY: Final = re.compile(
    r"(?:(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
"""Key of a label: at most 63 letters, digits, `-`, `_` and `.`, after a domain and `/` or not."""
VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
"""Value of a label: empty, or like a key without a domain."""

LONGEST: Final = 4096
"""Characters of a selector, at most."""
MOST_TERMS: Final = 50
"""Terms of a selector, at most: each is a condition of the database."""
_TOKEN: Final = re.compile(r"\s*(==|!=|[=!,()]|[^\s=!,()]+)")


class Requirement(msgspec.Struct, frozen=True):
    """One term of a selector."""

    key: str
    operator: Operator
    """`in`, `notin`, `exists`, `absent`; `=` is `in` one value, `!=` is `notin` one."""
    values: tuple[str, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether it holds; as in Kubernetes, `notin` holds too where there is no such label."""
        match self.operator:
            case "in":
                return self.key in labels and labels[self.key] in self.values
            case "notin":
                return self.key not in labels or labels[self.key] not in self.values
            case "exists":
                return self.key in labels
            case "absent":
                return self.key not in labels

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "absent":
                return f"!{self.key}"
            case _ if len(self.values) == 1:
                return f"{self.key}{'=' if self.operator == 'in' else '!='}{self.values[0]}"
            case _:
                return f"{self.key} {self.operator} ({','.join(self.values)})"


class Selector(msgspec.Struct, frozen=True):
    """All terms must hold; none holds always."""

    requirements: tuple[Requirement, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether a resource with these labels is meant."""
        return all(requirement.fits(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """Return the selector that a text says; an empty one means everything.

    Raises:
        SpecError: it is none; the message shows where.
    """
    if len(text) > LONGEST:
        raise SpecError(f"label selector: {len(text)} characters are too many: use at most {LONGEST}")
    reader = _Reader(text)
    terms: list[Requirement] = []
    if reader.peek() is not None:
        terms.append(reader.term())
        while reader.peek() is not None:
            reader.expect(",")
            terms.append(reader.term())
    if len(terms) > MOST_TERMS:
        raise SpecError(f"label selector: {len(terms)} terms are too many: use at most {MOST_TERMS}")
    return Selector(tuple(terms))


class _Reader:
    """Reads a selector from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._at = 0

    def peek(self) -> str | None:
        match = _TOKEN.match(self._text, self._at)
        return match[1] if match else None

    def take(self) -> str | None:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[1]

    def expect(self, token: str) -> None:
        if self.peek() != token:
            raise self._fault(f"expected `{token}`")
        self.take()

    def term(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            return Requirement(self._key(), "absent")
        key = self._key()
        match self.peek():
            case None | ",":
                return Requirement(key, "exists")
            case "=" | "==":
                self.take()
                return Requirement(key, "in", (self._value(),))
            case "!=":
                self.take()
                return Requirement(key, "notin", (self._value(),))
            case "in" | "notin" as operator:
                self.take()
                return Requirement(key, "in" if operator == "in" else "notin", self._values())
            case _:
                raise self._fault("expected `=`, `!=`, `in (…)`, `notin (…)` or `,`")

    def _key(self) -> str:
        word = self.peek()
        if word is None or not KEY.fullmatch(word):
            raise self._fault("expected the key of a label, such as `site` or `example.org/site`")
        self.take()
        return word

    def _values(self) -> tuple[str, ...]:
        self.expect("(")
        values = [self._value()]
        while self.peek() == ",":
            self.take()
            values.append(self._value())
        self.expect(")")
        return tuple(dict.fromkeys(values))

    def _value(self) -> str:
        word = self.peek()
        if word is None or word in {",", ")"}:
            return ""  # `site=` is the label whose value is empty
        if not VALUE.fullmatch(word):
            raise self._fault("expected the value of a label: letters, digits, `-`, `_` and `.`, at most 63")
        self.take()
        return word

    def _fault(self, wanted: str) -> SpecError:
        rest = self._text[self._at :].strip()
        found = f"at {rest[:40]!r}" if rest else "at its end"
        shown = self._text if len(self._text) <= 60 else self._text[:57] + "..."
        return SpecError(f"label selector {shown!r}, {found}: {wanted}")
