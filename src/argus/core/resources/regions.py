"""The places of a picture that rules speak of: zones, lines and crowds.

Specs only; what enters and crosses them is decided in `argus.vision`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from argus.core.anchors import Anchor
from argus.core.durations import Duration
from argus.core.resources.spec import Names, Spec

Severity = Literal["critical", "high", "medium", "low"]
Units = Literal["relative", "pixels"]
Point = tuple[float, float]


def _finite(point: Point) -> Point:
    if not all(abs(v) < 1e7 for v in point):  # NaN fails the comparison too
        raise ValueError("a coordinate must be a finite number")
    return point


FinitePoint = Annotated[Point, AfterValidator(_finite)]


class Region(Spec):
    """What zones, lines and crowds share."""

    units: Units = "relative"
    """`relative`: 0..1 of the picture's width and height; `pixels`: of the full picture."""
    classes: Names | None = None
    """Only objects of these classes count; None: every class."""
    anchor: Anchor = "bottom"
    """The point of the box that stands for the object: `bottom` (the middle of its lower edge, where it meets
    the ground), `center` or `top`."""
    severity: Severity | None = None
    """Makes its events alerts of this severity; None: events only."""


class ZoneSpec(Region):
    """An area that objects enter, stay in and leave."""

    polygon: tuple[FinitePoint, ...]
    """Corners in order, at least three; closed by itself."""
    dwell: Duration | None = None
    """Seconds inside after which `zone.dwelled` is raised; None: never."""
    enter_after: Duration = 0.2
    """Seconds inside before an entry counts. Higher ignores those who brush the edge; lower reacts sooner."""
    exit_after: Duration = 0.5
    """Seconds outside before an exit counts. Higher rides out jitter; lower ends visits sooner."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        check_polygon(self.polygon, self.units)
        return self


class LineSpec(Region):
    """A directed line; who crosses it goes `in` (from its left to its right hand) or `out`."""

    start: FinitePoint = Field(alias="from")
    """Where the line begins."""
    end: FinitePoint = Field(alias="to")
    """Where it ends; the way from one to the other gives the line its direction."""
    direction: Literal["both", "in", "out"] = "both"
    """Which crossings count. For who looks from `from` to `to`, `in` goes from the left hand to the right."""
    inertia: Duration = 0.2
    """Seconds that an object must stay beyond the line before its crossing counts; 0 counts at once."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.start == self.end:
            raise ValueError("the line has no length: `from` and `to` are the same point")
        check_inside((self.start, self.end), self.units, "line")
        return self


class CrowdSpec(Region):
    """A gathering: at least `count` objects at once, for some time."""

    count: int = Field(ge=2, le=10_000)
    """How many objects make a crowd."""
    polygon: tuple[FinitePoint, ...] | None = None
    """Where to count; None: the whole picture."""
    formed_after: Duration = 2.0
    """Seconds that the count must hold before `crowd.formed`."""
    dispersed_after: Duration = 2.0
    """Seconds below the count before `crowd.dispersed`."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.polygon is not None:
            check_polygon(self.polygon, self.units)
        return self


def check_polygon(points: tuple[Point, ...], units: Units) -> None:
    """Raise `ValueError` saying why these corners bound no usable area."""
    if len(points) < 3:
        raise ValueError(f"a polygon needs at least 3 points, this one has {len(points)}")
    check_inside(points, units, "polygon")
    # A fifth of a second with numpy, which who has no polygons is spared: most clients, and the keeper.
    import numpy  # noqa: F401 - shapely would load it in C, where Ctrl-C becomes an ImportError
    import shapely

    polygon = shapely.Polygon(points)
    # A flat polygon also counts as self-touching; saying that it has no area is the better remedy.
    if shapely.convex_hull(polygon).area < 1e-12:
        raise ValueError("the polygon has no area: its points lie on one line")
    if not polygon.is_valid:
        raise ValueError(
            f"the polygon crosses itself ({shapely.is_valid_reason(polygon)}): give its corners in order"
        )
    if polygon.area < 1e-12:
        raise ValueError("the polygon has no area")


def check_inside(points: tuple[Point, ...], units: Units, what: str) -> None:
    """Raise `ValueError` if a point lies outside the picture, as far as that can be known without one."""
    for x, y in points:
        if units == "relative" and not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError(
                f"the {what} has a point ({x:g}, {y:g}) outside the picture: relative coordinates run"
                " from 0 to 1 (for pixels, say `units: pixels`)"
            )
        if units == "pixels" and (x < 0 or y < 0):
            raise ValueError(f"the {what} has a point ({x:g}, {y:g}) outside the picture: pixels start at 0")
