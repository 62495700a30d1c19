"""Label selectors mean what they mean to kubectl."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.errors import SpecError
from argus.core.resources.selectors import LONGEST, Requirement, Selector, parse_selector

LABELS = {"site": "north", "tier": "a", "example.org/owner": "ops", "empty": ""}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("  ", True),
        ("site=north", True),
        ("site==north", True),
        ("site = south", False),
        ("site!=south", True),
        ("missing!=x", True),
        ("site", True),
        ("missing", False),
        ("!missing", True),
        ("! site", False),
        ("tier in (a, b)", True),
        ("tier in(b)", False),
        ("tier notin (b,c)", True),
        ("tier notin (a)", False),
        ("missing notin (a)", True),
        ("missing in (a)", False),
        ("example.org/owner=ops", True),
        ("empty=", True),
        ("site=", False),
        ("empty in (,x)", True),
        ("site=north,tier in (a,b),!old,example.org/owner", True),
        ("site=north,tier=b", False),
        ("in in (in)", False),
    ],
)
def test_a_selector_fits_as_kubectl_says(text: str, fits: bool) -> None:
    assert parse_selector(text).fits(LABELS) is fits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",", "label selector ',', at ',': expected the key of a label"),
        ("a=b,", "label selector 'a=b,', at its end: expected the key of a label"),
        ("a b", "label selector 'a b', at 'b': expected `=`, `!=`, `in"),
        ("a=b c", "label selector 'a=b c', at 'c': expected `,`"),
        ("a in b", "label selector 'a in b', at 'b': expected `(`"),
        ("a in (b", "label selector 'a in (b', at its end: expected `)`"),
        ("a=(b)", "label selector 'a=(b)', at '(b)': expected the value of a label"),
        ("-a", "label selector '-a', at '-a': expected the key of a label"),
        ("a=' or 1=1--", 'label selector "a=\' or 1=1--", at "\' or 1=1--": expected the value'),
        ("a/b/c", "label selector 'a/b/c', at 'a/b/c': expected the key of a label"),
        ("!", "label selector '!', at its end: expected the key of a label"),
    ],
)
def test_what_is_no_selector_is_refused_and_shown_where(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_selector(text)
    assert str(caught.value).startswith(message)


def test_a_selector_is_written_as_it_is_read() -> None:
    text = "site=north,tier in (a,b),c!=d,e notin (f,g),!old,k"
    assert str(parse_selector(text)) == text
    assert parse_selector("a==b").requirements == (Requirement("a", "in", ("b",)),)


def test_a_selector_that_is_too_long_is_refused_at_once() -> None:
    with pytest.raises(SpecError, match="too many"):
        parse_selector("a," * LONGEST)
    with pytest.raises(SpecError, match="60 terms are too many"):
        parse_selector(",".join("k" * 60))
    before = time.process_time()
    with pytest.raises(SpecError):
        parse_selector("a-" * (LONGEST // 2) + "!")
    assert time.process_time() - before < 0.5


@given(st.text("ab=!,() in./-_\n\u00e9", max_size=40) | st.text(max_size=40))
def test_any_text_is_a_selector_or_a_clear_refusal(text: str) -> None:
    with contextlib.suppress(SpecError):
        selector = parse_selector(text)
        assert isinstance(selector, Selector)
        assert parse_selector(str(selector)) == selector
