"""Where tiles stand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus.vision.grid.layout import Box, arrange, fit, room

WIDE = 16 / 9


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (16, 4), (40, 7)])
def test_columns_are_those_that_make_the_pictures_largest(count: int, columns: int) -> None:
    assert arrange(1280, 720, [WIDE] * count).columns == columns


def test_columns_follow_the_shape_of_the_grid_and_of_the_pictures() -> None:
    assert arrange(1280, 720, [9 / 16] * 3).columns == 3
    assert arrange(720, 1280, [WIDE] * 3).columns == 1


def test_columns_that_are_asked_for_are_kept() -> None:
    assert arrange(1280, 720, [WIDE] * 16, columns=8).rows == 2
    assert arrange(1280, 720, [WIDE] * 3, columns=8).columns == 3


def test_a_grid_of_nothing_has_no_cell() -> None:
    assert arrange(1280, 720, []).cells == ()


def test_cells_are_no_larger_than_their_pictures_need() -> None:
    layout = arrange(1280, 720, [WIDE, WIDE])
    body = layout.body_of(0)
    assert body.width / body.height == pytest.approx(WIDE, rel=0.01)


@settings(deadline=None, max_examples=150)
@given(
    width=st.integers(320, 3840),
    height=st.integers(240, 2160),
    aspects=st.lists(st.floats(0.4, 3.0), min_size=1, max_size=60),
    columns=st.none() | st.integers(1, 12),
)
def test_cells_lie_inside_and_never_on_each_other(
    width: int, height: int, aspects: list[float], columns: int | None
) -> None:
    layout = arrange(width, height, aspects[: room(width, height)], columns=None)
    assert all(inside(cell, layout.gap // 2, width, height) for cell in layout.cells)
    assert not any(touch(a, b, 2 * (layout.gap // 2)) for a, b in itertools.combinations(layout.cells, 2))
    assert all(layout.body_of(i).height > 0 for i in range(len(layout.cells)))
    asked = arrange(width, height, aspects, columns)
    assert len(asked.cells) == len(aspects)


def inside(cell: Box, border: int, width: int, height: int) -> bool:
    return (
        cell.x >= border
        and cell.y >= border
        and cell.x + cell.width + border <= width
        and cell.y + cell.height + border <= height
    )


def touch(a: Box, b: Box, apart: int) -> bool:
    return (
        a.x < b.x + b.width + apart
        and b.x < a.x + a.width + apart
        and a.y < b.y + b.height + apart
        and b.y < a.y + a.height + apart
    )


@given(width=st.integers(1, 4000), height=st.integers(1, 4000), aspect=st.floats(0.2, 5))
def test_a_fitted_picture_fills_one_side_and_keeps_its_aspect(width: int, height: int, aspect: float) -> None:
    wide, high = fit(width, height, aspect)
    assert wide <= width
    assert high <= height
    assert wide == width or high == height
    assert abs(wide - high * aspect) <= max(1.0, aspect)
