"""The address `synthetic:plaza?…`: what it means, and what is said of a wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.errors import SpecError
from argus.vision.synthetic import PlazaOptions, parse_plaza_url


def test_an_address_names_what_it_changes_and_keeps_the_rest() -> None:
    options = parse_plaza_url("synthetic:plaza?width=640&height=360&fps=10&people=5&vehicles=1&seed=3")
    assert options == PlazaOptions(width=640, height=360, fps=10, people=5, vehicles=1, seed=3)
    assert (options.frames, options.night) == (0, False)


def test_the_bare_address_means_the_defaults() -> None:
    assert parse_plaza_url("synthetic:plaza") == PlazaOptions()


def test_frames_and_night_can_be_asked_for() -> None:
    options = parse_plaza_url("synthetic:plaza?frames=50&night=1")
    assert (options.frames, options.night) == (50, True)


@given(
    st.builds(
        PlazaOptions,
        width=st.integers(64, 7680),
        fps=st.sampled_from([0.5, 5.0, 12.5, 25.0, 29.97, 30000 / 1001]),
        people=st.integers(0, 200),
        seed=st.integers(0, 2**63 - 1),
        night=st.booleans(),
    )
)
def test_options_survive_the_way_through_their_address(options: PlazaOptions) -> None:
    assert parse_plaza_url(options.url()) == options


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "synthetic:plaza?peple=4",
            "unknown option 'peple'; did you mean 'people'\\?; known: fps, frames, height",
        ),
        ("synthetic:plaza?x=4", "unknown option 'x'; known: "),
        ("synthetic:piazza", "unknown synthetic scene 'piazza'; did you mean 'plaza'\\?"),
        ("synthetic:", "unknown synthetic scene ''"),
        ("synthetic:plaza?width=12", "width=12: input should be greater than or equal to 64"),
        ("synthetic:plaza?width=wide", "width=wide: input should be a valid integer"),
        ("synthetic:plaza?people=", "people=: input should be a valid integer"),
        ("synthetic:plaza?people=-1", "people=-1: input should be greater than or equal to 0"),
        ("synthetic:plaza?fps=nan", "fps=nan: input should be"),
        ("synthetic:plaza?fps=0", "fps=0: input should be greater than"),
        ("synthetic:plaza?fps=1e-300", "fps=1e-300: input should be greater than or equal to 0.000001"),
        ("synthetic:plaza?night=perhaps", "night=perhaps: input should be a valid boolean"),
        ("synthetic:plaza?seed=1&seed=2", "option 'seed' is given twice; keep one"),
        ("rtsp://camera/1", "no synthetic source; write synthetic:plaza\\?"),
    ],
)
def test_a_wrong_address_is_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_plaza_url(url)
